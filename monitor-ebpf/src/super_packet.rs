//! What a frame stands for on the wire. At TC it may be a super-packet, which the device or the kernel will split into
//! many packets (GSO) or has merged from many (GRO).

use monitor_common::count::Count;
use monitor_common::link::Link;
use monitor_common::walk::usual::inner::Ends;
use monitor_common::walk::{self, InnerKind, OuterKind};
use monitor_common::wire::udp;

use crate::ctx::Packet;
use crate::walked::Walked;

/// Whether a frame is one packet.
#[inline(always)]
pub fn is_one<P: Packet>(packet: &P) -> bool {
    packet.segments().0 == 0
}

/// The count of a frame that is one packet: bytes without FCS, VLAN tags included.
#[inline(always)]
pub fn one<P: Packet>(packet: &P) -> Count {
    Count {
        packets: 1,
        bytes: packet.frame_len() as u64 + u64::from(packet.tag_len()),
    }
}

/// The count of a frame that may be a super-packet, each segment of which has `headers` bytes of headers.
///
/// A guest's frame may not say how many segments it has; then their number follows from the payload.
#[inline(always)]
pub fn count<P: Packet>(packet: &P, headers: u32) -> Count {
    let (size, count) = packet.segments();
    if size == 0 {
        return one(packet);
    }
    let len = packet.frame_len() as u64;
    let headers = u64::from(headers);
    let mut packets = u64::from(count);
    if packets == 0 {
        let payload = len.saturating_sub(headers);
        packets = payload.div_ceil(u64::from(size));
    }
    if packets == 0 {
        packets = 1;
    }
    Count {
        packets,
        bytes: len + (packets - 1) * headers + packets * u64::from(packet.tag_len()),
    }
}

/// The count of a frame that may be a super-packet, with a usual flow inside a datagram whose header ends at `datagram`.
#[inline(always)]
pub fn count_of_flow<P: Packet>(packet: &P, ends: Ends, datagram: usize) -> Count {
    count(packet, headers_of_flow(packet, ends, datagram) as u32)
}

/// The length of the headers that every segment of a super-packet has: up to its innermost transport header, at which it
/// is segmented.
///
/// A tunnel made in user space may have its UDP datagrams segmented instead (`UDP_SEGMENT`, UDP GRO): then the packet
/// inside ends with the first segment, and the headers end with the outer UDP header.
#[inline(always)]
fn headers_of_flow<P: Packet>(packet: &P, ends: Ends, datagram: usize) -> usize {
    let segment_end = datagram + packet.segments().0 as usize;
    let is_datagram = ends.packet <= segment_end && segment_end < packet.frame_len();
    if is_datagram { datagram } else { ends.headers }
}

/// Notes the length of the headers that every segment of a super-packet has.
#[inline(always)]
pub fn segment_headers<P: Packet>(packet: &P) {
    let (size, _) = packet.segments();
    if size == 0 {
        return;
    }
    let Some(walked) = Walked::slot() else { return };
    let datagram = walked.l4() + udp::LEN;
    let (at, link) = if walked.kind == OuterKind::Overlay as u32 {
        (walked.inner(), Link::from_index(walked.link as u8))
    } else if walked.kind == OuterKind::Host as u32 {
        (0, Link::from_index(walked.frame_link as u8))
    } else {
        // ESP, AH, IKE, WireGuard: the inside is not walked.
        walked.segment_headers = datagram as u32;
        return;
    };
    let inner = walk::inner(packet, at, link);
    let ends = Ends {
        headers: inner.payload,
        packet: inner.network.end,
    };
    walked.segment_headers = if !matches!(inner.kind, InnerKind::Flow) {
        datagram
    } else if walked.kind == OuterKind::Overlay as u32 {
        headers_of_flow(packet, ends, datagram)
    } else {
        ends.headers
    } as u32;
}
