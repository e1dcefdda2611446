//! From the first byte of a frame, outer or inner, to its network layer.

use super::network::Network;
use crate::address::Version;
use crate::link::Link;
use crate::load::Load;
use crate::reason::Reason;
use crate::wire::{eth, ipv4, ipv6};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// IPv4 or IPv6.
    Ip,
    /// Another protocol.
    Other,
    /// Not parsed.
    Unparsed,
}

/// A frame down to its network layer. Flat for the same reason as [`super::Outer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which of the fields below are meaningful.
    pub kind: FrameKind,
    /// Why it was not parsed ([`FrameKind::Unparsed`]).
    pub reason: Reason,
    /// EtherType of what it carries; 0 if it has no Ethernet header.
    pub ethertype: u16,
    /// Its network layer ([`FrameKind::Ip`]).
    pub network: Network,
}

impl Frame {
    #[inline(always)]
    const fn other(ethertype: u16) -> Frame {
        Frame {
            kind: FrameKind::Other,
            reason: Reason::EthernetTruncated,
            ethertype,
            network: Network::NONE,
        }
    }

    #[inline(always)]
    const fn unparsed(reason: Reason) -> Frame {
        Frame {
            kind: FrameKind::Unparsed,
            reason,
            ..Frame::other(0)
        }
    }
}

/// Walks a frame that starts at `at` down to its network layer.
#[inline(always)]
pub fn frame<L: Load + ?Sized>(packet: &L, at: usize, link: Link) -> Frame {
    match link {
        Link::Ethernet => ethernet(packet, at),
        Link::Ip => ip(packet, at),
        Link::Other => Frame::other(0),
    }
}

/// An Ethernet frame with up to two VLAN tags.
#[inline(always)]
fn ethernet<L: Load + ?Sized>(packet: &L, at: usize) -> Frame {
    let Some(header) = packet.load(at) else {
        return Frame::unparsed(Reason::EthernetTruncated);
    };
    let mut ethertype = eth::Ethernet(header).ethertype();
    let mut l3 = at + eth::LEN;
    if eth::is_tag(ethertype) {
        let Some(tag) = packet.load(l3) else {
            return Frame::unparsed(Reason::EthernetTruncated);
        };
        ethertype = eth::Tag(tag).ethertype();
        l3 += eth::TAG_LEN;
        if eth::is_tag(ethertype) {
            let Some(tag) = packet.load(l3) else {
                return Frame::unparsed(Reason::EthernetTruncated);
            };
            ethertype = eth::Tag(tag).ethertype();
            l3 += eth::TAG_LEN;
            if eth::is_tag(ethertype) {
                return Frame::unparsed(Reason::VlanDepth);
            }
        }
    }
    let l3 = packet.at(l3);
    match ethertype {
        eth::IPV4 => network_v4(packet, l3),
        eth::IPV6 => network_v6(packet, l3),
        other => Frame::other(other),
    }
}

/// An IP packet without a link header: its version field identifies the IP.
#[inline(always)]
fn ip<L: Load + ?Sized>(packet: &L, at: usize) -> Frame {
    match packet.load::<2>(at) {
        None => Frame::unparsed(Reason::Ipv4Truncated),
        Some([first, _]) if first >> 4 == 4 => network_v4(packet, at),
        Some([first, _]) if first >> 4 == 6 => network_v6(packet, at),
        Some(_) => Frame::other(0),
    }
}

#[inline(always)]
fn network_v4<L: Load + ?Sized>(packet: &L, l3: usize) -> Frame {
    let Some(header) = packet.load(l3) else {
        return Frame::unparsed(Reason::Ipv4Truncated);
    };
    let header = ipv4::Ipv4(header);
    let header_len = if header.is_plain() {
        // A constant on the usual path keeps the offsets exact for the verifier, and the code short.
        ipv4::LEN
    } else if header.version() == 4 && header.header_len() > ipv4::LEN {
        header.header_len()
    } else {
        return Frame::unparsed(Reason::Ipv4Malformed);
    };
    let total_len = header.total_len() as usize;
    // Zero is a super-packet of over 64 KiB (BIG TCP).
    if total_len != 0 && total_len < header_len {
        return Frame::unparsed(Reason::Ipv4Malformed);
    }
    Frame {
        kind: FrameKind::Ip,
        network: Network {
            version: Version::V4,
            l3,
            l4: l3 + header_len,
            end: if total_len == 0 {
                packet.frame_len()
            } else {
                l3 + total_len
            },
            protocol: header.protocol(),
            later_fragment: header.is_later_fragment(),
            first_fragment: header.is_first_fragment(),
            fragment_id: header.identification() as u32,
        },
        ..Frame::other(eth::IPV4)
    }
}

#[inline(always)]
fn network_v6<L: Load + ?Sized>(packet: &L, l3: usize) -> Frame {
    let Some(header) = packet.load(l3) else {
        return Frame::unparsed(Reason::Ipv6Truncated);
    };
    let header = ipv6::Ipv6(header);
    if header.version() != 6 {
        return Frame::unparsed(Reason::Ipv6Malformed);
    }
    let payload_len = header.payload_len() as usize;
    let mut l4 = l3 + ipv6::LEN;
    // Zero is a jumbogram, or a super-packet of over 64 KiB (BIG TCP).
    let end = if payload_len == 0 {
        packet.frame_len()
    } else {
        l4 + payload_len
    };
    let mut protocol = header.next_header();
    let mut later_fragment = false;
    let mut first_fragment = false;
    let mut fragment_id = 0;
    let mut extensions = 0;
    while ipv6::is_extension(protocol) && !later_fragment {
        if extensions == IPV6_EXTENSIONS {
            return Frame::unparsed(Reason::Ipv6Extension);
        }
        extensions += 1;
        let Some(header) = packet.load(l4) else {
            return Frame::unparsed(Reason::Ipv6Truncated);
        };
        let header = ipv6::Extension(header);
        let is_fragment = protocol == ipv6::FRAGMENT;
        if is_fragment {
            later_fragment = header.is_later_fragment();
            first_fragment = header.is_first_fragment();
            fragment_id = header.identification();
        }
        protocol = header.next_header();
        l4 = packet.at(l4 + header.len(is_fragment));
    }
    let network = Network {
        version: Version::V6,
        l3,
        l4,
        end,
        protocol,
        later_fragment,
        first_fragment,
        fragment_id,
    };
    Frame {
        kind: FrameKind::Ip,
        network,
        ..Frame::other(eth::IPV6)
    }
}

/// Why a frame on the wire that carries no IP may carry an overlay all the same: something that is not parsed precedes it.
/// `None` for a frame that carries none.
#[inline(always)]
#[must_use]
pub const fn hidden_reason(ethertype: u16) -> Option<Reason> {
    match ethertype {
        eth::MPLS | eth::MPLS_UPSTREAM => Some(Reason::Mpls),
        eth::PPPOE_SESSION => Some(Reason::Pppoe),
        _ => None,
    }
}

/// IPv6 extension headers that are walked in one packet, at most.
const IPV6_EXTENSIONS: u32 = 3;
