//! Link types of captured packets (LINKTYPE_ values of tcpdump.org), and where the walk of a packet starts.

use monitor_common::direction::Direction;
use monitor_common::link::Link;
use monitor_common::reason::Reason;
use monitor_common::walk::hidden_reason;
use monitor_common::wire::eth;

/// Where the walk of a packet starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkStart {
    /// At this offset in bytes, with this link; and the direction, if the link header contains it.
    At(usize, Link, Option<Direction>),
    /// The link header is followed by neither IPv4 nor IPv6.
    NotIp,
    /// The link header could not be parsed, or something that is not parsed precedes the network layer.
    Unparsed(Reason),
    /// The link type is not supported.
    Unsupported,
}

/// The packet is shorter than its link header.
const TRUNCATED: WalkStart = WalkStart::Unparsed(Reason::EthernetTruncated);

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
const PPP: u16 = 9;
/// Raw IP in files of older systems: 14 on OpenBSD, 12 elsewhere.
const RAW_OLD: [u16; 2] = [12, 14];
const PPP_HDLC: u16 = 50;
const PPP_ETHER: u16 = 51;
const RAW: u16 = 101;
const CISCO_HDLC: u16 = 104;
const LOOP: u16 = 108;
pub(super) const LINUX_SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const LINUX_SLL2: u16 = 276;

/// Where the walk of a packet of this link type starts.
#[inline]
#[must_use]
pub fn walk_start(link_type: u16, bytes: &[u8]) -> WalkStart {
    match link_type {
        ETHERNET => WalkStart::At(0, Link::Ethernet, None),
        RAW | IPV4 | IPV6 => WalkStart::At(0, Link::Ip, None),
        number if RAW_OLD.contains(&number) => WalkStart::At(0, Link::Ip, None),
        NULL | LOOP => loopback(bytes),
        PPP | PPP_HDLC => ppp(bytes, 0),
        // After the six bytes of the PPPoE header (RFC 2516, 4).
        PPP_ETHER => ppp(bytes, 6),
        CISCO_HDLC => by_type(bytes, 2, 4, None),
        LINUX_SLL => by_type(bytes, 14, 16, sll_direction(be16(bytes, 0))),
        LINUX_SLL2 => {
            let direction = sll_direction(bytes.get(10).copied().map(u16::from));
            by_type(bytes, 0, 20, direction)
        }
        _ => WalkStart::Unsupported,
    }
}

