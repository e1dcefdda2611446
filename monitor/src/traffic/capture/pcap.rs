//! The pcap format: one file header, then packets (draft-ietf-opsawg-pcap).

use super::byte_order::Order;
use super::captured_packet::{PACKET_MAX, Packet};
use super::read_error::Error;

/// Length of the file header.
pub(super) const HEADER: usize = 24;
/// Length of the header of each packet.
const PACKET_HEADER: usize = 16;

/// Magic number of files with microseconds (section 4).
const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Magic number of files with nanoseconds.
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Magic numbers of variants that have other headers (libpcap, `sf-pcap.c`): Kuznetzov's, Mesquita's, Navtel's; and Ixia's.
const MODIFIED: [u32; 5] = [
    0xa1b2_cd34,
    0xa1b2_34cd,
    0xa12b_3c4d,
    0x1c00_01ac,
    0x1c00_01ab,
];
/// Flag in the link type field: its four highest bits contain the length of the frame check sequence (FCS), in units of
/// 16 bits.
const HAS_FCS: u32 = 0x0400_0000;

/// A pcap file, by its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Nanoseconds per unit of the second time field.
    unit: i64,
    link_type: u16,
    /// Length of the FCS at the end of each frame.
    fcs: u32,
}

/// The byte order of a pcap file that starts with these bytes; `None` if they are not a pcap file's.
pub(super) fn order(magic: [u8; 4]) -> Option<Order> {
    let is_magic = |value| matches!(value, MICROSECONDS | NANOSECONDS) || MODIFIED.contains(&value);
    if is_magic(u32::from_le_bytes(magic)) {
        Some(Order::Little)
    } else if is_magic(u32::from_be_bytes(magic)) {
        Some(Order::Big)
    } else {
        None
    }
}

impl Pcap {
    /// Decodes the file header.
    pub(super) fn new(order: Order, header: &[u8; HEADER]) -> Result<Pcap, Error> {
        let word = |at| order.u32(header, at).unwrap_or_default();
        let unit = match word(0) {
            NANOSECONDS => 1,
            magic if MODIFIED.contains(&magic) => {
                return Err(Error::Unsupported("a pcap file of a modified kind"));
            }
            _ => 1000,
        };
        let network = word(20);
        Ok(Pcap {
            order,
            unit,
            link_type: network as u16,
            fcs: if network & HAS_FCS == 0 {
                0
            } else {
                (network >> 28) * 2
            },
        })
    }

    /// The packet at the start of these bytes and its length in the file; `None` if it is incomplete.
    #[inline]
    pub(super) fn packet<'a>(
        &self,
        bytes: &'a [u8],
        offset: u64,
    ) -> Result<Option<(Packet<'a>, usize)>, Error> {
        let Some(header) = bytes.first_chunk::<PACKET_HEADER>() else {
            return Ok(None);
        };
        let word = |at| self.order.u32(header, at).unwrap_or_default();
        let captured = word(8) as usize;
        if captured > PACKET_MAX {
            return Err(Error::Corrupt {
                offset,
                what: format!(
                    "a packet of {captured} bytes, which is over the limit of {PACKET_MAX}"
                ),
            });
        }
        let Some(frame) = bytes.get(PACKET_HEADER..PACKET_HEADER + captured) else {
            return Ok(None);
        };
        let seconds = i64::from(word(0));
        let time_ns = seconds * 1_000_000_000 + i64::from(word(4)) * self.unit;
        let (bytes, wire_len) = without_fcs(frame, word(12), self.fcs);
        let packet = Packet {
            time_ns,
            link_type: self.link_type,
            interface: None,
            interface_id: None,
            direction: None,
            bytes,
            wire_len,
        };
        Ok(Some((packet, PACKET_HEADER + captured)))
    }
}

/// A frame and its length on the wire, without the FCS that both may include.
#[inline]
pub(super) fn without_fcs(frame: &[u8], wire_len: u32, fcs: u32) -> (&[u8], u32) {
    // Some writers give a length on the wire below the captured length.
    let wire_len = wire_len.max(u32::try_from(frame.len()).unwrap_or(u32::MAX));
    let wire_len = wire_len.saturating_sub(fcs);
    (&frame[..frame.len().min(wire_len as usize)], wire_len)
}
