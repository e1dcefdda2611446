//! Walks one packet of a capture file down to its flow.

use monitor_common::address::Addresses;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::NetworkId;
use monitor_common::link::Link;
use monitor_common::load::{Captured, Load};
use monitor_common::reason::Reason;
use monitor_common::walk::{self, Inner, InnerKind, Network, Outer, OuterKind};
use monitor_common::wire::tcp;

use super::network_frames::Inside;
use crate::base::udp_ports::UdpPorts;
use crate::traffic::capture::{Packet, WalkStart, walk_start};
use crate::traffic::history::{History, Past};
use crate::traffic::layer::Layer;
use crate::traffic::layers::{Opened, open_captured};
use crate::traffic::not_understood::NotUnderstood;
use crate::traffic::vxlan_recognition::VxlanRecognition;
use monitor_classify::EspPacket;

/// What a packet is.
pub(super) enum Walked<'a> {
    /// A packet of a flow.
    Flow(FlowPacket<'a>),
    /// A later fragment of a packet.
    Fragment(Fragment),
    /// Neither IPv4 nor IPv6: its EtherType, and where in an overlay it is.
    NotIp(u16, Option<Inside>),
    /// It was not understood: why, and where in an overlay it is.
    NotUnderstood(NotUnderstood, Option<Inside>),
}

/// A packet of a flow.
pub(super) struct FlowPacket<'a> {
    pub(super) network: NetworkId,
    /// Each encapsulation from the outside in, if there are several, or one that the kernel programs do not identify.
    pub(super) layers: Vec<Layer>,
    /// UDP port that is not configured for VXLAN, on which it was recognised.
    pub(super) recognised_port: Option<u16>,
    /// The outermost encapsulation.
    pub(super) encapsulation: Encapsulation,
    pub(super) addresses: Addresses,
    pub(super) protocol: u8,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    /// TCP flag byte, else 0.
    pub(super) tcp_flags: u8,
    /// TCP sequence and acknowledgement number, else 0.
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    /// The captured bytes after the transport header.
    pub(super) payload: &'a [u8],
    /// Length of the payload on the wire.
    pub(super) payload_len: u32,
    /// Length of the inner frame on the wire.
    pub(super) length: u32,
    /// ESP or AH, if the packet is either.
    pub(super) association: Option<Outer>,
    /// How it relates to earlier packets.
    pub(super) past: Past,
    /// What later fragments of this packet have in common with it.
    pub(super) fragments: Option<Fragment>,
}

impl<'a> FlowPacket<'a> {
    /// The packet as one of ESP, if it is.
    pub(super) fn as_esp(&self) -> Option<EspPacket<'a>> {
        let association = self.association.as_ref()?;
        association.encapsulation.is_esp().then_some(EspPacket {
            bytes: self.payload,
            wire_len: self.payload_len,
            is_first_fragment: self.fragments.is_some(),
        })
    }
}

/// What identifies the fragments of one packet, and the lengths of this one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fragment {
    pub(super) network: NetworkId,
    pub(super) addresses: Addresses,
    pub(super) protocol: u8,
    pub(super) id: u32,
    /// Whether each fragment is a packet of the flow, because an inner packet was fragmented and not an outer one. Only
    /// known from the first fragment.
    pub(super) is_packet: bool,
    /// Length of this fragment as an inner frame.
    pub(super) frame: u32,
    /// Length that it adds to an inner frame.
    pub(super) payload: u32,
}

/// Walks a packet.
#[inline]
pub(super) fn walk<'a>(
    packet: &Packet<'a>,
    udp_ports: &UdpPorts,
    history: &mut History,
    vxlan: &mut VxlanRecognition,
) -> Walked<'a> {
    let whole = Captured {
        bytes: packet.bytes,
        frame_len: packet.wire_len as usize,
    };
    let (at, link, direction) = match walk_start(packet.link_type, packet.bytes) {
        WalkStart::At(at, link, direction) => (at, link, direction),
        WalkStart::NotIp => return Walked::NotIp(0, None),
        WalkStart::Unparsed(reason) => {
            return Walked::NotUnderstood(NotUnderstood::of(reason, &whole), None);
        }
        WalkStart::Unsupported => return Walked::NotUnderstood(NotUnderstood::LinkType, None),
    };
    let captured = Captured {
        bytes: whole.bytes.get(at..).unwrap_or_default(),
        frame_len: whole.frame_len.saturating_sub(at),
    };
    let opened = open_captured(&captured, link, udp_ports, vxlan);
    let frame = Frame {
        captured: opened.packet,
        link_len: if matches!(link, Link::Ip) { at } else { 0 },
    };
    let mut walked = frame.walked(&opened);
    let past = history.note(packet, &opened, packet.direction.or(direction));
    if let Walked::Flow(packet) = &mut walked {
        packet.past = past;
    }
    walked
}

/// A frame without its link header, unless that is Ethernet.
struct Frame<'a> {
    captured: Captured<'a>,
    /// Length of a link header before the captured bytes.
    link_len: usize,
}