/// Index of the interface in the header of LINKTYPE_LINUX_SLL2.
#[inline]
pub(super) fn sll2_interface(link_type: u16, bytes: &[u8]) -> Option<u32> {
    if link_type != LINUX_SLL2 {
        return None;
    }
    Some(u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The direction of a packet type (`include/uapi/linux/if_packet.h`): 0 to 2 are to this host, broadcast and multicast,
/// 3 is to another host, 4 is sent.
fn sll_direction(packet_type: Option<u16>) -> Option<Direction> {
    match packet_type? {
        0..=2 => Some(Direction::Rx),
        4 => Some(Direction::Tx),
        _ => None,
    }
}

/// Four bytes of address family in the byte order of the capturing host. IPv6 has a different number on each system;
/// the walk reads the version from the IP header.
fn loopback(bytes: &[u8]) -> WalkStart {
    let Some(family) = bytes.first_chunk::<4>() else {
        return TRUNCATED;
    };
    match u32::from_le_bytes(*family).min(u32::from_be_bytes(*family)) {
        2 | 10 | 24 | 28 | 30 => WalkStart::At(4, Link::Ip, None),
        _ => WalkStart::NotIp,
    }
}

/// Address and control, which are optional (RFC 1662, 3.1), then the protocol, whose first byte may be omitted if it is
/// 0 (RFC 1661, 2).
fn ppp(bytes: &[u8], at: usize) -> WalkStart {
    let at = match bytes.get(at..) {
        Some([0xff, 0x03, ..]) => at + 2,
        Some(_) => at,
        None => return TRUNCATED,
    };
    match bytes.get(at..) {
        Some([0x21 | 0x57, ..]) => WalkStart::At(at + 1, Link::Ip, None),
        Some([0, 0x21 | 0x57, ..]) => WalkStart::At(at + 2, Link::Ip, None),
        Some([_, _, ..]) => WalkStart::NotIp,
        _ => TRUNCATED,
    }
}

/// An ethertype at `at`, then up to two VLAN tags, then its packet, from `next` on.
fn by_type(bytes: &[u8], at: usize, next: usize, direction: Option<Direction>) -> WalkStart {
    let (mut found, mut next) = (be16(bytes, at), next);
    for _ in 0..2 {
        if found.is_some_and(eth::is_tag) {
            found = be16(bytes, next + 2);
            next += eth::TAG_LEN;
        }
    }
    match found {
        None => TRUNCATED,
        Some(_) if bytes.len() < next => TRUNCATED,
        Some(eth::IPV4 | eth::IPV6) => WalkStart::At(next, Link::Ip, direction),
        Some(tag) if eth::is_tag(tag) => WalkStart::Unparsed(Reason::VlanDepth),
        Some(other) => hidden_reason(other).map_or(WalkStart::NotIp, WalkStart::Unparsed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Insists that the walk starts after the header, and that every shorter header is truncated.
    fn found(link_type: u16, header: &[u8], direction: Option<Direction>) {
        let at = WalkStart::At(header.len(), Link::Ip, direction);
        assert_eq!(walk_start(link_type, header), at, "{link_type}");
        assert_eq!(
            walk_start(link_type, &[header, &[0x45]].concat()),
            at,
            "{link_type}"
        );
        for cut in 0..header.len() {
            let cut = walk_start(link_type, &header[..cut]);
            assert_eq!(cut, TRUNCATED, "{link_type}");
        }
    }

    #[test]
    fn the_walk_starts_after_each_link_header() {
        for without_header in [RAW, IPV4, IPV6, 12, 14] {
            found(without_header, &[], None);
        }
        found(NULL, &[2, 0, 0, 0], None);
        found(NULL, &[0, 0, 0, 30], None);
        found(LOOP, &[0, 0, 0, 2], None);
        found(PPP_HDLC, &[0xff, 3, 0, 0x21], None);
        found(PPP_ETHER, &[0x11, 0, 0, 1, 0, 60, 0, 0x57], None);
        found(CISCO_HDLC, &[0x0f, 0, 8, 0], None);
        let mut sll = [0_u8; 16];
        sll[14] = 8;
        found(LINUX_SLL, &sll, Some(Direction::Rx));
        sll[1] = 4;
        found(LINUX_SLL, &sll, Some(Direction::Tx));
        let mut sll2 = [0_u8; 20];
        sll2[..2].copy_from_slice(&[0x86, 0xdd]);
        sll2[10] = 3;
        found(LINUX_SLL2, &sll2, None);
        let mut tagged = sll.to_vec();
        tagged[14..].copy_from_slice(&[0x81, 0]);
        tagged.extend([0, 5, 8, 0]);
        found(LINUX_SLL, &tagged, Some(Direction::Tx));
    }

    #[test]
    fn what_hides_the_network_layer_is_a_reason() {
        let mut sll = [0_u8; 16];
        for (ethertype, reason) in [
            (eth::MPLS, Reason::Mpls),
            (eth::PPPOE_SESSION, Reason::Pppoe),
        ] {
            sll[14..].copy_from_slice(&ethertype.to_be_bytes());
            assert_eq!(walk_start(LINUX_SLL, &sll), WalkStart::Unparsed(reason));
        }
        sll[14..].copy_from_slice(&[0x81, 0]);
        let tags = [&sll[..], &[0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 8, 0]].concat();
        assert_eq!(
            walk_start(LINUX_SLL, &tags),
            WalkStart::Unparsed(Reason::VlanDepth)
        );
    }

    #[test]
    fn other_protocols_are_not_ip() {
        assert_eq!(walk_start(PPP, &[0xc0, 0x21, 1]), WalkStart::NotIp);
        assert_eq!(
            walk_start(PPP, &[0x21, 0x45]),
            WalkStart::At(1, Link::Ip, None)
        );
        assert_eq!(walk_start(NULL, &[7, 0, 0, 0]), WalkStart::NotIp);
        assert_eq!(walk_start(LINUX_SLL, &[0; 16]), WalkStart::NotIp);
        assert_eq!(walk_start(105, &[0; 64]), WalkStart::Unsupported);
        assert_eq!(walk_start(RAW, &[]), WalkStart::At(0, Link::Ip, None));
        assert_eq!(
            walk_start(ETHERNET, &[]),
            WalkStart::At(0, Link::Ethernet, None)
        );
    }
}
