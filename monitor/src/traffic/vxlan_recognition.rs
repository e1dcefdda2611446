//! Recognises VXLAN on a UDP port that is not configured for it, in a capture: by its header, and by the frame behind it.
//!
//! The kernel programs go by the port alone, because a stranger can send any header. A capture is read to find out what is
//! there. A datagram is VXLAN if its header is the usual one and a whole frame stands behind it. Other datagrams between the
//! same ends count against that: ESP in UDP has a sequence number where VXLAN has its VNI and a reserved byte of 0.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use monitor_common::address::Address;
use monitor_common::encapsulation::{Encapsulation, UdpPort};
use monitor_common::load::{Captured, Load};
use monitor_common::walk::{self, Network, Outer, OuterKind};
use monitor_common::wire::{ah, eth, ipv4, ipv6, udp, vxlan};

use super::recognised_port::RecognisedPorts;

/// Most pairs of ends that are remembered; the oldest leaves, and is recognised anew by its next whole frame.
const ENDS: usize = 4096;
/// Shortest Ethernet frame, without FCS (IEEE 802.3, 3.2.8): shorter packets are padded.
const FRAME_MIN: usize = 60;

/// What a datagram is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Around {
    /// It is on the wire as it is.
    Nothing,
    /// A tunnel without a VNI.
    Tunnel,
    /// An overlay with this VNI.
    Network(u32),
}

/// Ends of datagrams in one direction. A VXLAN device sends each inner flow from a source port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ends {
    around: Around,
    source: Address,
    destination: Address,
    port: u16,
}

/// What was seen between two ends since the first whole frame in VXLAN.
#[derive(Debug, Default)]
struct Seen {
    /// Datagrams with a usual header and a whole frame.
    whole: u32,
    /// Datagrams that are no VXLAN.
    other: u32,
}

impl Seen {
    fn is_vxlan(&self) -> bool {
        self.other < self.whole
    }
}

/// What stands behind a usual header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// A frame whose packet is as long as the datagram says, and valid.
    Whole,
    /// A frame of another protocol, or the bytes at hand end before this is known.
    Unknown,
    /// No frame.
    Invalid,
}

/// VXLAN that was recognised in a capture so far.
#[derive(Default)]
pub(super) struct VxlanRecognition {
    seen: HashMap<Ends, Seen, RandomState>,
    order: VecDeque<Ends>,
    ports: RecognisedPorts,
}

impl VxlanRecognition {
    /// The ports on which it was recognised.
    pub(super) fn ports(&self) -> &RecognisedPorts {
        &self.ports
    }

    /// Begins another file: its packets continue none of the earlier ones. The ports stay.
    pub(super) fn begin_file(&mut self) {
        self.seen.clear();
        self.order.clear();
    }

    /// Looks whether a packet that was walked as `found` is VXLAN, and returns it as that with its UDP port.
    #[inline]
    pub(super) fn recognise(
        &mut self,
        packet: &Captured<'_>,
        network: &Network,
        found: &Outer,
        around: Around,
    ) -> Option<(Outer, u16)> {
        let may_be = matches!(network.protocol, udp::PROTOCOL | ah::PROTOCOL)
            && !network.later_fragment
            && match found.kind {
                OuterKind::Host | OuterKind::Association => true,
                // Its header can be that of VXLAN with an option length of 32 and without a protocol.
                OuterKind::Overlay => found.encapsulation == Encapsulation::Geneve,
                OuterKind::NotIp
                | OuterKind::Tunnel
                | OuterKind::LaterFragment
                | OuterKind::Unparsed => false,
            };
        if !may_be {
            return None;
        }
        let as_vxlan = walk::encapsulation(packet, *network, |_| UdpPort::Vxlan);
        if as_vxlan.kind != OuterKind::Overlay || !is_usual(packet, &as_vxlan) {
            self.note_other(packet, network, around);
            return None;
        }
        let (header, at) = header_of(packet, &as_vxlan)?;
        let ends = ends(packet, network, header.destination(), around)?;
        let is_new = !self.seen.contains_key(&ends);
        let end = match header.length() {
            // A super-packet of over 64 KiB (BIG TCP).
            0 => network.end,
            length => at + usize::from(length),
        };
        match content(packet, as_vxlan.inner, end) {
            Content::Unknown if is_new => return None,
            Content::Unknown => {}
            Content::Whole => {
                let seen = self.seen_of(ends);
                seen.whole = seen.whole.saturating_add(1);
            }
            Content::Invalid => {
                if let Some(seen) = self.seen.get_mut(&ends) {
                    seen.other = seen.other.saturating_add(1);
                }
                return None;
            }
        }
        if !self.seen.get(&ends)?.is_vxlan() {
            return None;
        }
        self.ports
            .count(header.destination(), around != Around::Nothing);
        Some((as_vxlan, header.destination()))
    }

