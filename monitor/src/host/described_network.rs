//! An overlay network as the configuration file or Docker describes it.

use serde::Deserialize;

use monitor_classify::text::escape;

/// Longest name in bytes; Docker's names are shorter.
pub const NAME_MAX: usize = 255;

/// Whether the traffic of a network must be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// It must be encrypted: each cleartext packet is a violation.
    Required,
    /// No requirement: its state is reported only.
    Optional,
    /// It must stay readable, for an inspection on the path: encrypted packets are a violation.
    Forbidden,
}

impl Requirement {
    /// Its name in JSON, metrics and the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Requirement::Required => "required",
            Requirement::Optional => "optional",
            Requirement::Forbidden => "forbidden",
        }
    }
}

/// Where the description of a network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The configuration file, which overrides Docker.
    Config,
    /// Docker's API.
    Docker,
}

impl Source {
    /// Its name in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Source::Config => "config",
            Source::Docker => "docker",
        }
    }
}

/// The purpose of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkKind {
    /// Containers of an application.
    Overlay,
    /// Docker's routing mesh of published ports, which Docker does not encrypt by default.
    Ingress,
}

impl NetworkKind {
    /// Its name in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            NetworkKind::Overlay => "overlay",
            NetworkKind::Ingress => "ingress",
        }
    }
}

/// A network and its requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// VXLAN Network Identifier, 24 bits.
    pub vni: u32,
    /// Its name as given: escape it before showing it.
    pub name: String,
    /// Whether it must be encrypted.
    pub required: Requirement,
    /// Where the description comes from.
    pub source: Source,
    /// Its purpose.
    pub kind: NetworkKind,
}

impl Network {
    /// Whether its traffic can break its requirement.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.required != Requirement::Optional
    }

    /// Its name and VNI, escaped for display: `app1-network (VNI 4096)`.
    #[must_use]
    pub fn title(&self) -> String {
        title(self.vni, &self.name)
    }
}

/// A network's name and VNI, escaped for display; `VNI 4096` without a name.
#[must_use]
pub fn title(vni: u32, name: &str) -> String {
    if name.is_empty() {
        format!("VNI {vni}")
    } else {
        format!("{} (VNI {vni})", shown(name))
    }
}

/// A name, escaped for display and cut to 64 characters.
#[must_use]
pub fn shown(name: &str) -> String {
    /// Longest name that is displayed, in characters.
    const MAX: usize = 64;
    escape(name, MAX)
}
