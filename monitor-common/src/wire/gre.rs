//! GRE (RFC 2784, with key and sequence number of RFC 2890).

use crate::link::Link;
use crate::load::be16;
use crate::wire::eth;

/// Protocol number of GRE.
pub const PROTOCOL: u8 = 47;
/// Length of the header without optional fields, in bytes.
pub const LEN: usize = 4;

/// Flags of the optional fields, four bytes each: checksum, key and sequence number.
const OPTIONAL: [u16; 3] = [0x8000, 0x2000, 0x1000];
/// Bits that must be 0: routing (RFC 2784, 2.3), and the version.
const ZERO: u16 = 0x4007;
/// Transparent Ethernet bridging (RFC 7637, 3.2).
const ETHERNET: u16 = 0x6558;

/// A GRE header.
#[derive(Clone, Copy, Debug)]
pub struct Gre(pub [u8; LEN]);

impl Gre {
    /// Length of the header with its optional fields; `None` for a version or a routing field that is not supported.
    #[must_use]
    pub fn header_len(&self) -> Option<usize> {
        let flags = be16(&self.0, 0);
        if flags & ZERO != 0 {
            return None;
        }
        let fields = OPTIONAL.iter().filter(|flag| flags & **flag != 0);
        Some(LEN + 4 * fields.count())
    }

    /// The first header of what is inside.
    #[must_use]
    pub const fn inner(&self) -> Link {
        match be16(&self.0, 2) {
            eth::IPV4 | eth::IPV6 => Link::Ip,
            ETHERNET => Link::Ethernet,
            _ => Link::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_length_of_its_fields() {
        let of = |flags: u16| {
            let [a, b] = flags.to_be_bytes();
            Gre([a, b, 8, 0]).header_len()
        };
        assert_eq!(
            (of(0), of(0x2000), of(0xb000)),
            (Some(4), Some(8), Some(16))
        );
        assert_eq!((of(1), of(0x4000)), (None, None));
        assert_eq!(Gre([0, 0, 0x65, 0x58]).inner(), Link::Ethernet);
        assert_eq!(Gre([0, 0, 0x86, 0xdd]).inner(), Link::Ip);
        assert_eq!(Gre([0, 0, 8, 6]).inner(), Link::Other);
    }
}
