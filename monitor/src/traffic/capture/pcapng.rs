//! The pcapng format: blocks, in sections with one byte order each (draft-ietf-opsawg-pcapng).

use monitor_common::direction::Direction;

use super::byte_order::Order;
use super::captured_packet::{PACKET_MAX, Packet};
use super::pcap::without_fcs;
use super::pcapng_options::Options;
use super::read_error::Error;

/// Type of a section header block, the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
/// Length of a section header up to and including its byte-order magic.
pub(super) const SECTION_START: usize = 12;
/// Byte-order magic of a section header.
pub(super) const ORDER: u32 = 0x1a2b_3c4d;

/// Types of interface description and packet blocks.
pub(super) const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE: u32 = 3;
pub(super) const ENHANCED: u32 = 6;

/// Length of a block's type and length fields at its start, and of the length field at its end.
const AROUND: usize = 12;
/// Most bytes of a block that are buffered: a packet with its header and some options. Options after a packet of the
/// largest size may be ignored.
pub(super) const HELD_MAX: usize = PACKET_MAX + 4096;
/// Most interfaces of a section.
const INTERFACES: usize = 4096;
/// Most bytes of an interface's name.
const NAME: usize = 64;

/// Codes of options.
pub(super) const IF_NAME: u16 = 2;
pub(super) const IF_TSRESOL: u16 = 9;
const IF_FCSLEN: u16 = 13;
const IF_TSOFFSET: u16 = 14;
pub(super) const EPB_FLAGS: u16 = 2;

/// An interface description (4.2).
#[derive(Clone, Debug)]
struct Interface {
    link_type: u16,
    /// Most bytes captured of a packet; 0 is no limit.
    snap: u32,
    name: Option<String>,
    resolution: Resolution,
    /// Seconds to add to each time.
    time_offset: i64,
    fcs: u32,
}

/// The unit of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// Nanoseconds per unit.
    Nanoseconds(u64),
    /// Units per second.
    PerSecond(u128),
}

impl Resolution {
    /// The unit of option if_tsresol: a negative power of 10, or of 2 if the highest bit is set.
    fn of(option: u8) -> Resolution {
        let exponent = u32::from(option & 0x7f);
        match option {
            0..=9 => Resolution::Nanoseconds(10_u64.pow(9 - exponent)),
            10..=0x7f => Resolution::PerSecond(10_u128.checked_pow(exponent).unwrap_or(u128::MAX)),
            0x80.. => Resolution::PerSecond(1_u128.checked_shl(exponent).unwrap_or(u128::MAX)),
        }
    }

    /// A time in nanoseconds.
    fn nanoseconds(self, units: u64) -> u64 {
        match self {
            Resolution::Nanoseconds(each) => units.saturating_mul(each),
            Resolution::PerSecond(many) => {
                let nanoseconds = u128::from(units) * 1_000_000_000 / many;
                u64::try_from(nanoseconds).unwrap_or(u64::MAX)
            }
        }
    }
}

/// A section, with its interfaces so far.
#[derive(Debug)]
pub(super) struct Section {
    order: Order,
    interfaces: Vec<Interface>,
}

/// A block at the start of some bytes.
pub(super) enum Block<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// An interface description, which is stored now, or a block without packets.
    Other,
    /// The block is not complete yet.
    Incomplete,
}

impl Section {
    /// Decodes the first [`SECTION_START`] bytes of a section.
    pub(super) fn new(start: &[u8; SECTION_START], offset: u64) -> Result<Section, Error> {
        let order = match (
            Order::Little.u32(start, 8) == Some(ORDER),
            Order::Big.u32(start, 8) == Some(ORDER),
        ) {
            (true, _) => Order::Little,
            (_, true) => Order::Big,
            _ => {
                return Err(Error::Corrupt {
                    offset,
                    what: "a section without a byte-order magic".to_owned(),
                });
            }
        };
        Ok(Section {
            order,
            interfaces: Vec::new(),
        })
    }

