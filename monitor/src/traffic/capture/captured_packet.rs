//! One packet of a capture file.

use monitor_common::direction::Direction;

/// Most bytes of one packet, the limit of libpcap and Wireshark.
pub const PACKET_MAX: usize = 256 * 1024;

/// One packet of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Time of capture in nanoseconds since 1970, UTC; 0 if the file has none.
    pub time_ns: i64,
    /// Link type (LINKTYPE_ value).
    pub link_type: u16,
    /// Name of the interface as in the file: not escaped.
    pub interface: Option<&'a str>,
    /// Received or sent, if the file contains it.
    pub direction: Option<Direction>,
    /// The captured bytes, without FCS.
    pub bytes: &'a [u8],
    /// Length on the wire, without FCS; at least `bytes.len()`.
    pub wire_len: u32,
}
