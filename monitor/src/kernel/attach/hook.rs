//! The hooks at which programs are attached.

use std::fmt;

/// The hooks that the user chooses. The doc comments are help texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookChoice {
    /// TC in both directions: TCX if the kernel has it (6.6 and later), else clsact.
    #[default]
    Auto,
    /// The same as auto.
    Tc,
    /// Native XDP for received packets, TC for sent ones. Survives floods of small packets; but
    /// attaching it resets the rings of many NICs, and turns off TSO of a veth's peer.
    Xdp,
    /// Generic XDP for received packets, TC for sent ones: for drivers without native XDP.
    XdpGeneric,
}

/// A hook that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// TC through a BPF link (6.6 and later).
    Tcx,
    /// TC through a filter of the clsact qdisc.
    Clsact,
    /// Native XDP.
    Xdp,
    /// Generic XDP.
    XdpGeneric,
}

impl Hook {
    /// The value of the metric label `hook`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Hook::Tcx => "tcx",
            Hook::Clsact => "clsact",
            Hook::Xdp => "xdp",
            Hook::XdpGeneric => "xdp-generic",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}
