//! Fields of a binary message that may end anywhere.

/// Reads forward; every method returns nothing once the bytes end. Numbers are
/// big-endian unless the name of the method says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        self.array()
            .map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u16_le(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u24_le(&mut self) -> Option<u32> {
        self.array()
            .map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    pub(crate) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64_le(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes up to a zero byte, which is taken too.
    pub(crate) fn c_string(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    /// Bytes behind a length of 8 bits.
    pub(crate) fn short_string(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// Bytes behind a length of 16 bits.
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// The next `length` bytes as far as they are there, and whether all are.
    pub(crate) fn upto(&mut self, length: usize) -> (Self, bool) {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        (Self(taken), taken.len() == length)
    }

    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Whether `needle` occurs in `bytes`.
pub(crate) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

/// Whether bytes can be a name: not empty, and no control byte in them.
pub(crate) fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && is_text(bytes)
}

/// Whether bytes hold no control byte and are UTF-8, if maybe cut.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let ascii = bytes.iter().all(|&byte| (b' '..0x7f).contains(&byte));
    ascii
        || (bytes.iter().all(|&byte| byte >= b' ' && byte != 0x7f)
            && match std::str::from_utf8(bytes) {
                Ok(_) => true,
                Err(error) => error.error_len().is_none(),
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_their_order_and_nothing_past_the_end() {
        let mut reader = Reader::new(b"\x01\x02\x03\x04\x05\x06name\0\x02ab\0\x01c");
        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.u16_le(), Some(0x0302));
        assert_eq!(reader.u24(), Some(0x04_05_06));
        assert_eq!(reader.c_string(), Some(&b"name"[..]));
        assert_eq!(reader.short_string(), Some(&b"ab"[..]));
        assert_eq!(reader.string(), Some(&b"c"[..]));
        assert_eq!(
            (reader.u8(), reader.u64(), reader.c_string()),
            (None, None, None)
        );
    }

    #[test]
    fn names_have_no_control_bytes() {
        assert!(is_name(b"shop") && is_name("Zürich".as_bytes()));
        // Cut in the middle of a letter.
        assert!(is_name(&"Zü".as_bytes()[..2]));
        assert!(!is_name(b"") && !is_name(b"a\n") && !is_name(b"\xff\xfe"));
    }
}
