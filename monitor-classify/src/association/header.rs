//! Whether a transport header can begin at a place: what a packet under the NULL cipher starts with.

use monitor_common::wire::{ah, esp, gre, ipv4, ipv6, tcp, udp, vxlan};

use super::trailer::TRAILER;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const ETHERIP: u8 = 97;

/// The protocols whose headers can be recognised. A packet of any other protocol is recognised by its trailer only.
pub(super) const RECOGNISED: &[u8] = &[
    ICMP,
    ipv4::IN_IP,
    tcp::PROTOCOL,
    udp::PROTOCOL,
    ipv6::IN_IP,
    gre::PROTOCOL,
    ah::PROTOCOL,
    ICMPV6,
    ETHERIP,
    SCTP,
];

/// Bytes behind a packet that are believed where they cannot be read: padding to a block, trailer and check value.
const BEHIND: std::ops::RangeInclusive<usize> = TRAILER..=16 + TRAILER + 32;
/// Longest rest of a packet whose first fragment alone is at hand: it has the inner packet of a jumbo frame.
const REST_MAX: usize = 9216;

/// The bytes behind ESP's header, or behind the initialisation vector of GMAC.
#[derive(Clone, Copy)]
pub(super) struct Start<'a> {
    pub(super) bytes: &'a [u8],
    /// Length of the packet inside.
    pub(super) length: Length,
}

/// What is known of the length of the packet inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// All bytes are at hand, and the trailer says where the packet ends.
    Exact,
    /// With its trailer it has so many bytes.
    WithTrailer(usize),
    /// It has so many bytes and more, in later fragments.
    Longer(usize),
}

/// How well a header fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It cannot begin here.
    No,
    /// Too few bytes are at hand.
    Unseen,
    /// Random bytes fit as well, less than once in fifty times.
    Possible,
    /// With a trailer that agrees, chance is excluded: less than once in 10^8 times.
    Exact,
    /// So is it without any trailer.
    Alone,
}

/// How well a header of this protocol fits here.
pub(super) fn fit(protocol: u8, start: Start<'_>) -> Fit {
    match protocol {
        ICMP => icmp(start),
        ipv4::IN_IP => version_4(start),
        tcp::PROTOCOL => segment(start.bytes),
        udp::PROTOCOL => datagram(start),
        ipv6::IN_IP => version_6(start),
        gre::PROTOCOL => of_gre(start.bytes),
        ah::PROTOCOL => authenticated(start.bytes),
        ICMPV6 => icmpv6(start.bytes),
        ETHERIP => ether_ip(start.bytes),
        SCTP => sctp(start),
        _ => Fit::Possible,
    }
}

/// How a length field fits: exactly, or with bytes behind the packet (RFC 4303, 2.7, hides lengths by them).
fn fit_length(field: usize, start: Start<'_>) -> Fit {
    match start.length {
        Length::Exact if field == start.bytes.len() => Fit::Exact,
        Length::Exact if field < start.bytes.len() => Fit::Possible,
        Length::WithTrailer(all) if field + TRAILER <= all => Fit::Possible,
        Length::Longer(part) if field + 64 > part && field < part + REST_MAX => Fit::Possible,
        Length::Exact | Length::WithTrailer(_) | Length::Longer(_) => Fit::No,
    }
}

/// Whether a length field leaves room for an ordinary trailer, which is not at hand.
fn is_ordinary(field: usize, start: Start<'_>) -> bool {
    match start.length {
        Length::Exact => field == start.bytes.len(),
        Length::WithTrailer(all) => all
            .checked_sub(field)
            .is_some_and(|behind| BEHIND.contains(&behind)),
        Length::Longer(part) => field + 64 > part && field < part + REST_MAX,
    }
}

/// Reserved bits, flags and the urgent pointer leave little to chance (RFC 9293, 3.1; the last reserved bit is AE).
fn segment(bytes: &[u8]) -> Fit {
    let Some([offset, flags]) = bytes.get(12..14) else {
        return Fit::Unseen;
    };
    let [fin, syn, rst, ack, urg] = [0x01, 0x02, 0x04, 0x10, 0x20].map(|bit| flags & bit != 0);
    let is_valid = offset >> 4 >= 5
        && offset & 0x0e == 0
        && !(syn && (fin || rst))
        // Only the first segment has no acknowledgement, and one that resets.
        && (ack || syn || rst);
    if !is_valid {
        return Fit::No;
    }
    match bytes.get(18..20) {
        None => Fit::Unseen,
        Some([0, 0]) if !urg && bytes.len() >= usize::from(offset >> 4) * 4 => Fit::Exact,
        Some([0, 0]) => Fit::Possible,
        Some(_) if urg => Fit::Possible,
        Some(_) => Fit::No,
    }
}

