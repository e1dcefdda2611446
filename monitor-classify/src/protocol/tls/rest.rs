//! Records behind the rest of another: a segment in the middle of a stream seldom begins with a record.

use super::record::Record;
use super::{RECORDS_MAX, Records};
use crate::finding::{Finding, Strength};
use crate::payload::Payload;
use crate::payload::Transport;

/// Length of the head of a record.
const HEAD: usize = 5;

/// Bytes that are searched together.
const CHUNK: usize = 32;

/// Inspects records that begin anywhere in a segment and end with it, or are followed by others: among random bytes
/// less than one segment in ten million holds such a chain.
pub(crate) fn inspect_rest(p: &Payload<'_>) -> Option<Finding> {
    if p.transport != Transport::Tcp {
        return None;
    }
    let start = majors(p.bytes)
        .filter_map(|at| at.checked_sub(1))
        .find(|&at| at > 0 && is_chain(p, at))?;
    let mut rest = &p.bytes[start..];
    let mut records = Records::default();
    // The sender may have changed its keys before.
    while records.count < RECORDS_MAX {
        let Some(Some(record)) = Record::read(&mut rest) else {
            break;
        };
        records.add(&record)?;
    }
    records.strength = Some(Strength::Likely);
    records.finding()
}

/// Where the major version of a record may stand. Most chunks are passed over as a whole.
fn majors(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let chunks = bytes.chunks(CHUNK).enumerate();
    let held = chunks.filter(|(_, chunk)| chunk.iter().fold(false, |any, &byte| any | (byte == 3)));
    held.flat_map(|(number, chunk)| {
        let within = chunk.iter().enumerate().filter(|(_, byte)| **byte == 3);
        within.map(move |(at, _)| number * CHUNK + at)
    })
}

/// Whether a record can begin here.
fn is_head(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23, 3, 0..=3, _, _, ..])
}

/// Whether the record that begins here ends with the segment, or where another begins.
fn is_chain(p: &Payload<'_>, at: usize) -> bool {
    let bytes = &p.bytes[at..];
    if !is_head(bytes) {
        return false;
    }
    let (high, low) = (bytes[3], bytes[4]);
    let length = usize::from(u16::from_be_bytes([high, low]));
    let next = at + HEAD + length;
    let follows = || p.bytes.get(next..).is_some_and(is_head);
    length > 0 && (p.is_filled_by(next as u64) || follows())
}