    /// Counts a datagram that is no VXLAN, if its ends have sent some.
    fn note_other(&mut self, packet: &Captured<'_>, network: &Network, around: Around) {
        if self.seen.is_empty() || network.protocol != udp::PROTOCOL {
            return;
        }
        // The header is not at hand if the snap length cut it.
        let at = network.l4 + udp::LEN;
        if at >= packet.bytes.len() {
            return;
        }
        let ends = packet
            .load(network.l4)
            .and_then(|header| ends(packet, network, udp::Udp(header).destination(), around));
        if let Some(seen) = ends.and_then(|ends| self.seen.get_mut(&ends)) {
            seen.other = seen.other.saturating_add(1);
        }
    }

    fn seen_of(&mut self, ends: Ends) -> &mut Seen {
        if !self.seen.contains_key(&ends) {
            if self.seen.len() >= ENDS
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
            self.order.push_back(ends);
        }
        self.seen.entry(ends).or_default()
    }
}

fn ends(packet: &Captured<'_>, network: &Network, port: u16, around: Around) -> Option<Ends> {
    let addresses = walk::addresses(packet, network)?;
    Some(Ends {
        around,
        source: addresses.source,
        destination: addresses.destination,
        port,
    })
}

/// Whether the VXLAN header of a packet has the I flag, and 0 in all reserved bits.
pub(super) fn is_usual(packet: &Captured<'_>, found: &Outer) -> bool {
    let header = packet.load(found.inner.saturating_sub(vxlan::LEN));
    header.is_some_and(|header| vxlan::Vxlan(header).is_usual())
}

/// The UDP header around VXLAN, and where it is.
fn header_of(packet: &Captured<'_>, found: &Outer) -> Option<(udp::Udp, usize)> {
    let at = found.inner.checked_sub(udp::LEN + vxlan::LEN)?;
    Some((udp::Udp(packet.load(at)?), at))
}

/// What stands at `at`, in a datagram that ends at `end`.
fn content(packet: &Captured<'_>, at: usize, end: usize) -> Content {
    let Some(length) = end.checked_sub(at).filter(|length| *length >= eth::LEN) else {
        return Content::Invalid;
    };
    let Some(header) = packet.load::<{ eth::LEN }>(at) else {
        return Content::Unknown;
    };
    // No frame is sent by a group of stations (IEEE 802, 8.2.2).
    if header[6] & 1 != 0 {
        return Content::Invalid;
    }
    let (mut l3, mut ethertype) = (at + eth::LEN, eth::Ethernet(header).ethertype());
    while eth::is_tag(ethertype) {
        let Some(tag) = packet
            .load(l3)
            .filter(|_| l3 < at + eth::LEN + 2 * eth::TAG_LEN)
        else {
            return Content::Unknown;
        };
        (l3, ethertype) = (l3 + eth::TAG_LEN, eth::Tag(tag).ethertype());
    }
    let is_whole = match ethertype {
        eth::IPV4 => is_whole_v4(packet, l3, end, length),
        eth::IPV6 => is_whole_v6(packet, l3, end, length),
        eth::ARP => packet
            .load::<8>(l3)
            .map(|bytes| matches!(bytes, [0, 1, 8, 0, 6, 4, 0, 1 | 2])),
        _ => None,
    };
    match is_whole {
        Some(true) => Content::Whole,
        Some(false) => Content::Invalid,
        None => Content::Unknown,
    }
}

/// Whether an IPv4 packet is valid and fills its frame; `None` if its header is cut, or has no length (BIG TCP).
fn is_whole_v4(packet: &Captured<'_>, l3: usize, end: usize, frame: usize) -> Option<bool> {
    let header = ipv4::Ipv4(packet.load(l3)?);
    if header.version() != 4 || header.header_len() < ipv4::LEN {
        return Some(false);
    }
    let all = packet.bytes.get(l3..l3 + header.header_len())?;
    match header.total_len() {
        0 => None,
        total => Some(is_checksum_valid(all) && fills(l3 + usize::from(total), end, frame)),
    }
}

/// The same for IPv6, which has no checksum.
fn is_whole_v6(packet: &Captured<'_>, l3: usize, end: usize, frame: usize) -> Option<bool> {
    let header = ipv6::Ipv6(packet.load(l3)?);
    if header.version() != 6 {
        return Some(false);
    }
    match header.payload_len() {
        0 => None,
        payload => Some(fills(l3 + ipv6::LEN + usize::from(payload), end, frame)),
    }
}

/// Whether a packet that ends at `packet_end` fills its frame of `frame` bytes, which ends at `end`, but for padding.
fn fills(packet_end: usize, end: usize, frame: usize) -> bool {
    packet_end == end || (packet_end < end && frame <= FRAME_MIN)
}

/// Whether the checksum of an IPv4 header is right (RFC 1071).
fn is_checksum_valid(header: &[u8]) -> bool {
    let words = header.chunks_exact(2);
    let sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

#[cfg(test)]
mod tests;