fn datagram(start: Start<'_>) -> Fit {
    let Some(header) = start.bytes.first_chunk::<{ udp::LEN }>() else {
        return Fit::Unseen;
    };
    let length = usize::from(udp::Udp(*header).length());
    if length < udp::LEN {
        return Fit::No;
    }
    let inside = start.bytes.get(udp::LEN..).unwrap_or_default();
    let is_vxlan = inside
        .first_chunk()
        .is_some_and(|header| vxlan::Vxlan(*header).is_usual());
    if is_vxlan && is_ordinary(length, start) {
        return Fit::Alone;
    }
    fit_length(length, start)
}

fn version_4(start: Start<'_>) -> Fit {
    let bytes = start.bytes;
    let Some([first, _, high, low]) = bytes.first_chunk() else {
        return Fit::Unseen;
    };
    let header = usize::from(first & 0x0f) * 4;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if first >> 4 != 4 || header < 20 || length < header {
        return Fit::No;
    }
    let fit = fit_length(length, start);
    match bytes.get(..header) {
        // The check sum is right once in 2^16 times.
        Some(whole) if fit != Fit::No && sums_up(whole) && is_ordinary(length, start) => Fit::Alone,
        // A tunnel between offloads may leave it open.
        Some(_) | None => fit.min(Fit::Possible),
    }
}

fn version_6(start: Start<'_>) -> Fit {
    let bytes = start.bytes;
    let Some([first, _, _, _, high, low, next, _]) = bytes.first_chunk() else {
        return Fit::Unseen;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low])) + 40;
    if first >> 4 != 6 {
        return Fit::No;
    }
    let fit = fit_length(length, start);
    let inside = bytes.get(40..).unwrap_or_default();
    if fit != Fit::No
        && *next == tcp::PROTOCOL
        && is_ordinary(length, start)
        && segment(inside) == Fit::Exact
    {
        return Fit::Alone;
    }
    fit
}

/// Version 0 or 1 and no reserved bit (RFC 2784, 2890; RFC 2637).
fn of_gre(bytes: &[u8]) -> Fit {
    let Some([flags, version, high, low]) = bytes.first_chunk() else {
        return Fit::Unseen;
    };
    let is_known = matches!(
        (*high, *low),
        (0x08, 0x00) | (0x86, 0xdd) | (0x65, 0x58) | (0x88, 0x0b) | (0x88, 0xbe)
    );
    match (flags & 0x0f, version & 0x7f) {
        (0, 0 | 1) if is_known => Fit::Exact,
        (0, 0 | 1) if *high >= 0x06 => Fit::Possible,
        _ => Fit::No,
    }
}

fn icmp(start: Start<'_>) -> Fit {
    match start.bytes {
        // The check sum is 0 once in 2^16 times, and a vector that counts has zeros here.
        [_, _, 0, 0, ..] => Fit::No,
        [0..=18 | 30..=43, 0..=15, _, _, ..] => {
            if start.length == Length::Exact && start.bytes.len() >= 8 && sums_up(start.bytes) {
                Fit::Exact
            } else {
                Fit::Possible
            }
        }
        [_, _, _, _, ..] => Fit::No,
        _ => Fit::Unseen,
    }
}

/// Its check sum includes the addresses, which are not at hand.
fn icmpv6(bytes: &[u8]) -> Fit {
    match bytes {
        [1..=4 | 128..=161, 0..=8, ..] => Fit::Possible,
        [_, _, ..] => Fit::No,
        _ => Fit::Unseen,
    }
}

/// Next header, length, two zeros (RFC 4302, 2).
fn authenticated(bytes: &[u8]) -> Fit {
    match bytes {
        [_, 1..=18, 0, 0, ..] => Fit::Possible,
        [_, _, _, _, ..] => Fit::No,
        _ => Fit::Unseen,
    }
}

/// Version 3 and 12 reserved bits (RFC 3378, 3).
fn ether_ip(bytes: &[u8]) -> Fit {
    match bytes {
        [0x30, 0, ..] => Fit::Possible,
        [_, _, ..] => Fit::No,
        _ => Fit::Unseen,
    }
}

/// The first chunk (RFC 9260, 3).
fn sctp(start: Start<'_>) -> Fit {
    const HEADER: usize = 12;
    let Some([kind, _, high, low]) = start.bytes.get(HEADER..HEADER + 4) else {
        return Fit::Unseen;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let is_known = matches!(kind, 0..=15 | 64 | 128..=132 | 192 | 193);
    if !is_known || length < 4 {
        return Fit::No;
    }
    // Several chunks may stand in a packet, padded to 4 bytes.
    match fit_length(HEADER + length.next_multiple_of(4), start) {
        Fit::Exact => Fit::Exact,
        fit => fit.min(Fit::Possible),
    }
}

/// Whether the check sum in these bytes is right (RFC 1071).
fn sums_up(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u64 = words
        .iter()
        .map(|word| u64::from(u16::from_be_bytes(*word)))
        .sum();
    let mut sum = words + rest.first().map_or(0, |last| u64::from(*last) << 8);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

/// ESP's header and the initialisation vector of GMAC (RFC 4543, 3).
pub(super) const STARTS: [usize; 2] = [esp::LEN, esp::LEN + 8];
