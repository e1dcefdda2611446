//! The first message of a connection, which has no type.

use crate::finding::{Finding, Strength};
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;
use crate::text::Evidence;

/// Longest startup packet that the server accepts (`MAX_STARTUP_PACKET_LENGTH`).
const LENGTH_MAX: u32 = 10_000;

/// Numbers in the place of a version that ask for something else.
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSSAPI: u32 = 80_877_104;

const NAME_MAX: usize = 32;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let length = reader.u32()?;
    let is_filled = p.is_filled_by(u64::from(length));
    if !(8..=LENGTH_MAX).contains(&length) {
        return None;
    }
    let strength = if is_filled {
        Strength::Certain
    } else {
        Strength::Likely
    };
    // Cancel requests of version 3.2 have longer keys.
    match reader.u32()? {
        TLS if length == 8 => Some(Finding::undecided(strength, "SSLRequest")),
        GSSAPI if length == 8 => Some(Finding::undecided(strength, "GSSENCRequest")),
        CANCEL if (16..=268).contains(&length) => {
            Some(Finding::plaintext(strength, "CancelRequest"))
        }
        0x0003_0000 | 0x0003_0002 => parameters(reader, strength),
        _ => None,
    }
}

/// Names and values up to an empty name.
fn parameters(mut reader: Reader<'_>, strength: Strength) -> Option<Finding> {
    let mut evidence = Evidence::from("StartupMessage");
    if reader
        .bytes()
        .first()
        .is_some_and(|byte| !byte.is_ascii_lowercase() && *byte != b'_')
    {
        return None;
    }
    while let Some(name) = reader.c_string() {
        let Some(value) = reader.c_string() else {
            break;
        };
        if (name == b"user" || name == b"database") && is_name(value) {
            if name == b"user" {
                evidence.word(" user=").user(value, true);
            } else {
                evidence.word(" database=").key(value, NAME_MAX);
            }
        }
    }
    Some(Finding::plaintext(strength, evidence))
}
