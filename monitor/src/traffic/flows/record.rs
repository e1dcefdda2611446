//! What is told of a flow, and of an association.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use monitor_common::label::Encapsulation;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::traffic::record::{Endpoint, Paint, SCHEMA, timestamp};
use monitor_classify::{Transport, Verdict};

/// One inner flow. Everything that came from a packet is redacted and escaped already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// Which node saw it, as the user calls it.
    pub node: Option<Arc<str>>,
    /// VXLAN Network Identifier; absent outside any overlay.
    pub vni: Option<u32>,
    /// Name of the network, where the configuration has one.
    pub network: Option<Arc<str>>,
    /// Transport of the inner packets.
    pub transport: Transport,
    /// Who opened it, where that is known, else who was seen first.
    pub source: (IpAddr, u16),
    /// The other end.
    pub destination: (IpAddr, u16),
    /// What can be read.
    pub verdict: Verdict,
    /// Packets and bytes of inner frames from the source.
    pub sent: (u64, u64),
    /// The same from the destination.
    pub received: (u64, u64),
    /// Nanoseconds since 1970 of the first packet, and of the last.
    pub time_ns: (i64, i64),
    /// Whether no packet of it can be in another record, or behind the end of what was read.
    pub complete: bool,
}

fn text_of(time_ns: i64) -> String {
    format!("{:.6}", timestamp(time_ns))
}

/// The object of type `flow`; see the README.
impl Serialize for FlowRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("flow", 23)?;
        object.serialize_field("type", "flow")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("node", &self.node.as_deref())?;
        object.serialize_field("vni", &self.vni)?;
        object.serialize_field("network", &self.network.as_deref())?;
        object.serialize_field("transport", &self.transport)?;
        object.serialize_field("src", &self.source.0)?;
        object.serialize_field("src_port", &self.source.1)?;
        object.serialize_field("dst", &self.destination.0)?;
        object.serialize_field("dst_port", &self.destination.1)?;
        object.serialize_field("protocol", &self.verdict.protocol)?;
        object.serialize_field("exposure", &self.verdict.exposure)?;
        object.serialize_field("confidence", &self.verdict.confidence)?;
        object.serialize_field("packets", &self.sent.0)?;
        object.serialize_field("bytes", &self.sent.1)?;
        object.serialize_field("reverse_packets", &self.received.0)?;
        object.serialize_field("reverse_bytes", &self.received.1)?;
        object.serialize_field("first_seen", &text_of(self.time_ns.0))?;
        object.serialize_field("last_seen", &text_of(self.time_ns.1))?;
        object.serialize_field("complete", &self.complete)?;
        object.serialize_field("credentials", &self.verdict.credentials)?;
        object.serialize_field("evidence", &self.verdict.evidence)?;
        object.end()
    }
}

impl FlowRecord {
    /// As one line of text, without the line break.
    pub(crate) fn line(&self, paint: Paint, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = Endpoint(self.source.0, self.source.1);
        let destination = Endpoint(self.destination.0, self.destination.1);
        if let Some(vni) = self.vni {
            write!(f, "vni {vni}")?;
            if let Some(network) = &self.network {
                write!(f, " ({network})")?;
            }
            write!(f, "  ")?;
        }
        write!(f, "{source} > {destination} {}", self.transport)?;
        paint.verdict(f, &self.verdict)?;
        write!(
            f,
            "  {} packets {} bytes, back {} packets {} bytes",
            self.sent.0, self.sent.1, self.received.0, self.received.1
        )?;
        if !self.complete {
            write!(f, "  (not complete)")?;
        }
        Ok(())
    }
}

/// One security association, in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspRecord {
    /// ESP, ESP in UDP, or AH.
    pub encapsulation: Encapsulation,
    /// The node that sent.
    pub source: IpAddr,
    /// The node that it was for.
    pub destination: IpAddr,
    /// Security Parameters Index.
    pub spi: u32,
    /// Packets.
    pub packets: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// Lowest and highest sequence number.
    pub sequence: (u32, u32),
    /// Nanoseconds since 1970 of the first packet, and of the last.
    pub time_ns: (i64, i64),
}

/// The object of type `esp`; see the README.
impl Serialize for EspRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("esp", 12)?;
        object.serialize_field("type", "esp")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("encapsulation", self.encapsulation.label())?;
        object.serialize_field("src", &self.source)?;
        object.serialize_field("dst", &self.destination)?;
        object.serialize_field("spi", &format!("{:#010x}", self.spi))?;
        object.serialize_field("packets", &self.packets)?;
        object.serialize_field("bytes", &self.bytes)?;
        object.serialize_field("sequence_min", &self.sequence.0)?;
        object.serialize_field("sequence_max", &self.sequence.1)?;
        object.serialize_field("first_seen", &text_of(self.time_ns.0))?;
        object.serialize_field("last_seen", &text_of(self.time_ns.1))?;
        object.end()
    }
}

impl fmt::Display for EspRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.encapsulation {
            Encapsulation::Ah => "AH",
            Encapsulation::EspUdp => "ESP in UDP",
            _ => "ESP",
        };
        write!(
            f,
            "{} > {}  {name} spi {:#010x} seq {} to {}  {} packets {} bytes",
            self.source,
            self.destination,
            self.spi,
            self.sequence.0,
            self.sequence.1,
            self.packets,
            self.bytes
        )
    }
}
