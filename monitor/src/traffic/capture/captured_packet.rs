//! One packet of a capture file.

use monitor_common::direction::Direction;

use super::link_type::{LINUX_SLL, sll2_interface};

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
    /// Number of the interface in the file, if it has packets of several.
    pub interface_id: Option<u32>,
    /// Received or sent, if the file contains it.
    pub direction: Option<Direction>,
    /// The captured bytes, without FCS.
    pub bytes: &'a [u8],
    /// Length on the wire, without FCS; at least `bytes.len()`.
    pub wire_len: u32,
}

/// The device on which a packet was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The only one of its file.
    Only,
    /// One of several, by its number.
    Index(u32),
    /// One of several (`tcpdump -i any`); the file does not say which.
    Unknown,
}

impl Packet<'_> {
    /// The device on which it was captured.
    #[inline]
    #[must_use]
    pub fn device(&self) -> Device {
        if let Some(index) = sll2_interface(self.link_type, self.bytes).or(self.interface_id) {
            return Device::Index(index);
        }
        match self.link_type {
            LINUX_SLL => Device::Unknown,
            _ => Device::Only,
        }
    }
}
