//! The records of a flow and of a security association in a capture.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use monitor_common::count::Count;
use monitor_common::encapsulation::Encapsulation;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::traffic::json_object::{SCHEMA, rfc3339, timestamp};
use crate::traffic::layer::{Around, NamedLayer};
use crate::traffic::packet_doubt::PacketDoubt;
use crate::traffic::recognised_port::OnPort;
use crate::traffic::record_text::{Endpoint, Paint, YELLOW};
use monitor_classify::{Exposure, Transport, Verdict};

/// One inner flow. Everything from packets is redacted and escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// The node that captured it, as the user named it.
    pub node: Option<Arc<str>>,
    /// VXLAN Network Identifier; `None` outside any overlay.
    pub vni: Option<u32>,
    /// Name of the network, if the configuration has one.
    pub network: Option<Arc<str>>,
    /// Each encapsulation from the outside in, if there are several, or GRE or IP in IP.
    pub layers: Vec<NamedLayer>,
    /// UDP port that is not configured for VXLAN, on which it was recognised by its header.
    pub recognised_port: Option<u16>,
    /// Transport of the inner packets.
    pub transport: Transport,
    /// Address and port of the end that opened it, if known, else of the sender of its first packet.
    pub source: (IpAddr, u16),
    /// Address and port of the other end.
    pub destination: (IpAddr, u16),
    /// The verdict.
    pub verdict: Verdict,
    /// Why it may not be what was on the wire.
    pub doubts: Vec<PacketDoubt>,
    /// VNI of the overlay in which the same packets were seen, if this flow is outside any.
    pub inside: Option<u32>,
    /// Packets that were seen again on another device; they are not counted.
    pub repeated: u64,
    /// Packets and bytes of inner frames from the source.
    pub sent: Count,
    /// The same from the destination.
    pub received: Count,
    /// Times of the first and last packet, in nanoseconds since 1970.
    pub time_ns: (i64, i64),
    /// Whether all its packets are in this record: none in another record, none after the end of what was read.
    pub complete: bool,
}

/// The object of type `flow`.
impl Serialize for FlowRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("flow", 28)?;
        object.serialize_field("type", "flow")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("node", &self.node.as_deref())?;
        object.serialize_field("vni", &self.vni)?;
        object.serialize_field("network", &self.network.as_deref())?;
        object.serialize_field("layers", &self.layers)?;
        object.serialize_field("recognised_port", &self.recognised_port)?;
        object.serialize_field("transport", &self.transport)?;
        object.serialize_field("src", &self.source.0)?;
        object.serialize_field("src_port", &self.source.1)?;
        object.serialize_field("dst", &self.destination.0)?;
        object.serialize_field("dst_port", &self.destination.1)?;
        object.serialize_field("protocol", &self.verdict.protocol)?;
        object.serialize_field("exposure", &self.verdict.exposure)?;
        object.serialize_field("confidence", &self.verdict.confidence)?;
        object.serialize_field("doubts", &self.doubts)?;
        object.serialize_field("seen_in_vni", &self.inside)?;
        object.serialize_field("repeated_packets", &self.repeated)?;
        object.serialize_field("packets", &self.sent.packets)?;
        object.serialize_field("bytes", &self.sent.bytes)?;
        object.serialize_field("reverse_packets", &self.received.packets)?;
        object.serialize_field("reverse_bytes", &self.received.bytes)?;
        object.serialize_field("first_seen", &rfc3339(timestamp(self.time_ns.0)))?;
        object.serialize_field("last_seen", &rfc3339(timestamp(self.time_ns.1)))?;
        object.serialize_field("complete", &self.complete)?;
        object.serialize_field("credentials", &self.verdict.credentials)?;
        object.serialize_field("evidence", &self.verdict.evidence)?;
        object.end()
    }
}

