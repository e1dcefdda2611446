//! From what is inside an overlay packet, or from a host's own packet, to its flow.

use super::frame::{FrameKind, frame};
use super::network::Network;
use crate::link::Link;
use crate::load::Load;
use crate::reason::Reason;
use crate::wire::{tcp, udp};

/// What is inside an overlay packet, or inside a host's own packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InnerKind {
    /// Not IP (ARP and others).
    NotIp,
    /// A packet of a flow.
    Flow,
    /// Not parsed.
    Unparsed,
}

/// One packet of a flow, or why it is none. Flat for the same reason as [`super::Outer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Which of the fields below are meaningful.
    pub kind: InnerKind,
    /// Why it was not parsed ([`InnerKind::Unparsed`]).
    pub reason: Reason,
    /// EtherType of what is inside ([`InnerKind::NotIp`]).
    pub ethertype: u16,
    /// Its network layer ([`InnerKind::Flow`], as all fields below).
    pub network: Network,
    /// Source port; 0 if the protocol has none, and in a later fragment.
    pub source_port: u16,
    /// Destination port; 0 if the protocol has none, and in a later fragment.
    pub destination_port: u16,
    /// Offset of the payload behind the transport header.
    pub payload: usize,
    /// TCP flag byte, else 0.
    pub tcp_flags: u8,
}

impl Inner {
    const NONE: Inner = Inner {
        kind: InnerKind::NotIp,
        reason: Reason::InnerTruncated,
        ethertype: 0,
        network: Network::NONE,
        source_port: 0,
        destination_port: 0,
        payload: 0,
        tcp_flags: 0,
    };

    #[inline(always)]
    const fn unparsed(reason: Reason) -> Inner {
        Inner {
            kind: InnerKind::Unparsed,
            reason,
            ..Inner::NONE
        }
    }

    /// Length of the payload in bytes by the packet's own length fields; a sample may hold fewer.
    #[inline(always)]
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.network.end.saturating_sub(self.payload)
    }
}

/// Walks from the start of what is inside an overlay packet to its flow.
#[inline(always)]
pub fn inner<L: Load + ?Sized>(packet: &L, at: usize, link: Link) -> Inner {
    let frame = frame(packet, at, link);
    match frame.kind {
        FrameKind::Other => Inner {
            ethertype: frame.ethertype,
            ..Inner::NONE
        },
        FrameKind::Unparsed => Inner::unparsed(inner_reason(frame.reason)),
        FrameKind::Ip => segment(packet, frame.network),
    }
}

/// Walks from the network layer of a packet to its flow.
#[inline(always)]
pub fn segment<L: Load + ?Sized>(packet: &L, network: Network) -> Inner {
    let without_ports = Inner {
        kind: InnerKind::Flow,
        network,
        payload: network.l4,
        ..Inner::NONE
    };
    if network.later_fragment {
        return without_ports;
    }
    match network.protocol {
        tcp::PROTOCOL => {
            let Some(header) = packet.load(network.l4) else {
                return Inner::unparsed(Reason::InnerTruncated);
            };
            let header = tcp::Tcp(header);
            if header.header_len() < tcp::LEN {
                return Inner::unparsed(Reason::InnerMalformed);
            }
            Inner {
                source_port: header.source(),
                destination_port: header.destination(),
                payload: network.l4 + header.header_len(),
                tcp_flags: header.flags(),
                ..without_ports
            }
        }
        udp::PROTOCOL => {
            let Some(header) = packet.load(network.l4) else {
                return Inner::unparsed(Reason::InnerTruncated);
            };
            let header = udp::Udp(header);
            Inner {
                source_port: header.source(),
                destination_port: header.destination(),
                payload: network.l4 + udp::LEN,
                ..without_ports
            }
        }
        _ => without_ports,
    }
}

/// The reason for an inner frame, of which only "truncated" and "malformed" are counted apart.
#[inline(always)]
#[must_use]
pub const fn inner_reason(reason: Reason) -> Reason {
    match reason {
        Reason::EthernetTruncated | Reason::Ipv4Truncated | Reason::Ipv6Truncated => {
            Reason::InnerTruncated
        }
        _ => Reason::InnerMalformed,
    }
}
