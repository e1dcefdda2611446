//! Authentication Header (RFC 4302, 2). It authenticates a packet and encrypts nothing of it.

use crate::load::be32;

/// IP protocol number of AH.
pub const PROTOCOL: u8 = 51;
/// Length of the header before the integrity check value, in bytes.
pub const LEN: usize = 12;

const NEXT_HEADER: usize = 0;
const PAYLOAD_LEN: usize = 1;
const SPI: usize = 4;
const SEQUENCE: usize = 8;

/// The fixed part of an authentication header.
#[derive(Clone, Copy, Debug)]
pub struct Ah(pub [u8; LEN]);

impl Ah {
    /// Protocol of what follows, which is in the clear.
    #[inline(always)]
    #[must_use]
    pub const fn next_header(&self) -> u8 {
        self.0[NEXT_HEADER]
    }

    /// Length of the whole header in bytes: 8 to 1,028, at least 12 in a valid one (2.2).
    #[inline(always)]
    #[must_use]
    pub const fn header_len(&self) -> usize {
        (self.0[PAYLOAD_LEN] as usize + 2) << 2
    }

    /// Security Parameters Index.
    #[inline(always)]
    #[must_use]
    pub const fn spi(&self) -> u32 {
        be32(&self.0, SPI)
    }

    /// Sequence number; with ESN its low 32 bits.
    #[inline(always)]
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        be32(&self.0, SEQUENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_rfc_4302_puts_them() {
        let header = Ah([17, 4, 0, 0, 0, 0, 1, 2, 0, 0, 0, 9]);
        assert_eq!((header.next_header(), header.header_len()), (17, 24));
        assert_eq!((header.spi(), header.sequence()), (0x0102, 9));
    }
}
