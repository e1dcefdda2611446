//! IPv4 (RFC 791, 3.1).

use crate::load::{be16, be32};

/// Protocol number of IPv4 inside IP (RFC 2003, 3.1).
pub const IN_IP: u8 = 4;
/// Length of the header without options, in bytes.
pub const LEN: usize = 20;

const VERSION_IHL: usize = 0;
const TOTAL_LENGTH: usize = 2;
const IDENTIFICATION: usize = 4;
const PROTOCOL: usize = 9;
/// Offset of the source address, 4 bytes.
pub const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// Offset of flags and fragment offset, 16 bits.
pub const FRAGMENT_AT: usize = 6;
/// The first byte of a header without options: version 4, five words.
pub const PLAIN: u8 = 0x45;

const OFFSET_MASK: u16 = 0x1fff;
const MORE_FRAGMENTS: u16 = 0x2000;

/// Whether these 16 bits of flags and fragment offset are those of a fragment, the first one or a later one.
#[inline(always)]
#[must_use]
pub const fn is_fragment(bits: u16) -> bool {
    bits & (OFFSET_MASK | MORE_FRAGMENTS) != 0
}

/// An IPv4 header without its options.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4(pub [u8; LEN]);

impl Ipv4 {
    /// Version field; 4 in a valid header.
    #[inline(always)]
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.0[VERSION_IHL] >> 4
    }

    /// Header length in bytes, options included: 0 to 60, at least 20 in a valid header.
    #[inline(always)]
    #[must_use]
    pub const fn header_len(&self) -> usize {
        ((self.0[VERSION_IHL] & 0xf) as usize) << 2
    }

    /// Whether version and header length are those of a header without options (the usual one).
    #[inline(always)]
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.0[VERSION_IHL] == PLAIN
    }

    /// Length of header and payload in bytes. Zero in a super-packet of over 64 KiB (BIG TCP).
    #[inline(always)]
    #[must_use]
    pub const fn total_len(&self) -> u16 {
        be16(&self.0, TOTAL_LENGTH)
    }

    /// Whether this is a fragment other than the first.
    #[inline(always)]
    #[must_use]
    pub const fn is_later_fragment(&self) -> bool {
        be16(&self.0, FRAGMENT_AT) & OFFSET_MASK != 0
    }

    /// Whether this is the first one of several fragments.
    #[inline(always)]
    #[must_use]
    pub const fn is_first_fragment(&self) -> bool {
        be16(&self.0, FRAGMENT_AT) & (OFFSET_MASK | MORE_FRAGMENTS) == MORE_FRAGMENTS
    }

    /// Identification: with addresses and protocol the same in all fragments of one packet.
    #[inline(always)]
    #[must_use]
    pub const fn identification(&self) -> u16 {
        be16(&self.0, IDENTIFICATION)
    }

    /// Protocol of the payload (IANA protocol numbers).
    #[inline(always)]
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.0[PROTOCOL]
    }

    /// Source address (host byte order).
    #[inline(always)]
    #[must_use]
    pub const fn source(&self) -> u32 {
        be32(&self.0, SOURCE)
    }

    /// Destination address (host byte order).
    #[inline(always)]
    #[must_use]
    pub const fn destination(&self) -> u32 {
        be32(&self.0, DESTINATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_rfc_791_puts_them() {
        let header = Ipv4([
            0x46, 0, 0x01, 0x02, 3, 4, 0x20, 0x01, 64, 17, 0, 0, 192, 168, 1, 2, 10, 0, 0, 1,
        ]);
        assert_eq!(header.version(), 4);
        assert_eq!(header.header_len(), 24);
        assert!(!header.is_plain());
        assert_eq!(header.total_len(), 0x0102);
        assert!(!header.is_first_fragment() && header.is_later_fragment());
        assert_eq!(header.identification(), 0x0304);
        assert_eq!(header.protocol(), 17);
        assert_eq!(header.source(), 0xc0a8_0102);
        assert_eq!(header.destination(), 0x0a00_0001);
    }

    #[test]
    fn the_first_fragment_is_not_a_later_one_and_df_is_no_fragment() {
        let mut bytes = [0u8; LEN];
        bytes[FRAGMENT_AT] = 0x20;
        assert!(Ipv4(bytes).is_first_fragment() && !Ipv4(bytes).is_later_fragment());
        bytes[FRAGMENT_AT] = 0x40;
        assert!(!Ipv4(bytes).is_first_fragment() && !Ipv4(bytes).is_later_fragment());
    }
}
