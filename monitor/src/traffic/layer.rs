//! One of several encapsulations of a packet.

use std::fmt;
use std::sync::Arc;

use monitor_common::encapsulation::Encapsulation;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// What a packet is wrapped in. GRE and IP are in no count of the kernel programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrapping {
    /// One that the kernel programs identify.
    Encapsulation(Encapsulation),
    /// GRE (RFC 2784).
    Gre,
    /// IP in IP (RFC 2003, RFC 4213).
    Ip,
}

impl Wrapping {
    /// The name in JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Wrapping::Encapsulation(encapsulation) => encapsulation.label(),
            Wrapping::Gre => "gre",
            Wrapping::Ip => "ipip",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Wrapping::Encapsulation(encapsulation) => encapsulation.name(),
            Wrapping::Gre => "GRE",
            Wrapping::Ip => "IP in IP",
        }
    }
}

/// One of several encapsulations of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer {
    /// What it is.
    pub wrapping: Wrapping,
    /// VXLAN Network Identifier, if it has one.
    pub vni: Option<u32>,
}

impl Layer {
    /// The VNI of the outermost network.
    #[must_use]
    pub fn outermost_vni(layers: &[Layer]) -> Option<u32> {
        layers.iter().find_map(|layer| layer.vni)
    }

    /// The VNI of the innermost network.
    #[must_use]
    pub fn innermost_vni(layers: &[Layer]) -> Option<u32> {
        layers.iter().rev().find_map(|layer| layer.vni)
    }
}

/// An element of `layers`.
impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("layer", 2)?;
        object.serialize_field("encapsulation", self.wrapping.label())?;
        object.serialize_field("vni", &self.vni)?;
        object.end()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.wrapping, self.vni) {
            // A VNI alone is one of VXLAN.
            (Wrapping::Encapsulation(Encapsulation::Vxlan), Some(vni)) => write!(f, "vni {vni}"),
            (wrapping, Some(vni)) => write!(f, "{} vni {vni}", wrapping.name()),
            (wrapping, None) => f.write_str(wrapping.name()),
        }
    }
}

/// A layer and the name of its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedLayer {
    /// The layer.
    pub layer: Layer,
    /// Name of the network, if the configuration has one: escaped.
    pub network: Option<Arc<str>>,
}

/// An element of `layers` of a flow.
impl Serialize for NamedLayer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("layer", 3)?;
        object.serialize_field("encapsulation", self.layer.wrapping.label())?;
        object.serialize_field("vni", &self.layer.vni)?;
        object.serialize_field("network", &self.network.as_deref())?;
        object.end()
    }
}

impl fmt::Display for NamedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.layer)?;
        match &self.network {
            Some(network) => write!(f, " ({network})"),
            None => Ok(()),
        }
    }
}

/// Layers in a line, the outermost first.
pub(super) struct Around<'a, T>(pub(super) &'a [T]);

impl<T: fmt::Display> fmt::Display for Around<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, layer) in self.0.iter().enumerate() {
            if number != 0 {
                f.write_str(" around ")?;
            }
            write!(f, "{layer}")?;
        }
        Ok(())
    }
}
