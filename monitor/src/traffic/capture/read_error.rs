//! Why a capture file cannot be read.

use std::io;

/// Why a capture file cannot be read, or not any further. The message continues the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading failed.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    /// The file is empty.
    #[error("is empty, so it is not a capture file")]
    Empty,
    /// The first four bytes belong to no known format.
    #[error("is not a capture file: it starts with {0:02x?}; give a pcap or pcapng file")]
    NotACapture([u8; 4]),
    /// It is compressed, by this format; the program decompresses it to standard output.
    #[error("is compressed by {0}; decompress it: `{1} FILE | overlay-monitor read -`")]
    Compressed(&'static str, &'static str),
    /// What it decompresses to is compressed again.
    #[error("is compressed twice; decompress it once: `zcat FILE | overlay-monitor read -`")]
    CompressedTwice,
    /// A version or variant that is not supported.
    #[error("is {0}, which is not supported; convert it: `editcap FILE NEW.pcapng`")]
    Unsupported(&'static str),
    /// The bytes contradict the format.
    #[error("is corrupt at byte {offset}: {what}")]
    Corrupt {
        /// Offset in the file, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}
