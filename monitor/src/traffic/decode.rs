//! Decodes the bytes of a sample, or of a packet in a capture file, into a [`SampleRecord`]: the same walk as in the
//! kernel, then the classifiers.

use jiff::Timestamp;
use monitor_common::address::Addresses;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::load::{Captured, Load};
use monitor_common::reason::Reason;
use monitor_common::sample::Sample;
use monitor_common::walk::{self, Frame, FrameKind, Inner, InnerKind, OuterKind};
use monitor_common::wire::{tcp, udp};

use crate::base::udp_ports::UdpPorts;
use crate::traffic::address::ip;
use crate::traffic::association_memory::{AssociationId, before_the_wire};
use crate::traffic::capture::{Packet, WalkStart, walk_start};
use crate::traffic::flows::LiveFlows;
use crate::traffic::history::History;
use crate::traffic::json_object::timestamp;
use crate::traffic::layers::{Opened, open, open_captured};
use crate::traffic::not_understood::NotUnderstood;
use crate::traffic::recognised_port::Recognised;
use crate::traffic::sample_record::{Endpoints, SampleRecord};
use crate::traffic::tunnel_verdict::tunnel;
use crate::traffic::vxlan_recognition::VxlanRecognition;
use monitor_classify::text;
use monitor_classify::{EspPacket, Payload, Transport, Verdict, ah, esp};

/// Longest preview of a payload, in characters.
const PREVIEW_MAX: usize = 4096;

/// Decodes frames into records.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// The service of each UDP port.
    pub udp_ports: UdpPorts,
    /// Whether records contain the payload.
    pub show_payload: bool,
    /// Whether evidence contains the names of accounts.
    pub show_users: bool,
}

/// What came before in a capture file.
#[derive(Default)]
pub struct Before {
    /// The packets that another one may be a copy of.
    history: History,
    /// The bytes that another packet may continue.
    flows: LiveFlows,
    vxlan: VxlanRecognition,
}

impl Before {
    /// Begins another file: its packets continue none of the earlier ones.
    pub fn begin_file(&mut self) {
        self.history = History::default();
        self.flows = LiveFlows::default();
        self.vxlan.begin_file();
    }

    /// The ports on which VXLAN was recognised in all files.
    #[must_use]
    pub fn recognised(&self, udp_ports: &UdpPorts) -> Recognised {
        self.vxlan.ports().list(udp_ports)
    }
}

impl Decoder {
    /// Decodes a sample, and classifies it with the earlier samples of its flow. Never fails: fields that cannot be
    /// decoded are absent, and `reason` has the kernel's reason.
    #[must_use]
    pub fn decode(
        &self,
        flows: &mut LiveFlows,
        sample: &Sample<'_>,
        time: Timestamp,
        interface: &str,
    ) -> SampleRecord {
        let packet = Captured {
            bytes: sample.frame,
            frame_len: sample.frame_len as usize,
        };
        let mut record = SampleRecord::new(time, interface, Some(sample.direction));
        record.length = sample.frame_len;
        record.captured = u32::try_from(sample.frame.len()).unwrap_or(u32::MAX);
        let opened = open(&packet, sample.link, &self.udp_ports);
        let reason = self.walk(&mut record, &opened, flows, Origin::Sample);
        // The kernel parsed the whole frame: the walk over its first bytes adds only that these are too few.
        let cut = reason
            .map(|reason| NotUnderstood::of(reason, &packet))
            .filter(|reason| *reason == NotUnderstood::SnapLength);
        record.reason = sample.reason.map(NotUnderstood::Walk).or(cut);
        record
    }

