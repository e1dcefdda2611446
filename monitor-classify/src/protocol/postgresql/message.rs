//! Messages with a type.

use crate::finding::Strength;
use crate::parse::reader::Reader;
use crate::text::Evidence;

/// Longest message that is believed, in bytes: what the server accepts.
const LENGTH_MAX: u32 = 1 << 30;

/// How well a message fits, and its evidence.
pub(super) struct Message {
    /// How sure it is, beside type and length.
    pub(super) strength: Strength,
    pub(super) evidence: Evidence,
    pub(super) password: bool,
}

impl Message {
    pub(super) fn new(strength: Strength, evidence: impl Into<Evidence>) -> Self {
        Self {
            strength,
            evidence: evidence.into(),
            password: false,
        }
    }
}

/// A message with a type: type, length without the type, contents.
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    /// Length of the contents, in bytes.
    pub(super) length: usize,
    pub(super) body: Reader<'a>,
    pub(super) whole: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let kind = reader.u8()?;
        let length = reader.u32()?;
        if !(4..=LENGTH_MAX).contains(&length) {
            return None;
        }
        let length = length as usize - 4;
        let (body, whole) = reader.upto(length);
        Some(Self {
            kind,
            length,
            body,
            whole,
        })
    }
}
