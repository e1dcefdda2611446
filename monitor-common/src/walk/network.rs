//! The network layer of a packet.

use crate::address::{Addresses, Version};
use crate::load::Load;
use crate::wire::{ipv4, ipv6};

/// The network layer of a packet: its place in the frame, and its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Which IP.
    pub version: Version,
    /// Offset of the IP header from the start of the frame.
    pub l3: usize,
    /// Offset of the first byte behind the IP header, its options and its extension headers.
    pub l4: usize,
    /// Offset of the end of the packet by its own length field; an Ethernet trailer is beyond it.
    pub end: usize,
    /// Protocol of the payload (IANA protocol numbers).
    pub protocol: u8,
    /// Whether it is a later fragment: then no header stands at `l4`.
    pub later_fragment: bool,
    /// Whether it is the first of several fragments.
    pub first_fragment: bool,
    /// Identification of the packet that the fragment belongs to (RFC 791, 3.1; RFC 8200, 4.5); 0 in IPv6 without a
    /// fragment header.
    pub fragment_id: u32,
}

impl Network {
    pub(super) const NONE: Network = Network {
        version: Version::V4,
        l3: 0,
        l4: 0,
        end: 0,
        protocol: 0,
        later_fragment: false,
        first_fragment: false,
        fragment_id: 0,
    };
}

/// The addresses of a network layer. `None` if the bytes at hand end before them.
///
/// Not part of the walk, because counting VXLAN does not need them and a load is not free.
#[inline(always)]
pub fn addresses<L: Load + ?Sized>(packet: &L, network: &Network) -> Option<Addresses> {
    match network.version {
        Version::V4 => {
            let header = ipv4::Ipv4(packet.load(network.l3)?);
            Some(Addresses::v4(header.source(), header.destination()))
        }
        Version::V6 => {
            let source = packet.load(network.l3 + ipv6::SOURCE)?;
            Some(Addresses::v6(
                source,
                packet.load(network.l3 + ipv6::DESTINATION)?,
            ))
        }
    }
}
