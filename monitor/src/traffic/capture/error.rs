//! What can be wrong with a capture file.

use std::io;

/// Why a capture file cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading failed.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    /// No byte at all.
    #[error("is empty: no capture file")]
    Empty,
    /// It starts like no capture file.
    #[error("is no capture file: pcap and pcapng are read, and this starts with {0:02x?}")]
    NotACapture([u8; 4]),
    /// It is packed.
    #[error(
        "is compressed by {0}: unpack it on the way in, as `{1} FILE | overlay-monitor read -`"
    )]
    Compressed(&'static str, &'static str),
    /// A version or variant that is not read.
    #[error("is {0}: not read; convert it, as `editcap FILE NEW.pcapng`")]
    Unsupported(&'static str),
    /// The bytes contradict the format.
    #[error("is corrupt at byte {offset}: {what}")]
    Corrupt {
        /// Where in the file.
        offset: u64,
        /// What stands there.
        what: String,
    },
}
