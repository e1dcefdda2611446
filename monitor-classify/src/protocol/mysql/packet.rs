//! Packets, and the lengths in them.

use crate::finding::Strength;
use crate::names::Exposure;
use crate::parse::reader::Reader;
use crate::text::Evidence;

/// A packet: 3 bytes of length (little-endian), a sequence number, contents.
#[derive(Clone, Copy)]
pub(super) struct Packet<'a> {
    /// Length of the contents, in bytes.
    pub(super) length: usize,
    pub(super) sequence: u8,
    pub(super) body: Reader<'a>,
    pub(super) whole: bool,
}

impl<'a> Packet<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let length = reader.u24_le()? as usize;
        let sequence = reader.u8()?;
        let (body, whole) = reader.upto(length);
        Some(Self {
            length,
            sequence,
            body,
            whole,
        })
    }
}

/// How well a packet fits, and its evidence.
pub(super) struct Message {
    pub(super) strength: Strength,
    pub(super) exposure: Exposure,
    pub(super) evidence: Evidence,
    pub(super) password: bool,
}

impl Message {
    pub(super) fn new(strength: Strength, evidence: impl Into<Evidence>) -> Self {
        Self {
            strength,
            exposure: Exposure::Plaintext,
            evidence: evidence.into(),
            password: false,
        }
    }
}

/// An integer of one to nine bytes: how most lengths are written.
pub(super) fn length_encoded(reader: &mut Reader<'_>) -> Option<u64> {
    match reader.u8()? {
        value @ 0..=0xfa => Some(u64::from(value)),
        0xfc => reader.u16_le().map(u64::from),
        0xfd => reader.u24_le().map(u64::from),
        0xfe => reader.u64_le(),
        _ => None,
    }
}

/// Bytes behind such a length.
pub(super) fn string<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = length_encoded(reader)?;
    reader.take(usize::try_from(length).ok()?)
}
