//! Geneve (RFC 8926, 3.4).

use crate::link::Link;
use crate::load::{be16, be32};
use crate::wire::eth;

/// Length of the header without options, in bytes.
pub const LEN: usize = 8;
/// The UDP destination port that IANA assigned (RFC 8926, 3.3).
pub const PORT: u16 = 6081;

const VERSION_OPTIONS: usize = 0;
const PROTOCOL: usize = 2;
const VNI: usize = 4;
/// EtherType of an Ethernet frame without its FCS ("Transparent Ethernet Bridging").
const ETHERNET: u16 = 0x6558;

/// A Geneve header without its options.
#[derive(Clone, Copy, Debug)]
pub struct Geneve(pub [u8; LEN]);

impl Geneve {
    /// Version; 0 is the only one, and packets with another must be dropped.
    #[inline(always)]
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.0[VERSION_OPTIONS] >> 6
    }

    /// Length of header and options in bytes, 8 to 260.
    #[inline(always)]
    #[must_use]
    pub const fn header_len(&self) -> usize {
        LEN + (((self.0[VERSION_OPTIONS] & 0x3f) as usize) << 2)
    }

    /// Virtual Network Identifier, 24 bits.
    #[inline(always)]
    #[must_use]
    pub const fn vni(&self) -> u32 {
        be32(&self.0, VNI) >> 8
    }

    /// The first header of what is inside.
    #[inline(always)]
    #[must_use]
    pub const fn inner(&self) -> Link {
        match be16(&self.0, PROTOCOL) {
            ETHERNET => Link::Ethernet,
            eth::IPV4 | eth::IPV6 => Link::Ip,
            _ => Link::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_rfc_8926_puts_them() {
        let header = Geneve([0x02, 0x40, 0x65, 0x58, 0x00, 0x10, 0x00, 0xff]);
        assert_eq!((header.version(), header.header_len()), (0, 16));
        assert_eq!((header.vni(), header.inner()), (4096, Link::Ethernet));
        assert_eq!(Geneve([0x40, 0, 8, 0, 0, 0, 0, 0]).version(), 1);
        assert_eq!(Geneve([0x3f, 0, 8, 0, 0, 0, 0, 0]).header_len(), 260);
        assert_eq!(Geneve([0, 0, 8, 0, 0, 0, 0, 0]).inner(), Link::Ip);
        assert_eq!(Geneve([0, 0, 0x86, 0xdd, 0, 0, 0, 0]).inner(), Link::Ip);
        assert_eq!(Geneve([0, 0, 0x88, 0x47, 0, 0, 0, 0]).inner(), Link::Other);
    }
}
