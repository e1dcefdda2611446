//! Encapsulating Security Payload (RFC 4303, 2), on IP or in UDP (RFC 3948).

use crate::load::be32;

/// IP protocol number of ESP.
pub const PROTOCOL: u8 = 50;
/// Length of the clear part in front of the payload in bytes: SPI and sequence number.
pub const LEN: usize = 8;

/// UDP port of ESP and IKE behind NATs (RFC 3948, 2.1).
pub const UDP_PORT: u16 = 4500;
/// Length of a NAT keepalive in bytes: a single 0xff (RFC 3948, 2.3). No other message is as short.
pub const NAT_KEEPALIVE_LEN: usize = 1;

const SPI: usize = 0;
const SEQUENCE: usize = 4;

/// The clear part of an ESP packet.
#[derive(Clone, Copy, Debug)]
pub struct Esp(pub [u8; LEN]);

impl Esp {
    /// Security Parameters Index. 0 must not be on a wire; 1 to 255 are reserved (2.1).
    #[inline(always)]
    #[must_use]
    pub const fn spi(&self) -> u32 {
        be32(&self.0, SPI)
    }

    /// Sequence number; with ESN its low 32 bits (2.2).
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
    fn fields_stand_where_rfc_4303_puts_them() {
        let header = Esp([0x2a, 0xd4, 0x57, 0x7a, 0, 0, 1, 2]);
        assert_eq!(header.spi(), 0x2ad4_577a);
        assert_eq!(header.sequence(), 0x0102);
    }
}
