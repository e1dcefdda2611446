//! TCP (RFC 9293, 3.1): the fields that lead to the payload.

use crate::load::be16;

/// IP protocol number of TCP.
pub const PROTOCOL: u8 = 6;
/// Length of the header without options, in bytes.
pub const LEN: usize = 20;

const SOURCE: usize = 0;
const DESTINATION: usize = 2;
const DATA_OFFSET: usize = 12;
/// Offset of the byte with the length of the header.
pub const OFFSET_AT: usize = DATA_OFFSET;
const FLAGS: usize = 13;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Offset of the sequence number, four bytes; the acknowledgement number follows it.
pub const SEQUENCE_AT: usize = 4;
/// Offset of the flag byte: CWR ECE URG ACK PSH RST SYN FIN, from the high bit down.
pub const FLAGS_AT: usize = FLAGS;

/// Whether a segment with these flags opens a connection: SYN without ACK (3.5).
#[inline(always)]
#[must_use]
pub const fn opens(flags: u8) -> bool {
    flags & (SYN | ACK) == SYN
}

/// Header length in bytes, options included, by the byte at [`OFFSET_AT`]: 0 to 60, at least 20 in a valid header.
#[inline(always)]
#[must_use]
pub const fn header_len(offset: u8) -> usize {
    ((offset >> 4) as usize) << 2
}

/// A TCP header without its options.
#[derive(Clone, Copy, Debug)]
pub struct Tcp(pub [u8; LEN]);

impl Tcp {
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

    /// See [`header_len`].
    #[inline(always)]
    #[must_use]
    pub const fn header_len(&self) -> usize {
        header_len(self.0[DATA_OFFSET])
    }

    /// The flag byte: CWR ECE URG ACK PSH RST SYN FIN, from the high bit down.
    #[inline(always)]
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.0[FLAGS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_rfc_9293_puts_them() {
        let mut bytes = [0u8; LEN];
        bytes[..4].copy_from_slice(&[0x98, 0x80, 0x18, 0xeb]);
        bytes[12] = 0x80;
        bytes[13] = 0x18;
        let header = Tcp(bytes);
        assert_eq!(header.source(), 39040);
        assert_eq!(header.destination(), 6379);
        assert_eq!(header.header_len(), 32);
        assert_eq!(header.flags(), 0x18);
    }
}
