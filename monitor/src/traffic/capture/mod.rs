//! Capture files: pcap and pcapng, read as a stream in bounded memory; and pcapng written.
//!
//! Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Every length in a file is an
//! attacker's: a packet holds at most [`PACKET_MAX`] bytes, and a block of any other kind is skipped
//! without being held.

mod error;
mod input;
mod link;
mod options;
mod pcap;
mod pcapng;
mod reader;
#[cfg(test)]
mod tests;
pub mod write;

pub use error::Error;
pub use input::{Input, Stop};
pub use link::{Linked, linked};
pub use reader::{Filled, Reader, Step};

use monitor_common::label::Direction;

/// Most bytes that one packet may hold: libpcap's and Wireshark's own limit.
pub const PACKET_MAX: usize = 256 * 1024;

/// One packet of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When it was captured: nanoseconds since 1970, UTC; 0 where the file does not say.
    pub time_ns: i64,
    /// Link type (LINKTYPE_ value).
    pub link_type: u16,
    /// Name of the interface, as the file gives it: not escaped.
    pub interface: Option<&'a str>,
    /// Which way it crossed the interface, where the file says it.
    pub direction: Option<Direction>,
    /// The captured bytes, without FCS.
    pub bytes: &'a [u8],
    /// Length on the wire, without FCS; at least `bytes.len()`.
    pub wire_len: u32,
}
