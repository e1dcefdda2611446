//! Elements of ASN.1's basic encoding rules (ITU-T X.690), which LDAP, SNMP and
//! Kerberos consist of.

use crate::parse::reader::Reader;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const SEQUENCE: u8 = 0x30;

/// Longest element that is believed, in bytes.
const LENGTH_MAX: usize = 1 << 26;

/// One element, as far as it was captured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    /// Class, form and number in one byte; numbers above 30 are not read.
    pub(crate) tag: u8,
    /// Bytes of tag and length.
    pub(crate) header: usize,
    /// Length of the contents on the wire, in bytes.
    pub(crate) length: usize,
    /// The contents, as far as they were captured.
    pub(crate) body: Reader<'a>,
    /// Whether all contents were captured.
    pub(crate) whole: bool,
}

impl<'a> Element<'a> {
    /// Takes one element. Nothing: the bytes end in its header, or are none.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let tag = reader.u8()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let first = usize::from(reader.u8()?);
        let (length, more) = match first {
            ..=0x7f => (first, 0),
            0x81..=0x84 => {
                let octets = reader.take(first & 0x7f)?;
                let length = octets
                    .iter()
                    .fold(0, |length, &octet| length << 8 | usize::from(octet));
                (length, octets.len())
            }
            _ => return None,
        };
        if length > LENGTH_MAX {
            return None;
        }
        let (body, whole) = reader.upto(length);
        Some(Self {
            tag,
            header: 2 + more,
            length,
            body,
            whole,
        })
    }

    /// The same, if it has this tag.
    pub(crate) fn expect(reader: &mut Reader<'a>, tag: u8) -> Option<Self> {
        Self::read(reader).filter(|element| element.tag == tag)
    }

    /// Bytes on the wire, header included.
    pub(crate) const fn size(&self) -> usize {
        self.header + self.length
    }

    /// The value of an integer of at most four bytes, not below zero.
    pub(crate) fn integer(&self) -> Option<u32> {
        let bytes = self.body.bytes();
        let fits = self.whole && (1..=5).contains(&bytes.len()) && bytes[0] < 0x80;
        let value = bytes
            .iter()
            .fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
        fits.then_some(value)
            .and_then(|value| u32::try_from(value).ok())
    }
}

/// An integer of at most four bytes, not below zero.
pub(crate) fn integer(reader: &mut Reader<'_>) -> Option<u32> {
    Element::expect(reader, INTEGER)?.integer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_lengths_are_read_and_cuts_are_detected() {
        let mut reader = Reader::new(b"\x02\x01\x05\x04\x82\x00\x03abc\x30\x05ab");
        assert_eq!(integer(&mut reader), Some(5));
        let text = Element::read(&mut reader).unwrap();
        assert_eq!((text.tag, text.size(), text.whole), (OCTET_STRING, 7, true));
        assert_eq!(text.body.bytes(), b"abc");
        let cut = Element::expect(&mut reader, SEQUENCE).unwrap();
        assert_eq!((cut.length, cut.whole), (5, false));
        assert!(Element::read(&mut reader).is_none());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bytes in [
            &b"\x30\x80"[..],
            b"\x30\x85\0\0\0\0\0",
            b"\x1f\x01\0",
            b"\x30\x84\xff\xff\xff\xff",
        ] {
            assert!(
                Element::read(&mut Reader::new(bytes)).is_none(),
                "{bytes:?}"
            );
        }
        assert_eq!(integer(&mut Reader::new(b"\x02\x01\xff")), None);
        assert_eq!(integer(&mut Reader::new(b"\x02\x02\x01")), None);
    }
}
