//! Ethernet II (IEEE 802.3, 3.2) and VLAN tags (IEEE 802.1Q, 9.6).

use crate::load::be16;

/// Length of the Ethernet header in bytes: two addresses and the type.
pub const LEN: usize = 14;
/// Length of a VLAN tag with the type that follows it, in bytes.
pub const TAG_LEN: usize = 4;

const TYPE: usize = 12;
const TAG_TYPE: usize = 2;

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// EtherType of ARP (RFC 826).
pub const ARP: u16 = 0x0806;
/// EtherType of NSH (RFC 8300, 11.1).
pub const NSH: u16 = 0x894f;
/// EtherType of an 802.1Q tag.
pub const VLAN: u16 = 0x8100;
/// EtherType of an 802.1ad service tag.
pub const VLAN_SERVICE: u16 = 0x88a8;

/// EtherType of an MPLS label (RFC 5332, 3).
pub const MPLS: u16 = 0x8847;
/// EtherType of an MPLS label that was assigned upstream (RFC 5332, 3).
pub const MPLS_UPSTREAM: u16 = 0x8848;
/// EtherType of a PPPoE session (RFC 2516, 3).
pub const PPPOE_SESSION: u16 = 0x8864;

/// An Ethernet header.
#[derive(Clone, Copy, Debug)]
pub struct Ethernet(pub [u8; LEN]);

impl Ethernet {
    /// Type of what follows (host byte order).
    #[inline(always)]
    #[must_use]
    pub const fn ethertype(&self) -> u16 {
        be16(&self.0, TYPE)
    }
}

/// A VLAN tag after its own ethertype: TCI, then the type of what follows.
#[derive(Clone, Copy, Debug)]
pub struct Tag(pub [u8; TAG_LEN]);

impl Tag {
    /// Type of what follows the tag (host byte order).
    #[inline(always)]
    #[must_use]
    pub const fn ethertype(&self) -> u16 {
        be16(&self.0, TAG_TYPE)
    }
}

/// Whether a VLAN tag follows this type.
#[inline(always)]
#[must_use]
pub const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, VLAN | VLAN_SERVICE)
}
