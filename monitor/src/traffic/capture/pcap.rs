//! The older format: one header, then packets (draft-ietf-opsawg-pcap).

use super::options::Order;
use super::{Error, PACKET_MAX, Packet};

/// Bytes of the file header.
pub(super) const HEADER: usize = 24;
/// Bytes before each packet.
const RECORD: usize = 16;

/// First four bytes, microseconds (section 4).
const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// First four bytes, nanoseconds.
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// First four bytes of a variant with longer packet headers (Kuznetzov's).
const MODIFIED: u32 = 0xa1b2_cd34;
/// In the field of the link type: the length of the FCS is given, in the four highest bits, in units of
/// 16 bits.
const HAS_FCS: u32 = 0x0400_0000;

/// What the file header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Nanoseconds of one unit of the second time field.
    unit: i64,
    link_type: u16,
    /// Bytes at the end of each frame that are its check sequence.
    fcs: u32,
}

/// Whether a file that starts with these bytes is one of this format, and in which byte order.
pub(super) fn order(magic: [u8; 4]) -> Option<Order> {
    let is_magic = |value| matches!(value, MICROSECONDS | NANOSECONDS | MODIFIED);
    if is_magic(u32::from_le_bytes(magic)) {
        Some(Order::Little)
    } else if is_magic(u32::from_be_bytes(magic)) {
        Some(Order::Big)
    } else {
        None
    }
}

impl Pcap {
    /// Reads the file header, which is there whole.
    pub(super) fn new(order: Order, header: &[u8; HEADER]) -> Result<Pcap, Error> {
        let word = |at| order.u32(header, at).unwrap_or_default();
        let unit = match word(0) {
            NANOSECONDS => 1,
            MODIFIED => return Err(Error::Unsupported("a pcap file of the modified kind")),
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

    /// The packet at the start of these bytes and how many bytes it takes; `None` if it is not there whole.
    #[inline]
    pub(super) fn packet<'a>(
        &self,
        bytes: &'a [u8],
        offset: u64,
    ) -> Result<Option<(Packet<'a>, usize)>, Error> {
        let Some(header) = bytes.first_chunk::<RECORD>() else {
            return Ok(None);
        };
        let word = |at| self.order.u32(header, at).unwrap_or_default();
        let captured = word(8) as usize;
        if captured > PACKET_MAX {
            return Err(Error::Corrupt {
                offset,
                what: format!("a packet of {captured} bytes; more than {PACKET_MAX} are in none"),
            });
        }
        let Some(frame) = bytes.get(RECORD..RECORD + captured) else {
            return Ok(None);
        };
        let seconds = i64::from(word(0));
        let time_ns = seconds * 1_000_000_000 + i64::from(word(4)) * self.unit;
        let (bytes, wire_len) = without_fcs(frame, word(12), self.fcs);
        let packet = Packet {
            time_ns,
            link_type: self.link_type,
            interface: None,
            direction: None,
            bytes,
            wire_len,
        };
        Ok(Some((packet, RECORD + captured)))
    }
}

/// A frame and its length on the wire, without the check sequence that both may include.
#[inline]
pub(super) fn without_fcs(frame: &[u8], wire_len: u32, fcs: u32) -> (&[u8], u32) {
    // Some writers give a length on the wire that is shorter than what they captured.
    let wire_len = wire_len.max(u32::try_from(frame.len()).unwrap_or(u32::MAX));
    let wire_len = wire_len.saturating_sub(fcs);
    (&frame[..frame.len().min(wire_len as usize)], wire_len)
}
