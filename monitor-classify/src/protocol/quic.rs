//! QUIC (RFC 9000, 9369), recognised by its version-independent properties (RFC 8999).

use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::shape::randomness::{Look, look};
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[443, 853, 8443];

/// Longest identifier of a connection in the known versions.
const IDENTIFIER_MAX: u8 = 20;

/// Shortest datagram with an Initial packet of a client (RFC 9000 section 14.1).
const INITIAL_MIN: u32 = 1200;

/// The first byte; the identifiers behind it have no fixed length.
const SHORT_HEADER: usize = 1;

/// Fewest bytes of a packet of data that allow a decision.
const SHORT_MIN: usize = 24;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let first = reader.u8()?;
    if first & 0x80 == 0 {
        return short(p, first);
    }
    let version = reader.u32()?;
    if version == 0 {
        return negotiation(p, reader);
    }
    let name = version_name(version)?;
    // The fixed bit (unless both sides grease it).
    if first & 0x40 == 0 {
        return None;
    }
    let kind = kind_name(version, first >> 4 & 3);
    let text = Evidence::of(|e| e.word("QUIC ").word(name).word(" ").word(kind));
    let weak = |text| Some(Finding::undecided(Strength::Likely, text));
    for _ in 0..2 {
        let Some(length) = reader.u8() else {
            return weak(text);
        };
        if length > IDENTIFIER_MAX {
            return None;
        }
        if reader.take(usize::from(length)).is_none() {
            return weak(text);
        }
    }
    if kind == "Retry" {
        // A token and a tag, and nothing encrypted.
        return Some(Finding::undecided(Strength::Certain, text));
    }
    if kind == "Initial" {
        let Some(length) = number(&mut reader) else {
            return weak(text);
        };
        let (_, whole) = reader.upto(usize::try_from(length).ok()?);
        if !whole {
            return if length < u64::from(p.wire_len) {
                weak(text)
            } else {
                None
            };
        }
    }
    let Some(length) = number(&mut reader) else {
        return weak(text);
    };
    // Packet number and a tag at least; others may follow in the datagram.
    let used = (p.bytes.len() - reader.bytes().len()) as u64;
    if length < 20 || used + length > u64::from(p.wire_len) {
        return None;
    }
    if p.wire_len < INITIAL_MIN && kind == "Initial" && p.is_filled_by(used + length) {
        // A server may send smaller ones, to acknowledge.
        return Some(Finding::encrypted(Strength::Likely, text));
    }
    Some(Finding::encrypted(Strength::Certain, text))
}

/// Identifiers and the versions that the server speaks.
fn negotiation(p: &Payload<'_>, mut reader: Reader<'_>) -> Option<Finding> {
    reader.short_string()?;
    reader.short_string()?;
    let known = reader.u32().and_then(version_name).is_some();
    let fits =
        known && reader.bytes().len().is_multiple_of(4) && p.bytes.len() == p.wire_len as usize;
    fits.then(|| Finding::undecided(Strength::Likely, "QUIC version negotiation"))
}

/// A packet of data: all but two of its bits are protected, and nothing in it proves that, so any ciphertext on a usual
/// port fits. In a flow whose long headers were seen, their verdict holds.
fn short(p: &Payload<'_>, first: u8) -> Option<Finding> {
    let fits = first & 0x40 != 0
        && p.uses_port(PORTS)
        && p.wire_len >= 21
        && p.bytes.len() >= SHORT_MIN
        && look(&p.bytes[SHORT_HEADER..]) == Look::Random;
    fits.then(|| Finding::undecided(Strength::Weak, "QUIC data, joined in the middle"))
}

/// A number whose first two bits give its length (RFC 9000 section 16).
fn number(reader: &mut Reader<'_>) -> Option<u64> {
    let first = reader.u8()?;
    let mut value = u64::from(first & 0x3f);
    for _ in 1..1_u8 << (first >> 6) {
        value = value << 8 | u64::from(reader.u8()?);
    }
    Some(value)
}

const fn version_name(version: u32) -> Option<&'static str> {
    Some(match version {
        1 => "v1",
        0x6b33_43cf => "v2",
        0xff00_0016..=0xff00_0022 | 0xff02_0000 => "draft",
        // Google's Q050, T050 and T051, and Facebook's: the standard's headers before there was one.
        0x5130_3530 | 0x5430_3530..=0x5430_3531 => "Google",
        0xface_b000..=0xface_b00f => "mvfst",
        // To keep servers tolerant; no connection speaks it.
        _ if version & 0x0f0f_0f0f == 0x0a0a_0a0a => "reserved",
        _ => return None,
    })
}

/// Version 2 numbers the types otherwise.
const fn kind_name(version: u32, kind: u8) -> &'static str {
    let kind = if version == 0x6b33_43cf {
        (kind + 3) % 4
    } else {
        kind
    };
    match kind {
        0 => "Initial",
        1 => "0-RTT",
        2 => "Handshake",
        _ => "Retry",
    }
}
