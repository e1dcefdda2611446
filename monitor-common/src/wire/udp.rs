//! UDP (RFC 768).

use crate::load::be16;

/// IP protocol number of UDP.
pub const PROTOCOL: u8 = 17;
/// Length of the header in bytes.
pub const LEN: usize = 8;

const SOURCE: usize = 0;
const DESTINATION: usize = 2;
const LENGTH: usize = 4;

/// A UDP header.
#[derive(Clone, Copy, Debug)]
pub struct Udp(pub [u8; LEN]);

impl Udp {
    /// Source port.
    #[inline(always)]
    #[must_use]
    pub const fn source(&self) -> u16 {
        be16(&self.0, SOURCE)
    }

    /// Destination port.
    #[inline(always)]
    #[must_use]
    pub const fn destination(&self) -> u16 {
        be16(&self.0, DESTINATION)
    }

    /// Length of header and payload in bytes. Zero in a jumbogram (RFC 2675, 4).
    #[inline(always)]
    #[must_use]
    pub const fn length(&self) -> u16 {
        be16(&self.0, LENGTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_rfc_768_puts_them() {
        let header = Udp([0x12, 0x34, 0x12, 0xb5, 0, 50, 0, 0]);
        assert_eq!(header.source(), 0x1234);
        assert_eq!(header.destination(), 4789);
        assert_eq!(header.length(), 50);
    }
}
