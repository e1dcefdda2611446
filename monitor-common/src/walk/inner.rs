//! From what is inside an overlay packet, or from a host's own packet, to its flow.

use super::frame::{FrameKind, frame};
use super::{Inner, InnerKind, Link, Network};
use crate::load::Load;
use crate::reason::Reason;
use crate::wire::{tcp, udp};

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

/// The reason for an inner frame, where only "truncated" and "malformed" are told apart.
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
