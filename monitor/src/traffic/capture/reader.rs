//! Reads the packets of a capture file one by one, from a buffer that the caller refills.

use super::captured_packet::Packet;
use super::compressed::{self, Compression};
use super::input::Input;
use super::pcap::{self, Pcap};
use super::pcapng::{self, Block, Section};
use super::read_error::Error;

/// A capture file that is being read.
pub struct Reader {
    input: Input,
    format: Format,
    /// Length of the block returned last, which is consumed by the next step.
    used: u64,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Section),
}

/// The next part of a capture file.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// A block without a packet.
    Other,
    /// The buffer has no complete block: call [`Reader::fill`]. The caller flushes its output here.
    Drained,
}

/// The result of refilling the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// More bytes.
    More,
    /// The end of the file, after a complete packet.
    End,
    /// The end of the file, in the middle of a packet.
    Truncated,
}

impl Reader {
    /// Opens a capture file, and reads until its format is known.
    ///
    /// # Errors
    /// The file cannot be read, or is not a supported capture file.
    pub fn open(mut input: Input) -> Result<Reader, Error> {
        let mut magic = magic(&mut input)?;
        if let Some(compression) = Compression::of(magic) {
            input = compressed::open(input, compression);
            magic = self::magic(&mut input)?;
            if Compression::of(magic).is_some() {
                return Err(Error::CompressedTwice);
            }
        }
        if u32::from_le_bytes(magic) == pcapng::SECTION {
            let start = start::<{ pcapng::SECTION_START }>(&mut input)?;
            let section = Section::new(&start, 0)?;
            return Ok(Reader {
                input,
                format: Format::Pcapng(section),
                used: 0,
            });
        }
        let Some(order) = pcap::order(magic) else {
            return Err(match magic {
                [0xfd, b'7', b'z', b'X'] => Error::Compressed("xz", "xzcat"),
                [b'B', b'Z', b'h', _] => Error::Compressed("bzip2", "bzcat"),
                [b's', b'n', b'o', b'o'] => Error::Unsupported("a snoop file of Solaris"),
                _ => Error::NotACapture(magic),
            });
        };
        let header = start::<{ pcap::HEADER }>(&mut input)?;
        let format = Format::Pcap(Pcap::new(order, &header)?);
        input.consume(pcap::HEADER as u64);
        Ok(Reader {
            input,
            format,
            used: 0,
        })
    }

    /// The next block in the buffer.
    ///
    /// # Errors
    /// The file is corrupt there, and cannot be read any further.
    #[inline]
    pub fn step(&mut self) -> Result<Step<'_>, Error> {
        self.input.consume(std::mem::take(&mut self.used));
        let offset = self.input.offset();
        match &mut self.format {
            Format::Pcap(pcap) => match pcap.packet(self.input.bytes(), offset)? {
                None => Ok(Step::Drained),
                Some((packet, length)) => {
                    self.used = length as u64;
                    Ok(Step::Packet(packet))
                }
            },
            Format::Pcapng(section) => {
                let (block, length) = section.block(self.input.bytes(), offset)?;
                self.used = length;
                Ok(match block {
                    Block::Packet(packet) => Step::Packet(packet),
                    Block::Other => Step::Other,
                    Block::Incomplete => Step::Drained,
                })
            }
        }
    }

    /// Refills the buffer with the bytes that are available.
    ///
    /// # Errors
    /// The error of the read.
    pub fn fill(&mut self) -> Result<Filled, Error> {
        if self.input.fill()? {
            return Ok(Filled::More);
        }
        Ok(
            if self.input.bytes().is_empty()
                && !self.input.is_skipping()
                && !self.input.is_cut_off()
            {
                Filled::End
            } else {
                Filled::Truncated
            },
        )
    }

    /// Bytes of the file that were read; of a compressed file, compressed ones.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.input.progress()
    }

    /// Offset of the next block, in bytes of the capture that the file has, compressed or not.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }
}

/// The first four bytes of a file, without consuming them.
fn magic(input: &mut Input) -> Result<[u8; 4], Error> {
    loop {
        if let Some(magic) = input.bytes().first_chunk() {
            return Ok(*magic);
        }
        if !input.fill()? {
            return Err(if input.bytes().is_empty() && !input.is_cut_off() {
                Error::Empty
            } else {
                too_short(input)
            });
        }
    }
}

/// The first bytes of a file, without consuming them.
fn start<const N: usize>(input: &mut Input) -> Result<[u8; N], Error> {
    loop {
        if let Some(start) = input.bytes().first_chunk::<N>() {
            return Ok(*start);
        }
        if !input.fill()? {
            return Err(too_short(input));
        }
    }
}

fn too_short(input: &Input) -> Error {
    Error::Corrupt {
        offset: input.bytes().len() as u64,
        what: "the file ends within its header".to_owned(),
    }
}
