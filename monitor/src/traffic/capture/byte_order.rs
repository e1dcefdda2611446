//! Byte order of the fields of a capture file, and bounded reads in it.

/// The byte order of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// 16 bits at `at`; `None` beyond the end.
    #[inline]
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let field = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u16::from_le_bytes(*field),
            Order::Big => u16::from_be_bytes(*field),
        })
    }

    /// 32 bits at `at`; `None` beyond the end.
    #[inline]
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let field = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u32::from_le_bytes(*field),
            Order::Big => u32::from_be_bytes(*field),
        })
    }

    /// 64 bits at `at`; `None` beyond the end.
    pub(super) fn i64(self, bytes: &[u8], at: usize) -> Option<i64> {
        let field = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => i64::from_le_bytes(*field),
            Order::Big => i64::from_be_bytes(*field),
        })
    }
}