impl FlowRecord {
    /// Writes it as one line of text, without the line break.
    pub(crate) fn line(&self, paint: Paint, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = Endpoint(self.source.0, self.source.1);
        let destination = Endpoint(self.destination.0, self.destination.1);
        network(f, self.vni, self.network.as_deref(), &self.layers)?;
        write!(f, "{source} > {destination} {}", self.transport)?;
        paint.verdict(f, &self.verdict)?;
        write!(
            f,
            "  {} packets {} bytes, back {} packets {} bytes",
            self.sent.packets, self.sent.bytes, self.received.packets, self.received.bytes
        )?;
        if self.repeated != 0 {
            write!(f, ", {} again on other devices", self.repeated)?;
        }
        if !self.complete {
            write!(f, "  (not complete)")?;
        }
        if let Some(port) = self.recognised_port {
            write!(f, "{}", OnPort(port))?;
        }
        for doubt in &self.doubts {
            match self.inside.filter(|_| *doubt == PacketDoubt::OtherDevice) {
                Some(vni) => paint.coloured(
                    f,
                    YELLOW,
                    format_args!("  (the same exchange as in vni {vni}, seen on other devices)"),
                )?,
                None => paint.coloured(f, YELLOW, format_args!("  ({doubt})"))?,
            }
        }
        Ok(())
    }
}

/// The network of a line, with all its layers, and two spaces after it; nothing outside any overlay or tunnel.
pub(super) fn network(
    f: &mut fmt::Formatter<'_>,
    vni: Option<u32>,
    name: Option<&str>,
    layers: &[NamedLayer],
) -> fmt::Result {
    if !layers.is_empty() {
        return write!(f, "{}  ", Around(layers));
    }
    let Some(vni) = vni else {
        return Ok(());
    };
    match name {
        Some(name) => write!(f, "vni {vni} ({name})  "),
        None => write!(f, "vni {vni}  "),
    }
}

/// One security association, in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspRecord {
    /// VNI of the network around it; `None` outside any overlay.
    pub vni: Option<u32>,
    /// ESP, ESP in UDP, or AH.
    pub encapsulation: Encapsulation,
    /// Address of the sending node.
    pub source: IpAddr,
    /// Address of the receiving node.
    pub destination: IpAddr,
    /// Security Parameters Index.
    pub spi: u32,
    /// Packets, and bytes of their frames.
    pub count: Count,
    /// Lowest and highest sequence number.
    pub sequence: (u32, u32),
    /// Times of the first and last packet, in nanoseconds since 1970.
    pub time_ns: (i64, i64),
    /// Whether its packets can be read.
    pub exposure: Exposure,
}

/// The object of type `esp`.
impl Serialize for EspRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("esp", 14)?;
        object.serialize_field("type", "esp")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("vni", &self.vni)?;
        object.serialize_field("encapsulation", self.encapsulation.label())?;
        object.serialize_field("src", &self.source)?;
        object.serialize_field("dst", &self.destination)?;
        object.serialize_field("spi", &format!("{:#010x}", self.spi))?;
        object.serialize_field("exposure", &self.exposure)?;
        object.serialize_field("packets", &self.count.packets)?;
        object.serialize_field("bytes", &self.count.bytes)?;
        object.serialize_field("sequence_min", &self.sequence.0)?;
        object.serialize_field("sequence_max", &self.sequence.1)?;
        object.serialize_field("first_seen", &rfc3339(timestamp(self.time_ns.0)))?;
        object.serialize_field("last_seen", &rfc3339(timestamp(self.time_ns.1)))?;
        object.end()
    }
}

impl fmt::Display for EspRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.encapsulation.name();
        network(f, self.vni, None, &[])?;
        write!(
            f,
            "{} > {}  {name} spi {:#010x} seq {} to {}  {}  {} packets {} bytes",
            self.source,
            self.destination,
            self.spi,
            self.sequence.0,
            self.sequence.1,
            self.exposure,
            self.count.packets,
            self.count.bytes
        )
    }
}