impl<'a> Frame<'a> {
    fn walked(&self, opened: &Opened<'a>) -> Walked<'a> {
        let outer = &opened.outer;
        let network = &outer.network;
        match outer.kind {
            OuterKind::NotIp => Walked::NotIp(0, None),
            OuterKind::Host if network.later_fragment => self.later(NetworkId::HOST, network),
            OuterKind::LaterFragment => self.later(NetworkId::HOST, network),
            OuterKind::Host | OuterKind::Tunnel | OuterKind::Association | OuterKind::Overlay => {
                self.inside(opened)
            }
            OuterKind::Unparsed => self.not_understood(outer.reason, None),
        }
    }

    /// The innermost packet.
    fn inside(&self, opened: &Opened<'a>) -> Walked<'a> {
        let outer = &opened.outer;
        let is_overlay = outer.kind == OuterKind::Overlay;
        let id = if is_overlay {
            NetworkId::vni(outer.vni)
        } else {
            NetworkId::HOST
        };
        let Some(inner) = &opened.inner else {
            return Walked::NotIp(0, None);
        };
        if inner.kind == InnerKind::Flow && inner.network.later_fragment {
            return self.later_at(id, &inner.network, opened.start);
        }
        let mut seen = self.flow(id, opened, inner);
        if let Walked::Flow(packet) = &mut seen {
            packet.association = match outer.kind {
                OuterKind::Association => Some(*outer),
                _ => opened.association,
            };
            if is_overlay && outer.network.first_fragment {
                packet.fragments = self.fragment(NetworkId::HOST, &outer.network, false);
            } else if let Some(layer) = opened.layers.iter().position(|at| at.1.first_fragment) {
                // Later fragments are not opened: they are seen in the network around this layer.
                let around = if layer == 0 { NetworkId::HOST } else { id };
                packet.fragments = self.fragment(around, &opened.layers[layer].1, false);
            }
        }
        seen
    }

    fn not_understood(&self, reason: Reason, inside: Option<Inside>) -> Walked<'a> {
        Walked::NotUnderstood(NotUnderstood::of(reason, &self.captured), inside)
    }

    /// Where in an overlay the innermost frame is.
    fn place(&self, id: NetworkId, opened: &Opened<'_>) -> Option<Inside> {
        let layers = opened.path();
        let vni = id.vni_number().or_else(|| Layer::outermost_vni(&layers))?;
        Some(Inside {
            vni,
            layers,
            length: self.length_from(opened.start),
        })
    }

    fn later(&self, id: NetworkId, network: &Network) -> Walked<'a> {
        self.later_at(id, network, 0)
    }

    fn later_at(&self, id: NetworkId, network: &Network, start: usize) -> Walked<'a> {
        match self.fragment(id, network, true) {
            Some(fragment) => Walked::Fragment(Fragment {
                frame: self.length_from(start),
                ..fragment
            }),
            None => self.not_understood(Reason::Fragment, None),
        }
    }

    fn fragment(&self, id: NetworkId, network: &Network, is_packet: bool) -> Option<Fragment> {
        let end = network.end.min(self.captured.frame_len);
        Some(Fragment {
            network: id,
            addresses: walk::addresses(&self.captured, network)?,
            protocol: network.protocol,
            id: network.fragment_id,
            is_packet,
            frame: 0,
            payload: u32::try_from(end.saturating_sub(network.l4)).unwrap_or(u32::MAX),
        })
    }

    fn length_from(&self, start: usize) -> u32 {
        let link_len = if start == 0 { self.link_len } else { 0 };
        let length = (self.captured.frame_len + link_len).saturating_sub(start);
        u32::try_from(length).unwrap_or(u32::MAX)
    }

    fn flow(&self, id: NetworkId, opened: &Opened<'a>, inner: &Inner) -> Walked<'a> {
        let start = opened.start;
        match inner.kind {
            InnerKind::NotIp => return Walked::NotIp(inner.ethertype, self.place(id, opened)),
            InnerKind::Unparsed => {
                return self.not_understood(inner.reason, self.place(id, opened));
            }
            InnerKind::Flow => {}
        }
        let Some(addresses) = walk::addresses(&self.captured, &inner.network) else {
            return self.not_understood(Reason::InnerTruncated, self.place(id, opened));
        };
        let protocol = inner.network.protocol;
        let (sequence, acknowledged) = if protocol == tcp::PROTOCOL {
            // The walk has checked that the header is complete.
            let at = inner.network.l4 + tcp::SEQUENCE_AT;
            let numbers: [u8; 8] = self.captured.load(at).unwrap_or_default();
            let both = u64::from_be_bytes(numbers);
            ((both >> 32) as u32, both as u32)
        } else {
            (0, 0)
        };
        // The packet ends by its own length or with the frame, whichever is first.
        let end = inner.network.end.min(self.captured.frame_len);
        let there = end.min(self.captured.bytes.len());
        let payload = self
            .captured
            .bytes
            .get(inner.payload..there)
            .unwrap_or_default();
        Walked::Flow(FlowPacket {
            network: id,
            layers: opened.path(),
            recognised_port: opened.recognised_port,
            encapsulation: opened.outer.encapsulation,
            addresses,
            protocol,
            source_port: inner.source_port,
            destination_port: inner.destination_port,
            tcp_flags: inner.tcp_flags,
            sequence,
            acknowledged,
            payload,
            payload_len: u32::try_from(end.saturating_sub(inner.payload)).unwrap_or(u32::MAX),
            length: self.length_from(start),
            association: None,
            past: Past::default(),
            fragments: inner
                .network
                .first_fragment
                .then(|| self.fragment(id, &inner.network, true))
                .flatten(),
        })
    }
}
