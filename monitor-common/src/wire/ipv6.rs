//! IPv6 (RFC 8200, 3).

use crate::load::{be16, be32};

/// Protocol number of IPv6 inside IP (RFC 4213, 3.5).
pub const IN_IP: u8 = 41;
/// Length of the fixed header in bytes.
pub const LEN: usize = 40;

const VERSION: usize = 0;
const PAYLOAD_LENGTH: usize = 4;
const NEXT_HEADER: usize = 6;
/// Offset of the source address, 16 bytes.
pub const SOURCE: usize = 8;
/// Offset of the destination address, 16 bytes.
pub const DESTINATION: usize = 24;

/// A fixed IPv6 header.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6(pub [u8; LEN]);

impl Ipv6 {
    /// Version field; 6 in a valid header.
    #[inline(always)]
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.0[VERSION] >> 4
    }

    /// Length of what follows the fixed header, in bytes. Zero in a jumbogram (RFC 2675).
    #[inline(always)]
    #[must_use]
    pub const fn payload_len(&self) -> u16 {
        be16(&self.0, PAYLOAD_LENGTH)
    }

    /// Type of what follows: an extension header or the payload's protocol.
    #[inline(always)]
    #[must_use]
    pub const fn next_header(&self) -> u8 {
        self.0[NEXT_HEADER]
    }
}

/// Next-header value of the fragment header.
pub const FRAGMENT: u8 = 44;

/// Whether this next-header value is an extension header (RFC 8200, 4.1; RFC 7045, 4) that stands
/// before the payload's protocol. ESP and AH are not counted as such: the walk treats them as payload.
#[inline(always)]
#[must_use]
pub const fn is_extension(next_header: u8) -> bool {
    matches!(next_header, 0 | 43 | FRAGMENT | 60 | 135 | 139 | 140)
}

/// The first eight bytes of an extension header, which is never shorter.
#[derive(Clone, Copy, Debug)]
pub struct Extension(pub [u8; Extension::LEN]);

impl Extension {
    /// Length of the part that every extension header has, in bytes.
    pub const LEN: usize = 8;

    /// Type of what follows.
    #[inline(always)]
    #[must_use]
    pub const fn next_header(&self) -> u8 {
        self.0[0]
    }

    /// Length of the whole header in bytes, 8 to 2,048; the fragment header's own is always 8.
    #[inline(always)]
    #[must_use]
    pub const fn len(&self, is_fragment: bool) -> usize {
        if is_fragment {
            Extension::LEN
        } else {
            (self.0[1] as usize + 1) << 3
        }
    }

    /// Of a fragment header: whether this is a fragment other than the first (RFC 8200, 4.5).
    #[inline(always)]
    #[must_use]
    pub const fn is_later_fragment(&self) -> bool {
        u16::from_be_bytes([self.0[2], self.0[3]]) >> 3 != 0
    }

    /// Of a fragment header: whether this is the first of several fragments. (Offset 0 without the M flag is an
    /// atomic fragment, RFC 6946: a whole packet.)
    #[inline(always)]
    #[must_use]
    pub const fn is_first_fragment(&self) -> bool {
        u16::from_be_bytes([self.0[2], self.0[3]]) & 0xfff9 == 1
    }

    /// Of a fragment header: the identification, with the addresses the same in all fragments of one packet.
    #[inline(always)]
    #[must_use]
    pub const fn identification(&self) -> u32 {
        be32(&self.0, 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_rfc_8200_puts_them() {
        let mut bytes = [0u8; LEN];
        bytes[0] = 0x6f;
        bytes[4..6].copy_from_slice(&[1, 2]);
        bytes[6] = 58;
        bytes[8..24].fill(0xaa);
        bytes[24..40].fill(0xbb);
        let header = Ipv6(bytes);
        assert_eq!(header.version(), 6);
        assert_eq!(header.payload_len(), 0x0102);
        assert_eq!(header.next_header(), 58);
        assert_eq!(bytes[SOURCE..DESTINATION], [0xaa; 16]);
        assert_eq!(bytes[DESTINATION..LEN], [0xbb; 16]);
        assert!(is_extension(44) && !is_extension(50) && !is_extension(17));
        let hop_by_hop = Extension([58, 1, 5, 2, 0, 0, 1, 0]);
        assert_eq!((hop_by_hop.next_header(), hop_by_hop.len(false)), (58, 16));
        assert!(Extension([17, 0, 0, 8, 0, 0, 0, 0]).is_later_fragment());
        let first = Extension([17, 0, 0, 1, 1, 2, 3, 4]);
        assert!(first.is_first_fragment() && !first.is_later_fragment());
        assert_eq!(first.identification(), 0x0102_0304);
        assert!(!Extension([17, 0, 0, 9, 0, 0, 0, 0]).is_first_fragment());
        assert!(!Extension([17, 0, 0, 0, 0, 0, 0, 0]).is_first_fragment());
    }
}
