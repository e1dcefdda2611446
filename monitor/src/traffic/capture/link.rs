//! Link types (LINKTYPE_ values of tcpdump.org): where in a captured packet the walk begins.

use monitor_common::label::Direction;
use monitor_common::walk::Link;
use monitor_common::wire::eth;

/// Where the walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// So many bytes after the start, with this link; perhaps with the way it went.
    At(usize, Link, Option<Direction>),
    /// Neither IPv4 nor IPv6 behind the link header.
    NotIp,
    /// Shorter than the link header.
    Truncated,
    /// A link type that is not read.
    Unsupported,
}

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
const PPP: u16 = 9;
/// The number of raw IP in the files of one operating system, and of another.
const RAW_OLD: [u16; 2] = [12, 14];
const PPP_HDLC: u16 = 50;
const PPP_ETHER: u16 = 51;
const RAW: u16 = 101;
const CISCO_HDLC: u16 = 104;
const LOOP: u16 = 108;
const LINUX_SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const LINUX_SLL2: u16 = 276;

/// Where the walk through a packet of a link type begins.
#[inline]
#[must_use]
pub fn linked(link_type: u16, bytes: &[u8]) -> Linked {
    match link_type {
        ETHERNET => Linked::At(0, Link::Ethernet, None),
        RAW | IPV4 | IPV6 => Linked::At(0, Link::Ip, None),
        number if RAW_OLD.contains(&number) => Linked::At(0, Link::Ip, None),
        NULL | LOOP => loopback(bytes),
        PPP | PPP_HDLC => ppp(bytes, 0),
        // Behind the six bytes of RFC 2516, 4.
        PPP_ETHER => ppp(bytes, 6),
        CISCO_HDLC => by_type(bytes, 2, 4, None),
        LINUX_SLL => by_type(bytes, 14, 16, sll_direction(be16(bytes, 0))),
        LINUX_SLL2 => {
            let direction = sll_direction(bytes.get(10).copied().map(u16::from));
            by_type(bytes, 0, 20, direction)
        }
        _ => Linked::Unsupported,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Packet types of `if_packet.h`: to us, to all, to a group; 3 is for others, 4 is sent.
fn sll_direction(packet_type: Option<u16>) -> Option<Direction> {
    match packet_type? {
        0..=2 => Some(Direction::Rx),
        4 => Some(Direction::Tx),
        _ => None,
    }
}

/// Four bytes of address family, in the byte order of whoever captured; IPv6 has a number of its own in
/// each system. What follows tells as well.
fn loopback(bytes: &[u8]) -> Linked {
    let Some(family) = bytes.first_chunk::<4>() else {
        return Linked::Truncated;
    };
    match u32::from_le_bytes(*family).min(u32::from_be_bytes(*family)) {
        2 | 10 | 24 | 28 | 30 => Linked::At(4, Link::Ip, None),
        _ => Linked::NotIp,
    }
}

/// Perhaps address and control (RFC 1662, 3.1), then the protocol (RFC 1661, 2), whose first byte may be
/// left out if it is 0.
fn ppp(bytes: &[u8], at: usize) -> Linked {
    let at = match bytes.get(at..) {
        Some([0xff, 0x03, ..]) => at + 2,
        Some(_) => at,
        None => return Linked::Truncated,
    };
    match bytes.get(at..) {
        Some([0x21 | 0x57, ..]) => Linked::At(at + 1, Link::Ip, None),
        Some([0, 0x21 | 0x57, ..]) => Linked::At(at + 2, Link::Ip, None),
        Some([_, _, ..]) => Linked::NotIp,
        _ => Linked::Truncated,
    }
}

/// An ethertype at `at`, and what it stands for from `next` on, behind up to two VLAN tags.
fn by_type(bytes: &[u8], at: usize, next: usize, direction: Option<Direction>) -> Linked {
    let (mut found, mut next) = (be16(bytes, at), next);
    for _ in 0..2 {
        if found.is_some_and(eth::is_tag) {
            found = be16(bytes, next + 2);
            next += eth::TAG_LEN;
        }
    }
    match found {
        None => Linked::Truncated,
        Some(_) if bytes.len() < next => Linked::Truncated,
        Some(eth::IPV4 | eth::IPV6) => Linked::At(next, Link::Ip, direction),
        Some(_) => Linked::NotIp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found behind the header, and not one byte before it is whole.
    fn found(link_type: u16, header: &[u8], direction: Option<Direction>) {
        let at = Linked::At(header.len(), Link::Ip, direction);
        assert_eq!(linked(link_type, header), at, "{link_type}");
        assert_eq!(
            linked(link_type, &[header, &[0x45]].concat()),
            at,
            "{link_type}"
        );
        for cut in 0..header.len() {
            let cut = linked(link_type, &header[..cut]);
            assert_eq!(cut, Linked::Truncated, "{link_type}");
        }
    }

    #[test]
    fn headers_are_as_long_as_they_should_be() {
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
    fn what_is_not_ip_is_told() {
        assert_eq!(linked(PPP, &[0xc0, 0x21, 1]), Linked::NotIp);
        assert_eq!(linked(PPP, &[0x21, 0x45]), Linked::At(1, Link::Ip, None));
        assert_eq!(linked(NULL, &[7, 0, 0, 0]), Linked::NotIp);
        assert_eq!(linked(LINUX_SLL, &[0; 16]), Linked::NotIp);
        assert_eq!(linked(105, &[0; 64]), Linked::Unsupported);
        assert_eq!(linked(RAW, &[]), Linked::At(0, Link::Ip, None));
        assert_eq!(linked(ETHERNET, &[]), Linked::At(0, Link::Ethernet, None));
    }
}