    /// The block at the start of these bytes, and its length in the file, which may exceed these bytes.
    #[inline]
    pub(super) fn block<'a>(
        &'a mut self,
        bytes: &'a [u8],
        offset: u64,
    ) -> Result<(Block<'a>, u64), Error> {
        let corrupt = |what: String| Error::Corrupt { offset, what };
        let incomplete = Ok((Block::Incomplete, 0));
        let (Some(block_type), Some(length)) = (self.order.u32(bytes, 0), self.order.u32(bytes, 4))
        else {
            return incomplete;
        };
        if block_type == SECTION {
            // The length is read afterwards: its byte order is that of the new section.
            let Some(start) = bytes.first_chunk() else {
                return incomplete;
            };
            *self = Section::new(start, offset)?;
            let whole = self.order.u32(bytes, 4).unwrap_or_default();
            // The major version follows the byte-order magic.
            match self.order.u16(bytes, 12) {
                None => return incomplete,
                Some(1) => {}
                Some(_) => return Err(Error::Unsupported("a later version of pcapng")),
            }
            if (whole as usize) < AROUND + 16 || !whole.is_multiple_of(4) {
                return Err(corrupt(format!("a section header of {whole} bytes")));
            }
            return Ok((Block::Other, u64::from(whole)));
        }
        let whole = length as usize;
        if whole < AROUND || !whole.is_multiple_of(4) {
            return Err(corrupt(format!("a block of {length} bytes")));
        }
        if !matches!(block_type, INTERFACE | PACKET | SIMPLE | ENHANCED) {
            return Ok((Block::Other, u64::from(length)));
        }
        if bytes.len() < whole.min(HELD_MAX) {
            return incomplete;
        }
        let body = match bytes.get(8..whole - 4) {
            Some(body) => {
                if self.order.u32(bytes, whole - 4) != Some(length) {
                    return Err(corrupt(format!(
                        "a block of {length} bytes ends with another length"
                    )));
                }
                body
            }
            None => &bytes[8..HELD_MAX],
        };
        let block = match block_type {
            INTERFACE => {
                self.describe(body).map_err(corrupt)?;
                Block::Other
            }
            SIMPLE => Block::Packet(self.simple(body).map_err(corrupt)?),
            // The interface has 16 bits here; the next 16 count dropped packets.
            PACKET => {
                let id = self.order.u16(body, 0).map(u32::from);
                Block::Packet(self.packet(id, body).map_err(corrupt)?)
            }
            _ => {
                let id = self.order.u32(body, 0);
                Block::Packet(self.packet(id, body).map_err(corrupt)?)
            }
        };
        Ok((block, u64::from(length)))
    }

    /// Stores an interface description (4.2).
    fn describe(&mut self, body: &[u8]) -> Result<(), String> {
        let (Some(link_type), Some(snap)) = (self.order.u16(body, 0), self.order.u32(body, 4))
        else {
            return Err("an interface description that is too short".to_owned());
        };
        if self.interfaces.len() == INTERFACES {
            return Err(format!("more than {INTERFACES} interfaces"));
        }
        let mut interface = Interface {
            link_type,
            snap,
            name: None,
            resolution: Resolution::Nanoseconds(1000),
            time_offset: 0,
            fcs: 0,
        };
        for (code, value) in Options::new(self.order, &body[8..]) {
            match (code, value) {
                (IF_NAME, name) => {
                    let name = String::from_utf8_lossy(&name[..name.len().min(NAME)]);
                    interface.name = Some(name.into_owned());
                }
                (IF_TSRESOL, [option]) => interface.resolution = Resolution::of(*option),
                (IF_FCSLEN, [bytes]) => interface.fcs = u32::from(*bytes),
                (IF_TSOFFSET, value) => {
                    interface.time_offset = self.order.i64(value, 0).unwrap_or_default();
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// The interface of a packet.
    fn interface(&self, id: Option<u32>) -> Result<&Interface, String> {
        let id = id.ok_or("a packet block that is too short")?;
        self.interfaces
            .get(id as usize)
            .ok_or_else(|| format!("a packet of interface {id}, which has no description"))
    }

    /// Decodes an enhanced packet (4.3), or an obsolete packet block, whose fields have the same offsets.
    #[inline]
    fn packet<'a>(&'a self, id: Option<u32>, body: &'a [u8]) -> Result<Packet<'a>, String> {
        const DATA: usize = 20;
        let interface = self.interface(id)?;
        let word = |at| self.order.u32(body, at).unwrap_or_default();
        let captured = word(12) as usize;
        let Some(frame) = body.get(DATA..DATA + captured.min(PACKET_MAX)) else {
            return Err(format!("a packet of {captured} bytes in a shorter block"));
        };
        if captured > PACKET_MAX {
            return Err(format!(
                "a packet of {captured} bytes, which is over the limit of {PACKET_MAX}"
            ));
        }
        let units = (u64::from(word(4)) << 32) | u64::from(word(8));
        let since = i64::try_from(interface.resolution.nanoseconds(units)).unwrap_or(i64::MAX);
        let offset = interface.time_offset.saturating_mul(1_000_000_000);
        let options = body.get(DATA + captured.next_multiple_of(4)..);
        let (bytes, wire_len) = without_fcs(frame, word(16), interface.fcs);
        Ok(Packet {
            time_ns: since.saturating_add(offset),
            link_type: interface.link_type,
            interface: interface.name.as_deref(),
            interface_id: id.filter(|_| self.interfaces.len() > 1),
            direction: options.and_then(|options| self.direction(options)),
            bytes,
            wire_len,
        })
    }

    /// Decodes a simple packet (4.4): of the first interface, without a time.
    fn simple<'a>(&'a self, body: &'a [u8]) -> Result<Packet<'a>, String> {
        let interface = self.interface(Some(0))?;
        let wire_len = self.order.u32(body, 0).unwrap_or_default();
        let limit = if interface.snap == 0 {
            u32::MAX
        } else {
            interface.snap
        };
        let captured = wire_len.min(limit) as usize;
        let Some(frame) = body.get(4..).and_then(|data| data.get(..captured)) else {
            return Err(format!("a packet of {captured} bytes in a shorter block"));
        };
        let (bytes, wire_len) = without_fcs(frame, wire_len, interface.fcs);
        Ok(Packet {
            time_ns: 0,
            link_type: interface.link_type,
            interface: interface.name.as_deref(),
            interface_id: None,
            direction: None,
            bytes,
            wire_len,
        })
    }

    /// The direction in a packet's options: bits 0 and 1 of epb_flags (4.3.1), 1 is inbound, 2 outbound.
    #[inline]
    fn direction(&self, options: &[u8]) -> Option<Direction> {
        let (_, flags) = Options::new(self.order, options).find(|(code, _)| *code == EPB_FLAGS)?;
        match self.order.u32(flags, 0)? & 3 {
            1 => Some(Direction::Rx),
            2 => Some(Direction::Tx),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_any_resolution_are_converted() {
        for (option, units, nanoseconds) in [
            (6, 1, 1000),
            (9, 7, 7),
            (0, 2, 2_000_000_000),
            (12, 5_000, 5),
            (0x80, 3, 3_000_000_000),
            (0x80 | 10, 1024, 1_000_000_000),
            (0x7f, u64::MAX, 0),
            (0xff, u64::MAX, 0),
            (0, u64::MAX, u64::MAX),
        ] {
            assert_eq!(
                Resolution::of(option).nanoseconds(units),
                nanoseconds,
                "{option:#x}"
            );
        }
    }
}
