//! Walks one packet of a capture file down to its flow.

use monitor_common::address::Addresses;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::NetworkId;
use monitor_common::link::Link;
use monitor_common::load::{Captured, Load};
use monitor_common::reason::Reason;
use monitor_common::walk::{self, Inner, InnerKind, Network, Outer, OuterKind};
use monitor_common::wire::{tcp, udp, vxlan};

use crate::base::udp_ports::UdpPorts;
use crate::traffic::capture::{Packet, WalkStart, walk_start};

/// Reason: fewer bytes were captured than the packet's headers have.
pub(super) const SNAP_LENGTH: &str = "snap_length";
/// Reason: the link type is not supported.
pub(super) const LINK_TYPE: &str = "link_type";

/// What a packet is.
pub(super) enum Walked<'a> {
    /// A packet of a flow.
    Flow(FlowPacket<'a>),
    /// A later fragment of a packet.
    Fragment(Fragment),
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// It could not be parsed, and the reason's label.
    Unparsed(&'static str),
}

/// A packet of a flow.
pub(super) struct FlowPacket<'a> {
    pub(super) network: NetworkId,
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
    /// SPI and sequence number, if the packet is ESP or AH.
    pub(super) association: Option<(u32, u32)>,
    /// What later fragments of this packet have in common with it.
    pub(super) fragments: Option<Fragment>,
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
pub(super) fn walk<'a>(packet: &Packet<'a>, udp_ports: &UdpPorts) -> Walked<'a> {
    let (at, link) = match walk_start(packet.link_type, packet.bytes) {
        WalkStart::At(at, link, _) => (at, link),
        WalkStart::NotIp => return Walked::NotIp,
        WalkStart::Truncated => return Walked::Unparsed(Reason::EthernetTruncated.label()),
        WalkStart::Unsupported => return Walked::Unparsed(LINK_TYPE),
    };
    let Some(bytes) = packet.bytes.get(at..) else {
        return Walked::Unparsed(Reason::EthernetTruncated.label());
    };
    let mut frame = Frame {
        captured: Captured {
            bytes,
            frame_len: packet.wire_len as usize - at.min(packet.wire_len as usize),
        },
        link_len: if matches!(link, Link::Ip) { at } else { 0 },
    };
    let outer = walk::outer(&frame.captured, link, |port| udp_ports.of(port));
    if outer.encapsulation == Encapsulation::EspNull {
        // After the datagram is the trailer of ESP.
        let end = null_end(&frame.captured, outer.inner);
        frame.captured.frame_len = frame.captured.frame_len.min(end);
    }
    frame.walked(&outer)
}

/// The end of the datagram whose UDP and VXLAN headers precede `inner`.
fn null_end(packet: &Captured<'_>, inner: usize) -> usize {
    let start = inner.saturating_sub(udp::LEN + vxlan::LEN);
    let length = packet.load(start).map(|header| udp::Udp(header).length());
    length.map_or(packet.frame_len, |length| start + usize::from(length))
}

/// A frame without its link header, unless that is Ethernet.
struct Frame<'a> {
    captured: Captured<'a>,
    /// Length of a link header before the captured bytes.
    link_len: usize,
}

impl<'a> Frame<'a> {
    fn walked(&self, outer: &Outer) -> Walked<'a> {
        let network = &outer.network;
        match outer.kind {
            OuterKind::NotIp => Walked::NotIp,
            OuterKind::Host if network.later_fragment => self.later(NetworkId::HOST, network),
            OuterKind::LaterFragment => self.later(NetworkId::HOST, network),
            OuterKind::Host | OuterKind::Tunnel => {
                let inner = walk::segment(&self.captured, *network);
                self.flow(NetworkId::HOST, outer.encapsulation, 0, &inner)
            }
            OuterKind::Overlay => {
                let id = NetworkId::vni(outer.vni);
                let inner = walk::inner(&self.captured, outer.inner, outer.link);
                if inner.kind == InnerKind::Flow && inner.network.later_fragment {
                    return self.later_at(id, &inner.network, outer.inner);
                }
                let seen = self.flow(id, outer.encapsulation, outer.inner, &inner);
                match seen {
                    Walked::Flow(mut packet) if network.first_fragment => {
                        packet.fragments = self.fragment(NetworkId::HOST, network, false);
                        Walked::Flow(packet)
                    }
                    seen => seen,
                }
            }
            OuterKind::Association => {
                let inner = walk::segment(&self.captured, *network);
                let seen = self.flow(NetworkId::HOST, outer.encapsulation, 0, &inner);
                match seen {
                    Walked::Flow(mut packet) => {
                        packet.association = Some((outer.spi, outer.sequence));
                        Walked::Flow(packet)
                    }
                    seen => seen,
                }
            }
            OuterKind::Unparsed => self.unparsed(outer.reason),
        }
    }

    /// The reason, or [`SNAP_LENGTH`] if the packet only seems truncated because it was not captured completely.
    fn unparsed(&self, reason: Reason) -> Walked<'a> {
        let is_cut = self.captured.bytes.len() < self.captured.frame_len;
        Walked::Unparsed(match reason {
            Reason::EthernetTruncated
            | Reason::Ipv4Truncated
            | Reason::Ipv6Truncated
            | Reason::UdpTruncated
            | Reason::VxlanTruncated
            | Reason::EspTruncated
            | Reason::InnerTruncated
            | Reason::GeneveTruncated
            | Reason::AhTruncated
                if is_cut =>
            {
                SNAP_LENGTH
            }
            reason => reason.label(),
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
            None => Walked::Unparsed(Reason::Fragment.label()),
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

    fn flow(
        &self,
        id: NetworkId,
        encapsulation: Encapsulation,
        start: usize,
        inner: &Inner,
    ) -> Walked<'a> {
        match inner.kind {
            InnerKind::NotIp => return Walked::NotIp,
            InnerKind::Unparsed => return self.unparsed(inner.reason),
            InnerKind::Flow => {}
        }
        let Some(addresses) = walk::addresses(&self.captured, &inner.network) else {
            return self.unparsed(Reason::InnerTruncated);
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
            encapsulation,
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
            fragments: inner
                .network
                .first_fragment
                .then(|| self.fragment(id, &inner.network, true))
                .flatten(),
        })
    }
}
