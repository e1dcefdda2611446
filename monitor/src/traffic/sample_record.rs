//! One decoded sample or captured packet, and its JSON object.

use std::net::IpAddr;

use jiff::Timestamp;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::json_object::{SCHEMA, rfc3339};
use super::layer::{Layer, Wrapping};
use super::not_understood::NotUnderstood;
use super::packet_doubt::PacketDoubt;
use monitor_classify::{Transport, Verdict, text};

/// Source and destination address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Source.
    pub source: IpAddr,
    /// Destination.
    pub destination: IpAddr,
}

/// A decoded sample. Everything from the packet is redacted and escaped, except `payload`, which is escaped only, and
/// present only on request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleRecord {
    /// When the kernel processed it, or when it was captured.
    pub time: Timestamp,
    /// Interface name; empty if the capture file has none.
    pub interface: String,
    /// Received or sent, if known.
    pub direction: Option<Direction>,
    /// The addresses of the nodes; `None` outside any overlay or tunnel.
    pub outer: Option<Endpoints>,
    /// The outermost encapsulation, as the kernel programs identify it.
    pub encapsulation: Encapsulation,
    /// VXLAN Network Identifier that the kernel programs count it by.
    pub vni: Option<u32>,
    /// Each encapsulation from the outside in, if there are several, or one that the kernel programs do not identify.
    pub layers: Vec<Layer>,
    /// UDP port that is not configured for VXLAN, on which it was recognised by its header.
    pub recognised_port: Option<u16>,
    /// Security Parameters Index of ESP.
    pub spi: Option<u32>,
    /// Sequence number of ESP.
    pub sequence: Option<u32>,
    /// Transport of the inner packet; without an overlay, of the packet itself.
    pub transport: Option<Transport>,
    /// Addresses of the inner packet; without an overlay, of the packet itself.
    pub inner: Option<Endpoints>,
    /// Source port; 0 without ports.
    pub source_port: u16,
    /// Destination port; 0 without ports.
    pub destination_port: u16,
    /// The verdict on the payload.
    pub verdict: Verdict,
    /// Why it may not be what was on the wire.
    pub doubts: Vec<PacketDoubt>,
    /// Why the packet was not understood, if it was not.
    pub reason: Option<NotUnderstood>,
    /// Length of the frame on the wire in bytes, without FCS.
    pub length: u32,
    /// Number of captured bytes.
    pub captured: u32,
    /// Length of the inner payload on the wire in bytes.
    pub payload_len: u32,
    /// The payload, escaped, not redacted.
    pub payload: Option<String>,
}

impl SampleRecord {
    /// VNI of the outermost network, also where GRE or IP is around it.
    #[must_use]
    pub fn network_vni(&self) -> Option<u32> {
        self.vni.or_else(|| Layer::outermost_vni(&self.layers))
    }

    /// VNI of the innermost network, if the kernel programs count by another one, or by none.
    #[must_use]
    pub fn inner_vni(&self) -> Option<u32> {
        let networks = self.layers.iter().filter(|layer| layer.vni.is_some());
        (networks.count() > usize::from(self.vni.is_some()))
            .then(|| Layer::innermost_vni(&self.layers))?
    }

    /// The encapsulation of the outermost network.
    #[must_use]
    pub fn network_encapsulation(&self) -> Encapsulation {
        if self.encapsulation != Encapsulation::None {
            return self.encapsulation;
        }
        let known = self.layers.iter().find_map(|layer| match layer.wrapping {
            Wrapping::Encapsulation(encapsulation) => Some(encapsulation),
            Wrapping::Gre | Wrapping::Ip => None,
        });
        known.unwrap_or(Encapsulation::None)
    }

    /// Whether it is a packet under a security association, outside any overlay or tunnel.
    #[must_use]
    pub fn is_association(&self) -> bool {
        self.spi.is_some() && self.vni.is_none() && self.layers.is_empty()
    }

    /// Whether it has content that is readable or encrypted: a payload, ESP, a tunnel, or bytes that could not be
    /// parsed.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.payload_len != 0
            || self.spi.is_some()
            || self.reason.is_some()
            || self.encapsulation.is_tunnel()
    }
}

impl SampleRecord {
    /// A record of which only time, interface and direction are known. The interface name is escaped here.
    pub(crate) fn new(
        time: Timestamp,
        interface: &str,
        direction: Option<Direction>,
    ) -> SampleRecord {
        SampleRecord {
            time,
            interface: text::escape(interface, 64),
            direction,
            outer: None,
            encapsulation: Encapsulation::None,
            vni: None,
            layers: Vec::new(),
            recognised_port: None,
            spi: None,
            sequence: None,
            transport: None,
            inner: None,
            source_port: 0,
            destination_port: 0,
            verdict: Verdict::unknown(),
            doubts: Vec::new(),
            reason: None,
            length: 0,
            captured: 0,
            payload_len: 0,
            payload: None,
        }
    }
}

/// The object of type `sample`.
impl Serialize for SampleRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("sample", 28)?;
        object.serialize_field("type", "sample")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("time", &rfc3339(self.time))?;
        let interface = Some(&self.interface).filter(|name| !name.is_empty());
        object.serialize_field("interface", &interface)?;
        object.serialize_field("direction", &self.direction.map(Direction::label))?;
        object.serialize_field("outer_src", &self.outer.map(|outer| outer.source))?;
        object.serialize_field("outer_dst", &self.outer.map(|outer| outer.destination))?;
        object.serialize_field("encapsulation", self.network_encapsulation().label())?;
        object.serialize_field("vni", &self.network_vni())?;
        object.serialize_field("layers", &self.layers)?;
        object.serialize_field("recognised_port", &self.recognised_port)?;
        object.serialize_field("spi", &self.spi.map(|spi| format!("{spi:#010x}")))?;
        object.serialize_field("sequence", &self.sequence)?;
        object.serialize_field("transport", &self.transport)?;
        object.serialize_field("src", &self.inner.map(|inner| inner.source))?;
        object.serialize_field("src_port", &self.source_port)?;
        object.serialize_field("dst", &self.inner.map(|inner| inner.destination))?;
        object.serialize_field("dst_port", &self.destination_port)?;
        object.serialize_field("protocol", &self.verdict.protocol)?;
        object.serialize_field("exposure", &self.verdict.exposure)?;
        object.serialize_field("confidence", &self.verdict.confidence)?;
        object.serialize_field("evidence", &self.verdict.evidence)?;
        object.serialize_field("credentials", &self.verdict.credentials)?;
        object.serialize_field("doubts", &self.doubts)?;
        object.serialize_field("reason", &self.reason.map(NotUnderstood::label))?;
        object.serialize_field("length", &self.length)?;
        object.serialize_field("captured", &self.captured)?;
        match &self.payload {
            Some(payload) => object.serialize_field("payload", payload)?,
            None => object.skip_field("payload")?,
        }
        object.end()
    }
}
