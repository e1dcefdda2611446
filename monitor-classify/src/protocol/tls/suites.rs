//! Cipher suites, by whether they encrypt (IANA TLS parameters registry).

/// What a cipher suite does to the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suite {
    /// It encrypts them, however well.
    Encrypts,
    /// It leaves them readable, with a checksum at most.
    Null,
    /// Not a suite: a signal, or grease (RFC 8701).
    Signal,
}

/// The first suite number whose mere choice says TLS 1.3, and the last one.
const TLS_1_3: std::ops::RangeInclusive<u16> = 0x1301..=0x1307;

/// Integrity-only suites of TLS 1.3 (RFC 9150).
const TLS_1_3_NULL: std::ops::RangeInclusive<u16> = 0xc0b4..=0xc0b5;

impl Suite {
    pub(super) const fn of(number: u16) -> Self {
        match number {
            0x0000..=0x0002 | 0x001c | 0x002c..=0x002e | 0x003b | 0x0082..=0x0083 => Self::Null,
            0x00b0..=0x00b1 | 0x00b4..=0x00b5 | 0x00b8..=0x00b9 => Self::Null,
            0xc001 | 0xc006 | 0xc00b | 0xc010 | 0xc015 | 0xc039..=0xc03b => Self::Null,
            0xc0b4..=0xc0b5 => Self::Null,
            // TLS_EMPTY_RENEGOTIATION_INFO_SCSV, TLS_FALLBACK_SCSV.
            0x00ff | 0x5600 => Self::Signal,
            _ if is_grease(number) => Self::Signal,
            _ => Self::Encrypts,
        }
    }
}

/// Whether this suite exists in TLS 1.3 only.
pub(super) fn is_tls_1_3(number: u16) -> bool {
    TLS_1_3.contains(&number) || TLS_1_3_NULL.contains(&number)
}

/// 0x0a0a, 0x1a1a, … 0xfafa.
pub(super) const fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_suites_and_signals_do_not_encrypt() {
        for number in [
            0x0000, 0x0001, 0x003b, 0x00b9, 0xc006, 0xc010, 0xc03b, 0xc0b4,
        ] {
            assert_eq!(Suite::of(number), Suite::Null, "{number:04x}");
        }
        for number in [0x00ff, 0x5600, 0x0a0a, 0xfafa] {
            assert_eq!(Suite::of(number), Suite::Signal, "{number:04x}");
        }
        for number in [0x1301, 0xc030, 0x009c, 0x0a1a] {
            assert_eq!(Suite::of(number), Suite::Encrypts, "{number:04x}");
        }
    }
}
