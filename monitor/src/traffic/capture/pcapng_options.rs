//! Options of pcapng blocks (draft-ietf-opsawg-pcapng, 3.5): code, length, value, padded to four bytes.

use super::byte_order::Order;

/// Code of the option that ends the list.
const END: u16 = 0;

/// Iterates over the options of a block as code and value, up to the first that exceeds it.
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
        // The last option may lack its padding.
        self.rest = self
            .rest
            .get(4 + length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some((code, value))
    }
}