    /// Decodes a packet of a capture file, and compares it with earlier ones. Never fails.
    #[must_use]
    pub fn decode_packet(&self, before: &mut Before, packet: &Packet<'_>) -> SampleRecord {
        let interface = packet.interface.unwrap_or_default();
        let mut record = SampleRecord::new(timestamp(packet.time_ns), interface, packet.direction);
        record.length = packet.wire_len;
        record.captured = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
        match walk_start(packet.link_type, packet.bytes) {
            WalkStart::At(at, link, direction) => {
                record.direction = record.direction.or(direction);
                let captured = Captured {
                    bytes: packet.bytes.get(at..).unwrap_or_default(),
                    frame_len: (packet.wire_len as usize).saturating_sub(at),
                };
                let opened = open_captured(&captured, link, &self.udp_ports, &mut before.vxlan);
                record.recognised_port = opened.recognised_port;
                let past = before.history.note(packet, &opened, record.direction);
                record.doubts = past.doubts();
                let reason = self.walk(&mut record, &opened, &mut before.flows, Origin::Capture);
                record.reason = reason.map(|reason| NotUnderstood::of(reason, &captured));
            }
            WalkStart::Unparsed(reason) => {
                let captured = Captured {
                    bytes: packet.bytes,
                    frame_len: packet.wire_len as usize,
                };
                record.reason = Some(NotUnderstood::of(reason, &captured));
            }
            WalkStart::Unsupported => record.reason = Some(NotUnderstood::LinkType),
            WalkStart::NotIp => {}
        }
        record
    }

    /// Fills in a record. Returns why the packet could not be parsed.
    fn walk(
        &self,
        record: &mut SampleRecord,
        opened: &Opened<'_>,
        flows: &mut LiveFlows,
        origin: Origin,
    ) -> Option<Reason> {
        let outer = &opened.outer;
        let packet = &opened.packet;
        record.layers = opened.path();
        let nodes = opened.nodes();
        let nodes = nodes.and_then(|nodes| walk::addresses(packet, nodes));
        record.outer = nodes.map(|addresses| endpoints(&addresses));
        match outer.kind {
            OuterKind::Overlay | OuterKind::Association | OuterKind::Tunnel => {
                record.encapsulation = outer.encapsulation;
            }
            OuterKind::NotIp | OuterKind::Host | OuterKind::LaterFragment | OuterKind::Unparsed => {
            }
        }
        match outer.kind {
            OuterKind::NotIp => {}
            OuterKind::Host | OuterKind::Overlay => {
                record.vni = (outer.kind == OuterKind::Overlay).then_some(outer.vni);
                let inner = opened.inner?;
                if inner.kind == InnerKind::Unparsed {
                    cut_ends(
                        record,
                        packet,
                        &walk::frame(packet, opened.start, opened.link),
                    );
                }
                if let Some(association) = &opened.association {
                    record.spi = Some(association.spi);
                    record.sequence = Some(association.sequence);
                }
                return self.inside(record, opened, &inner, flows, origin);
            }
            OuterKind::Association => {
                record.transport = Some(Transport::from(outer.network.protocol));
                record.spi = Some(outer.spi);
                record.sequence = Some(outer.sequence);
                let segment = opened.inner?;
                let is_first_fragment = outer.network.first_fragment;
                record.verdict = match outer.encapsulation {
                    Encapsulation::Ah => ah(),
                    _ => association(
                        record,
                        &EspPacket::new(&payload_of(packet, &segment), is_first_fragment),
                        flows,
                        origin,
                    ),
                };
                self.show_users(record);
            }
            OuterKind::Tunnel => {
                record.transport = Some(Transport::from(outer.network.protocol));
                let datagram = opened.inner?;
                record.verdict = tunnel(outer.encapsulation, &payload_of(packet, &datagram));
            }
            // Only the first fragment shows which tunnel it belongs to.
            OuterKind::LaterFragment => {
                record.transport = Some(Transport::from(outer.network.protocol));
            }
            OuterKind::Unparsed => {
                if self.show_payload && record.captured != 0 {
                    record.payload = Some(text::payload_preview(packet.bytes, PREVIEW_MAX));
                }
                return Some(outer.reason);
            }
        }
        None
    }

