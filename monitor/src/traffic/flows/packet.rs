//! One packet of a capture file, down to its flow.

use monitor_common::key::NetworkId;
use monitor_common::label::Encapsulation;
use monitor_common::load::{Captured, Load};
use monitor_common::reason::Reason;
use monitor_common::walk::{self, Addresses, Inner, InnerKind, Kind, Link, Network, Outer};
use monitor_common::wire::{tcp, udp, vxlan};

use crate::base::udp_ports::Services;
use crate::traffic::capture::{Linked, Packet, linked};

/// The capture holds fewer bytes of the packet than its headers have.
pub(super) const SNAP_LENGTH: &str = "snap_length";
/// The link type of the capture is not read.
pub(super) const LINK_TYPE: &str = "link_type";

/// What a packet is.
pub(super) enum Seen<'a> {
    /// A packet of a flow.
    Flow(FlowPacket<'a>),
    /// A later fragment of a packet.
    Fragment(Fragment),
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// Not understood, and why.
    Unparsed(&'static str),
}

/// A packet of a flow.
pub(super) struct FlowPacket<'a> {
    pub(super) network: NetworkId,
    /// What it was wrapped in.
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
    /// The captured bytes behind the transport header.
    pub(super) payload: &'a [u8],
    /// Length of the payload on the wire.
    pub(super) payload_len: u32,
    /// Length of the inner frame on the wire.
    pub(super) length: u32,
    /// SPI and sequence number, under an association.
    pub(super) association: Option<(u32, u32)>,
    /// What later fragments of this packet will say.
    pub(super) fragments: Option<Fragment>,
}

/// What the fragments of one packet have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fragment {
    pub(super) network: NetworkId,
    pub(super) addresses: Addresses,
    pub(super) protocol: u8,
    pub(super) id: u32,
    /// Whether each fragment is a packet of the flow: it is one of an inner packet, and not of an outer one.
    /// Only the first one tells.
    pub(super) is_packet: bool,
    /// Length of the inner frame that this fragment would be.
    pub(super) frame: u32,
    /// Length of what it adds to an inner frame.
    pub(super) payload: u32,
}

/// Walks through a packet.
#[inline]
pub(super) fn walk<'a>(packet: &Packet<'a>, services: &Services) -> Seen<'a> {
    let (at, link) = match linked(packet.link_type, packet.bytes) {
        Linked::At(at, link, _) => (at, link),
        Linked::NotIp => return Seen::NotIp,
        Linked::Truncated => return Seen::Unparsed(Reason::EthernetTruncated.label()),
        Linked::Unsupported => return Seen::Unparsed(LINK_TYPE),
    };
    let Some(bytes) = packet.bytes.get(at..) else {
        return Seen::Unparsed(Reason::EthernetTruncated.label());
    };
    let mut frame = Frame {
        captured: Captured {
            bytes,
            frame_len: packet.wire_len as usize - at.min(packet.wire_len as usize),
        },
        link_len: if matches!(link, Link::Ip) { at } else { 0 },
    };
    let outer = walk::outer(&frame.captured, link, |port| services.of(port));
    if outer.encapsulation == Encapsulation::EspNull {
        // What stands behind the datagram is ESP's own.
        let end = null_end(&frame.captured, outer.inner);
        frame.captured.frame_len = frame.captured.frame_len.min(end);
    }
    frame.seen(&outer)
}

/// Where the datagram ends whose headers, UDP and VXLAN, stand before `inner`.
fn null_end(packet: &Captured<'_>, inner: usize) -> usize {
    let start = inner.saturating_sub(udp::LEN + vxlan::LEN);
    let length = packet.load(start).map(|header| udp::Udp(header).length());
    length.map_or(packet.frame_len, |length| start + usize::from(length))
}

struct Frame<'a> {
    captured: Captured<'a>,
    /// Length of a link header that stands before the captured bytes.
    link_len: usize,
}

impl<'a> Frame<'a> {
    fn seen(&self, outer: &Outer) -> Seen<'a> {
        let network = &outer.network;
        match outer.kind {
            Kind::NotIp => Seen::NotIp,
            Kind::Host if network.later_fragment => self.later(NetworkId::HOST, network),
            Kind::LaterFragment => self.later(NetworkId::HOST, network),
            Kind::Host | Kind::Tunnel => {
                let inner = walk::segment(&self.captured, *network);
                self.flow(NetworkId::HOST, outer.encapsulation, 0, &inner)
            }
            Kind::Overlay => {
                let id = NetworkId::vni(outer.vni);
                let inner = walk::inner(&self.captured, outer.inner, outer.link);
                if inner.kind == InnerKind::Flow && inner.network.later_fragment {
                    return self.later_at(id, &inner.network, outer.inner);
                }
                let seen = self.flow(id, outer.encapsulation, outer.inner, &inner);
                match seen {
                    Seen::Flow(mut packet) if network.first_fragment => {
                        packet.fragments = self.fragment(NetworkId::HOST, network, false);
                        Seen::Flow(packet)
                    }
                    seen => seen,
                }
            }
            Kind::Association => {
                let inner = walk::segment(&self.captured, *network);
                let seen = self.flow(NetworkId::HOST, outer.encapsulation, 0, &inner);
                match seen {
                    Seen::Flow(mut packet) => {
                        packet.association = Some((outer.spi, outer.sequence));
                        Seen::Flow(packet)
                    }
                    seen => seen,
                }
            }
            Kind::Unparsed => self.unparsed(outer.reason),
        }
    }

    /// Where not all of a packet was captured, that it ends proves nothing.
    fn unparsed(&self, reason: Reason) -> Seen<'a> {
        let is_cut = self.captured.bytes.len() < self.captured.frame_len;
        Seen::Unparsed(match reason {
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

    fn later(&self, id: NetworkId, network: &Network) -> Seen<'a> {
        self.later_at(id, network, 0)
    }

    fn later_at(&self, id: NetworkId, network: &Network, start: usize) -> Seen<'a> {
        match self.fragment(id, network, true) {
            Some(fragment) => Seen::Fragment(Fragment {
                frame: self.length_from(start),
                ..fragment
            }),
            None => Seen::Unparsed(Reason::Fragment.label()),
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
    ) -> Seen<'a> {
        match inner.kind {
            InnerKind::NotIp => return Seen::NotIp,
            InnerKind::Unparsed => return self.unparsed(inner.reason),
            InnerKind::Flow => {}
        }
        let Some(addresses) = walk::addresses(&self.captured, &inner.network) else {
            return self.unparsed(Reason::InnerTruncated);
        };
        let protocol = inner.network.protocol;
        let (sequence, acknowledged) = if protocol == tcp::PROTOCOL {
            // The header was loaded whole before.
            let at = inner.network.l4 + tcp::SEQUENCE_AT;
            let numbers: [u8; 8] = self.captured.load(at).unwrap_or_default();
            let both = u64::from_be_bytes(numbers);
            ((both >> 32) as u32, both as u32)
        } else {
            (0, 0)
        };
        // Neither the packet's own length nor the frame's may be beyond the other.
        let end = inner.network.end.min(self.captured.frame_len);
        let there = end.min(self.captured.bytes.len());
        let payload = self
            .captured
            .bytes
            .get(inner.payload..there)
            .unwrap_or_default();
        Seen::Flow(FlowPacket {
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
