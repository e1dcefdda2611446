//! A finding of `check`: what was checked, the outcome, and what it means.

use std::fmt;

use serde::Serialize;

use crate::traffic::json_object::SCHEMA;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Version of the kernel.
    KernelVersion,
    /// Capabilities of the process.
    Privileges,
    /// Maps and programs for TC.
    Programs,
    /// TCX links.
    Tcx,
    /// Programs for XDP.
    XdpPrograms,
    /// Whether ESP is attributed to networks.
    EspAttribution,
    /// Whether encryptions are timed.
    EspTiming,
    /// The JIT compiler.
    Jit,
    /// IPsec ESP in the kernel.
    KernelEsp,
    /// The selection of interfaces.
    Selection,
    /// An interface.
    Interface,
    /// What `--hook auto` would do on an interface.
    HookAuto,
    /// What `--hook xdp` would do on an interface.
    HookXdp,
    /// Whether Docker answers, and its networks.
    Docker,
    /// An overlay of this host on a UDP port that is not watched.
    OverlayPort,
    /// IPsec of this host.
    Ipsec,
    /// Whether the rules of the firewall can be read.
    Firewall,
    /// The rules of a network that must be encrypted.
    NetworkRules,
    /// A fault of IPsec.
    IpsecFault,
}

impl Check {
    /// Every check.
    pub const ALL: [Check; 19] = [
        Check::KernelVersion,
        Check::Privileges,
        Check::Programs,
        Check::Tcx,
        Check::XdpPrograms,
        Check::EspAttribution,
        Check::EspTiming,
        Check::Jit,
        Check::KernelEsp,
        Check::Selection,
        Check::Interface,
        Check::HookAuto,
        Check::HookXdp,
        Check::Docker,
        Check::OverlayPort,
        Check::Ipsec,
        Check::Firewall,
        Check::NetworkRules,
        Check::IpsecFault,
    ];
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It works.
    #[serde(rename = "ok")]
    Works,
    /// It does not work, and something is less good for it.
    Limited,
    /// A network is not as it must be.
    Failed,
    /// It does not work, and nothing works without it.
    Missing,
}

impl Outcome {
    /// Whether the command then ends with a failure.
    pub(super) fn fails(self) -> bool {
        matches!(self, Outcome::Failed | Outcome::Missing)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Works => "ok",
            Outcome::Limited => "limited",
            Outcome::Failed => "FAILED",
            Outcome::Missing => "MISSING",
        })
    }
}

/// A line of the output.
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) outcome: Outcome,
    /// What was checked, as text.
    pub(super) what: String,
    /// What the outcome means for the user.
    pub(super) means: String,
    /// The interface, if it is about one.
    interface: Option<String>,
    /// The network, if it is about one.
    vni: Option<u32>,
}

/// The object of type `check`.
#[derive(Serialize)]
struct Record<'a> {
    r#type: &'static str,
    schema: u32,
    check: Check,
    outcome: Outcome,
    interface: Option<&'a str>,
    vni: Option<u32>,
    what: &'a str,
    means: &'a str,
}

impl Finding {
    fn new(
        check: Check,
        outcome: Outcome,
        what: impl Into<String>,
        means: impl Into<String>,
    ) -> Finding {
        Finding {
            check,
            outcome,
            what: what.into(),
            means: means.into(),
            interface: None,
            vni: None,
        }
    }

    /// It is about this interface.
    pub(super) fn on(self, interface: &str) -> Finding {
        Finding {
            interface: Some(interface.to_owned()),
            ..self
        }
    }

    /// It is about this network.
    pub(super) fn of(self, vni: u32) -> Finding {
        Finding {
            vni: Some(vni),
            ..self
        }
    }

    /// As a JSON object.
    ///
    /// # Errors
    /// None that can happen: everything in it can be serialised.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Record {
            r#type: "check",
            schema: SCHEMA,
            check: self.check,
            outcome: self.outcome,
            interface: self.interface.as_deref(),
            vni: self.vni,
            // Indented in text, where it belongs to the line above.
            what: self.what.trim_start(),
            means: &self.means,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {:<28} {}", self.outcome, self.what, self.means)
    }
}

pub(super) fn works(check: Check, what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding::new(check, Outcome::Works, what, means)
}

pub(super) fn limited(check: Check, what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding::new(check, Outcome::Limited, what, means)
}

pub(super) fn failed(check: Check, what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding::new(check, Outcome::Failed, what, means)
}

pub(super) fn missing(check: Check, what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding::new(check, Outcome::Missing, what, means)
}
