//! Google's QUIC from before the standard: versions Q0xx.
//!
//! Its handshake, messages of tags and values, is in the clear and holds the server's name, as in TLS;
//! what follows is encrypted in every version ("QUIC Crypto", "QUIC Wire Layout Specification").

use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::shape::randomness::{Look, look};
use crate::text::Evidence;

/// Where a message of the handshake can begin: behind the header, a hash and the head of a frame.
const MESSAGE_WITHIN: usize = 80;

/// Most entries of a message.
const ENTRIES_MAX: u16 = 128;

/// Entries of a message that are looked at.
const ENTRIES_SEEN: usize = 4;

/// Flags of the public header: a version is there, and an identifier of 8 bytes.
const VERSION: u8 = 0x01;
const IDENTIFIER: u8 = 0x08;

/// Bytes behind the header that are skipped: a number and a hash.
const NUMBER: usize = 6;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let flags = reader.u8()?;
    let version = if flags & 0x80 != 0 {
        long(&mut reader)
    } else {
        public(flags, &mut reader)
    };
    match (version, message(p.bytes)) {
        (Some(version), Some(name)) => Some(Finding::encrypted(
            Strength::Certain,
            Evidence::of(|e| version.name(e).word(" ").word(name)),
        )),
        (None, Some(name)) => Some(Finding::encrypted(
            Strength::Certain,
            Evidence::of(|e| e.word("QUIC ").word(name)),
        )),
        (Some(version), None) => {
            let text = Evidence::of(|e| version.name(e));
            let body = reader.bytes().get(NUMBER..).unwrap_or_default();
            Some(if look(body) == Look::Random {
                Finding::encrypted(Strength::Certain, text)
            } else {
                Finding::undecided(Strength::Weak, text)
            })
        }
        (None, None) => None,
    }
}

/// The last two digits of a version.
#[derive(Clone, Copy)]
struct Version(u8, u8);

impl Version {
    /// `QUIC Q043`
    fn name(self, evidence: &mut Evidence) -> &mut Evidence {
        evidence.word("QUIC Q0").number(self.0).number(self.1)
    }
}

/// Versions up to Q043: the flags announce the fields.
fn public(flags: u8, reader: &mut Reader<'_>) -> Option<Version> {
    // Neither a reset nor a flag that no version has.
    if flags & 0xc2 != 0 || flags & VERSION == 0 {
        return None;
    }
    if flags & IDENTIFIER != 0 {
        reader.take(8)?;
    }
    version(reader)
}

/// Versions Q044 to Q046: a version, and the lengths of two identifiers in a byte.
fn long(reader: &mut Reader<'_>) -> Option<Version> {
    let version = version(reader)?;
    let mut length = 0;
    let lengths = reader.u8()?;
    for half in [lengths >> 4, lengths & 0x0f] {
        length += match half {
            0 => 0,
            // Three less than they are.
            5 => 8,
            _ => return None,
        };
    }
    reader.take(length)?;
    Some(version)
}

/// `Q043`
fn version(reader: &mut Reader<'_>) -> Option<Version> {
    match reader.take(4)? {
        &[b'Q', b'0', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(Version(tens - b'0', ones - b'0'))
        }
        _ => None,
    }
}

/// A message of the handshake: a tag, a count, and for each entry a tag and where its value ends.
fn message(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(MESSAGE_WITHIN)];
    head.windows(4).enumerate().find_map(|(at, tag)| {
        let name = match tag {
            b"CHLO" => "CHLO",
            b"SHLO" => "SHLO",
            b"REJ\0" => "REJ",
            _ => return None,
        };
        entries(Reader::new(&bytes[at + 4..]))?;
        Some(name)
    })
}

/// Whether entries of a message follow: their ends never go back.
fn entries(mut reader: Reader<'_>) -> Option<()> {
    let count = reader.u16_le()?;
    if count == 0 || count > ENTRIES_MAX || reader.u16_le()? != 0 {
        return None;
    }
    let mut before = 0;
    for _ in 0..ENTRIES_SEEN.min(usize::from(count)) {
        let tag = reader.take(4)?;
        let is_tag = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == 0;
        let end = reader.u32_le()?;
        if !tag.iter().all(is_tag) || end < before || end > 1 << 16 {
            return None;
        }
        before = end;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_of_the_handshake_is_named() {
        for tag in ["CHLO", "SHLO", "REJ\0"] {
            let entry = b"\x01\0\0\0SNI\0\x05\0\0\0";
            let bytes = [&[0; 12][..], tag.as_bytes(), entry].concat();
            assert_eq!(message(&bytes), Some(tag.trim_end_matches('\0')));
            assert_eq!(message(&bytes[..14]), None);
        }
    }
}
