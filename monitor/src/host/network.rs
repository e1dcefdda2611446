//! An overlay network as somebody described it: the configuration file, or Docker.

use serde::Deserialize;

use monitor_classify::text::escape;

/// Longest name in bytes: what Docker takes is shorter.
pub const NAME_MAX: usize = 255;
/// Largest VNI: 24 bits (RFC 7348, section 5).
pub const VNI_MAX: u32 = 0x00ff_ffff;

/// Whether the traffic of a network must be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// Each cleartext packet is a violation.
    Required,
    /// Either is fine; what it is, is said.
    Optional,
    /// It must be readable, for an inspection on the path: encryption would be noticed.
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

/// Who told of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The configuration file, which wins over Docker.
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

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Containers of an application.
    Overlay,
    /// Docker's routing mesh of published ports, which it never encrypts unless told so.
    Ingress,
}

impl Kind {
    /// Its name in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Overlay => "overlay",
            Kind::Ingress => "ingress",
        }
    }
}

/// A network as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// VXLAN Network Identifier, 24 bits.
    pub vni: u32,
    /// Its name, as it was given: escape it before it is shown.
    pub name: String,
    /// Whether it must be encrypted.
    pub required: Requirement,
    /// Who said so.
    pub source: Source,
    /// What it is for.
    pub kind: Kind,
}

impl Network {
    /// What it is called, fit to be shown: `app1-network (VNI 4096)`.
    #[must_use]
    pub fn title(&self) -> String {
        title(self.vni, &self.name)
    }
}

/// What a network of this name is called, fit to be shown.
#[must_use]
pub fn title(vni: u32, name: &str) -> String {
    if name.is_empty() {
        format!("VNI {vni}")
    } else {
        format!("{} (VNI {vni})", shown(name))
    }
}

/// A name fit to be shown.
#[must_use]
pub fn shown(name: &str) -> String {
    /// Longest name that is shown, in characters.
    const MAX: usize = 64;
    escape(name, MAX)
}
