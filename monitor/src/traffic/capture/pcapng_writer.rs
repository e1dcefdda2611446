//! Writes samples to a pcapng file, with the verdict as each packet's comment.

use std::collections::HashMap;
use std::io::{self, Write};

use monitor_common::direction::Direction;
use monitor_common::link::Link;

use super::pcapng::{ENHANCED, EPB_FLAGS, IF_NAME, IF_TSRESOL, INTERFACE, ORDER, SECTION};

/// LINKTYPE_ETHERNET and LINKTYPE_RAW.
const LINK_TYPES: [u16; 2] = [1, 101];
/// opt_comment (3.5.1).
const OPT_COMMENT: u16 = 1;
/// shb_userappl (4.1).
const SHB_USERAPPL: u16 = 4;
/// if_tsresol: nanoseconds.
const NANOSECONDS: u8 = 9;
/// Most interfaces described; packets of further ones are written under the last one.
const INTERFACES: usize = 4096;

/// One packet to save.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// Time in nanoseconds since 1970, UTC.
    pub time_ns: i64,
    /// Interface name.
    pub interface: &'a str,
    /// Received or sent.
    pub direction: Direction,
    /// The link header that the bytes begin with.
    pub link: Link,
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// Length on the wire in bytes.
    pub wire_len: u32,
    /// The comment, redacted and escaped.
    pub comment: &'a str,
}

/// Writes a pcapng file of one section, in little-endian byte order.
pub struct Writer<W: Write> {
    out: W,
    /// Number of each interface, by name and whether its packets begin with the IP header.
    interfaces: HashMap<(String, bool), u32>,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the section header.
    ///
    /// # Errors
    /// The error of the write.
    pub fn new(mut out: W) -> io::Result<Writer<W>> {
        let mut body = ORDER.to_le_bytes().to_vec();
        // Version 1.0, and an unspecified section length.
        body.extend([1, 0, 0, 0]);
        body.extend([0xff; 8]);
        let program = concat!("overlay-monitor ", env!("CARGO_PKG_VERSION"));
        option(&mut body, SHB_USERAPPL, program.as_bytes());
        option(&mut body, 0, &[]);
        write_block(&mut out, SECTION, &body)?;
        Ok(Writer {
            out,
            interfaces: HashMap::new(),
            block: Vec::new(),
        })
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// The error of the write.
    pub fn save(&mut self, packet: &Saved<'_>) -> io::Result<()> {
        let id = self.interface(packet)?;
        let time = u64::try_from(packet.time_ns).unwrap_or_default();
        let captured = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
        let body = &mut self.block;
        body.clear();
        for word in [
            id,
            (time >> 32) as u32,
            time as u32,
            captured,
            packet.wire_len.max(captured),
        ] {
            body.extend(word.to_le_bytes());
        }
        body.extend(packet.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        if !packet.comment.is_empty() {
            option(body, OPT_COMMENT, packet.comment.as_bytes());
        }
        let flags: u32 = match packet.direction {
            Direction::Rx => 1,
            Direction::Tx => 2,
        };
        option(body, EPB_FLAGS, &flags.to_le_bytes());
        option(body, 0, &[]);
        write_block(&mut self.out, ENHANCED, body)
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// The error of the flush.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The number of a packet's interface. Writes its description if it is new.
    fn interface(&mut self, packet: &Saved<'_>) -> io::Result<u32> {
        let is_ip = matches!(packet.link, Link::Ip);
        let key = (packet.interface.to_owned(), is_ip);
        if let Some(id) = self.interfaces.get(&key) {
            return Ok(*id);
        }
        let id = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        if self.interfaces.len() >= INTERFACES {
            return Ok(id - 1);
        }
        let mut body = LINK_TYPES[usize::from(is_ip)].to_le_bytes().to_vec();
        body.extend([0; 6]);
        option(&mut body, IF_NAME, packet.interface.as_bytes());
        option(&mut body, IF_TSRESOL, &[NANOSECONDS]);
        option(&mut body, 0, &[]);
        write_block(&mut self.out, INTERFACE, &body)?;
        self.interfaces.insert(key, id);
        Ok(id)
    }
}

/// Appends an option (3.5). A value that is too long is cut.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Writes a block (3.1).
fn write_block(out: &mut impl Write, block_type: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12)
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    out.write_all(&block_type.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::capture::{Filled, Input, Reader, Step};

    #[test]
    fn saved_packets_are_read_back() {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file).unwrap();
        let packets: Vec<(String, Direction, Link, Vec<u8>)> = (0..6_u8)
            .map(|n| {
                let direction = Direction::ALL[usize::from(n % 2)];
                let link = if n == 5 { Link::Ip } else { Link::Ethernet };
                (
                    format!("eth{}", n / 3),
                    direction,
                    link,
                    vec![n; usize::from(n)],
                )
            })
            .collect();
        for (n, (interface, direction, link, bytes)) in packets.iter().enumerate() {
            let saved = Saved {
                time_ns: 1_700_000_000_123_456_789 + n as i64,
                interface,
                direction: *direction,
                link: *link,
                bytes,
                wire_len: 1500,
                comment: "http  plaintext",
            };
            writer.save(&saved).unwrap();
        }
        writer.flush().unwrap();
        drop(writer);
        let mut reader = Reader::open(Input::of(io::Cursor::new(file))).unwrap();
        let mut found = 0;
        loop {
            match reader.step().unwrap() {
                Step::Packet(packet) => {
                    let (interface, direction, link, bytes) = &packets[found];
                    assert_eq!(packet.time_ns, 1_700_000_000_123_456_789 + found as i64);
                    assert_eq!(packet.interface, Some(interface.as_str()));
                    assert_eq!(packet.direction, Some(*direction));
                    let link = usize::from(matches!(link, Link::Ip));
                    assert_eq!(packet.link_type, LINK_TYPES[link]);
                    assert_eq!((packet.bytes, packet.wire_len), (&bytes[..], 1500));
                    found += 1;
                }
                Step::Other => {}
                Step::Drained => {
                    if reader.fill().unwrap() != Filled::More {
                        break;
                    }
                }
            }
        }
        assert_eq!(found, packets.len());
    }
}
