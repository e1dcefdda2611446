//! Big-endian fields of a message that may end anywhere.

/// Reads forward; every method answers nothing once the bytes end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u24(&mut self) -> Option<u32> {
        self.take(3)
            .map(|bytes| u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]))
    }

    /// The next `length` bytes as far as they are there, and whether all are.
    pub(super) fn upto(&mut self, length: usize) -> (Self, bool) {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        (Self(taken), taken.len() == length)
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.0
    }
}
