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

/// Length of pad length and next header, behind the padding, in bytes.
const TRAILER_LEN: u64 = 2;

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

/// What the size of an ESP packet depends on, besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct Transform {
    /// Bytes in front of the payload: SPI, sequence number, initialisation vector, and the UDP header if ESP is in UDP.
    pub header: u32,
    /// Payload, padding and trailer are a multiple of this: a power of two (2.4).
    pub block: u32,
    /// Bytes of the integrity check value.
    pub icv: u32,
}

impl Transform {
    /// The bytes that ESP adds to a payload, with the least padding.
    #[inline(always)]
    #[must_use]
    pub const fn added_to(&self, payload: u64) -> u64 {
        let mask = (self.block as u64).wrapping_sub(1);
        let end = payload + TRAILER_LEN;
        let padding = end.wrapping_neg() & mask;
        self.header as u64 + padding + TRAILER_LEN + self.icv as u64
    }

    /// The bytes that ESP adds to packets that are cut to `size` bytes of payload each, of which the last has the rest.
    /// `payload` is that of all; all three are so small that no product overflows.
    #[inline(always)]
    #[must_use]
    pub const fn added_to_all(&self, packets: u64, size: u64, payload: u64) -> u64 {
        let full = packets.saturating_sub(1);
        let last = payload.saturating_sub(full.wrapping_mul(size));
        full.wrapping_mul(self.added_to(size)) + self.added_to(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AES-GCM with an ICV of 8 bytes, as Docker has it (RFC 4106).
    const GCM: Transform = Transform {
        header: 8 + 8,
        block: 4,
        icv: 8,
    };
    /// AES-CBC (RFC 3602) with HMAC-SHA-256-128 (RFC 4868), in UDP.
    const CBC: Transform = Transform {
        header: 8 + 8 + 16,
        block: 16,
        icv: 16,
    };

    #[test]
    fn the_bytes_that_are_added_are_those_counted_by_hand() {
        // 122 bytes and the trailer make 124, which is a multiple of 4; in blocks of 16 it is 128.
        assert_eq!(GCM.added_to(122), 16 + 2 + 8);
        assert_eq!(CBC.added_to(122), 32 + 4 + 2 + 16);
        for (payload, padding) in [(0, 2), (1, 1), (2, 0), (3, 3), (1399, 3)] {
            assert_eq!(GCM.added_to(payload), 26 + padding, "{payload}");
        }
        for (payload, padding) in [(0, 14), (13, 1), (14, 0), (15, 15), (30, 0)] {
            assert_eq!(CBC.added_to(payload), 50 + padding, "{payload}");
        }
    }

    #[test]
    fn packets_that_are_cut_from_one_have_each_their_own() {
        assert_eq!(CBC.added_to_all(1, 0, 100), CBC.added_to(100));
        let sum = 3 * CBC.added_to(1008) + CBC.added_to(17);
        assert_eq!(CBC.added_to_all(4, 1008, 3 * 1008 + 17), sum);
        // Numbers that do not fit together.
        assert_eq!(CBC.added_to_all(0, 1008, 5), CBC.added_to(5));
        assert_eq!(
            GCM.added_to_all(2, 1008, 5),
            GCM.added_to(1008) + GCM.added_to(0)
        );
    }

    #[test]
    fn fields_stand_where_rfc_4303_puts_them() {
        let header = Esp([0x2a, 0xd4, 0x57, 0x7a, 0, 0, 1, 2]);
        assert_eq!(header.spi(), 0x2ad4_577a);
        assert_eq!(header.sequence(), 0x0102);
    }
}
