//! The record of the frames of a network that belong to no flow.

use std::fmt;
use std::sync::Arc;

use monitor_common::count::Count;
use monitor_common::wire::eth;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::flow_records::network;
use crate::traffic::json_object::{SCHEMA, rfc3339, timestamp};
use crate::traffic::layer::NamedLayer;
use crate::traffic::not_understood::NotUnderstood;

/// What frames without a flow are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// Not IP, with this EtherType; 0 if it has no Ethernet header.
    NotIp(u16),
    /// Not understood.
    NotUnderstood(NotUnderstood),
}

/// Frames inside an overlay that belong to no flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramesRecord {
    /// The node that captured them, as the user named it.
    pub node: Option<Arc<str>>,
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// Name of the network, if the configuration has one.
    pub network: Option<Arc<str>>,
    /// As of a flow.
    pub layers: Vec<NamedLayer>,
    /// What they are.
    pub content: Content,
    /// Frames, and their bytes on the wire.
    pub count: Count,
    /// Times of the first and last frame, in nanoseconds since 1970.
    pub time_ns: (i64, i64),
}

impl FramesRecord {
    fn reason(&self) -> Option<NotUnderstood> {
        match self.content {
            Content::NotIp(_) => None,
            Content::NotUnderstood(reason) => Some(reason),
        }
    }

    fn ethertype(&self) -> Option<u16> {
        match self.content {
            Content::NotIp(0) | Content::NotUnderstood(_) => None,
            Content::NotIp(ethertype) => Some(ethertype),
        }
    }
}

/// The object of type `frames`.
impl Serialize for FramesRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ethertype = self.ethertype();
        let mut object = serializer.serialize_struct("frames", 12)?;
        object.serialize_field("type", "frames")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("node", &self.node.as_deref())?;
        object.serialize_field("vni", &self.vni)?;
        object.serialize_field("network", &self.network.as_deref())?;
        object.serialize_field("layers", &self.layers)?;
        object.serialize_field("reason", &self.reason().map(NotUnderstood::label))?;
        object.serialize_field(
            "ethertype",
            &ethertype.map(|number| format!("{number:#06x}")),
        )?;
        object.serialize_field("packets", &self.count.packets)?;
        object.serialize_field("bytes", &self.count.bytes)?;
        object.serialize_field("first_seen", &rfc3339(timestamp(self.time_ns.0)))?;
        object.serialize_field("last_seen", &rfc3339(timestamp(self.time_ns.1)))?;
        object.end()
    }
}

/// One line of text, without the line break.
impl fmt::Display for FramesRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        network(f, Some(self.vni), self.network.as_deref(), &self.layers)?;
        match self.content {
            Content::NotUnderstood(reason) => write!(f, "{reason}")?,
            Content::NotIp(0) => write!(f, "not IP")?,
            Content::NotIp(eth::ARP) => write!(f, "not IP, ARP")?,
            Content::NotIp(eth::NSH) => write!(f, "not IP, NSH")?,
            Content::NotIp(other) => write!(f, "not IP, ethertype {other:#06x}")?,
        }
        let Count { packets, bytes } = self.count;
        write!(f, "  {packets} packets {bytes} bytes")
    }
}