    /// Fills in the inner packet. Returns why it could not be parsed.
    fn inside(
        &self,
        record: &mut SampleRecord,
        opened: &Opened<'_>,
        inner: &Inner,
        flows: &mut LiveFlows,
        origin: Origin,
    ) -> Option<Reason> {
        let packet = &opened.packet;
        match inner.kind {
            InnerKind::NotIp => {}
            InnerKind::Unparsed => return Some(inner.reason),
            InnerKind::Flow => {
                let addresses = walk::addresses(packet, &inner.network)?;
                let transport = Transport::from(inner.network.protocol);
                record.transport = Some(transport);
                record.inner = Some(endpoints(&addresses));
                record.source_port = inner.source_port;
                record.destination_port = inner.destination_port;
                record.payload_len = u32::try_from(inner.payload_len()).unwrap_or(u32::MAX);
                if inner.network.later_fragment {
                    return None;
                }
                let payload = payload_of(packet, inner);
                if record.payload_len == 0 || payload.bytes.is_empty() {
                    return None;
                }
                if self.show_payload {
                    record.payload = Some(text::payload_preview(payload.bytes, PREVIEW_MAX));
                }
                record.verdict = if opened
                    .association
                    .is_some_and(|found| found.encapsulation.is_esp())
                {
                    let is_cut = opened.nodes().is_some_and(|nodes| nodes.first_fragment);
                    let is_first_fragment = inner.network.first_fragment || is_cut;
                    let packet = EspPacket::new(&payload, is_first_fragment);
                    association(record, &packet, flows, origin)
                } else {
                    let sequence = (transport == Transport::Tcp)
                        .then(|| packet.load(inner.network.l4 + tcp::SEQUENCE_AT))
                        .flatten();
                    flows.classify(record, &payload, sequence.map(u32::from_be_bytes))
                };
                self.show_users(record);
            }
        }
        None
    }

    fn show_users(&self, record: &mut SampleRecord) {
        if self.show_users {
            record.verdict = record.verdict.clone().with_users();
        }
    }
}

/// Where a packet was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// By a kernel program.
    Sample,
    /// In a capture file.
    Capture,
}

/// The verdict on an ESP packet, whose addresses and SPI are in the record.
fn association(
    record: &SampleRecord,
    packet: &EspPacket<'_>,
    flows: &mut LiveFlows,
    origin: Origin,
) -> Verdict {
    let (Some(ends), Some(spi)) = (record.inner.or(record.outer), record.spi) else {
        return esp(packet);
    };
    let id = AssociationId {
        vni: record.network_vni(),
        source: ends.source,
        destination: ends.destination,
        spi,
    };
    let verdict = flows.associations.observe(id, packet);
    match (origin, record.direction) {
        (Origin::Sample, Some(Direction::Tx)) => before_the_wire(verdict),
        _ => verdict,
    }
}

/// Fills in the ends of a packet of which not even the headers are at hand: its addresses, and the ports, with which
/// TCP and UDP begin.
fn cut_ends(record: &mut SampleRecord, packet: &Captured<'_>, frame: &Frame) {
    if frame.kind != FrameKind::Ip {
        return;
    }
    let network = &frame.network;
    record.transport = Some(Transport::from(network.protocol));
    record.inner = walk::addresses(packet, network).map(|addresses| endpoints(&addresses));
    if matches!(network.protocol, tcp::PROTOCOL | udp::PROTOCOL)
        && !network.later_fragment
        && let Some([a, b, c, d]) = packet.load(network.l4)
    {
        record.source_port = u16::from_be_bytes([a, b]);
        record.destination_port = u16::from_be_bytes([c, d]);
    }
}

/// The payload of a packet. It ends where the packet's own length says; after it may be an Ethernet trailer.
fn payload_of<'a>(packet: &Captured<'a>, inner: &Inner) -> Payload<'a> {
    let end = packet.bytes.len().min(inner.network.end);
    Payload {
        bytes: packet.bytes.get(inner.payload..end).unwrap_or_default(),
        wire_len: u32::try_from(inner.payload_len()).unwrap_or(u32::MAX),
        transport: Transport::from(inner.network.protocol),
        src_port: inner.source_port,
        dst_port: inner.destination_port,
    }
}

fn endpoints(addresses: &Addresses) -> Endpoints {
    Endpoints {
        source: ip(addresses.version, addresses.source),
        destination: ip(addresses.version, addresses.destination),
    }
}

#[cfg(test)]
mod frame_tests;
#[cfg(test)]
mod live_tests;
