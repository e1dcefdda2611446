//! Options of pcapng blocks (draft-ietf-opsawg-pcapng, 3.5): code, length, value, padded to four bytes.

/// Byte order of a section.
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

/// Code of the option that ends the list.
const END: u16 = 0;

/// The options of a block, up to the first that does not fit.
pub(super) struct Options<'a> {
    order: Order,
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    pub(super) fn new(order: Order, bytes: &'a [u8]) -> Options<'a> {
        Options { order, rest: bytes }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let code = self.order.u16(self.rest, 0)?;
        let length = usize::from(self.order.u16(self.rest, 2)?);
        if code == END {
            return None;
        }
        let value = self.rest.get(4..4 + length)?;
        // The last one may lack its padding.
        self.rest = self
            .rest
            .get(4 + length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some((code, value))
    }
}
