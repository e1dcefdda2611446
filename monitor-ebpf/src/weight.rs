//! What a frame stands for on the wire: at TC it may be a super-packet, which the NIC or the kernel
//! will cut into many (GSO), or has made of many (GRO).

use monitor_common::walk::{self, InnerKind, Kind, Link};
use monitor_common::wire::udp;

use crate::ctx::Packet;
use crate::walked::Walked;

/// Packets of the wire, and their bytes.
#[derive(Clone, Copy)]
pub struct Weight {
    /// Packets.
    pub packets: u64,
    /// Bytes of the frames without FCS, VLAN tags included.
    pub bytes: u64,
}

impl Weight {
    /// A frame that is one packet.
    #[inline(always)]
    pub fn single<P: Packet>(packet: &P) -> Weight {
        Weight {
            packets: 1,
            bytes: packet.frame_len() as u64 + u64::from(packet.tag_len()),
        }
    }

    /// A frame whose segments all start with `headers` bytes of headers, if it is a super-packet.
    ///
    /// The number of segments may be unknown (a guest's frame): then the payload tells.
    #[inline(always)]
    pub fn of<P: Packet>(packet: &P, headers: u32) -> Weight {
        let (size, count) = packet.segments();
        if size == 0 {
            return Weight::single(packet);
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
        Weight {
            packets,
            bytes: len + (packets - 1) * headers + packets * u64::from(packet.tag_len()),
        }
    }
}

/// Notes how long the headers are that every segment of a super-packet has: up to its innermost
/// transport header, which is the one that was segmented.
///
/// But for a UDP datagram of a tunnel made in user space, which may itself be segmented (`UDP_SEGMENT`,
/// UDP GRO): then the packet inside ends with the first segment.
#[inline(always)]
pub fn segment_headers<P: Packet>(packet: &P) {
    let (size, _) = packet.segments();
    if size == 0 {
        return;
    }
    let Some(walked) = Walked::slot() else { return };
    let datagram = walked.l4() + udp::LEN;
    let (at, link) = if walked.kind == Kind::Overlay as u32 {
        (walked.inner(), Link::from_index(walked.link as u8))
    } else if walked.kind == Kind::Host as u32 {
        (0, Link::from_index(walked.frame_link as u8))
    } else {
        // ESP, AH, IKE, WireGuard: nothing to see inside.
        walked.segment_headers = datagram as u32;
        return;
    };
    let inner = walk::inner(packet, at, link);
    let segment_end = datagram + size as usize;
    let is_datagram = walked.kind == Kind::Overlay as u32
        && inner.network.end <= segment_end
        && segment_end < packet.frame_len();
    walked.segment_headers = if is_datagram || !matches!(inner.kind, InnerKind::Flow) {
        datagram as u32
    } else {
        inner.payload as u32
    };
}
