//! Cassandra's native protocol, versions 3 to 5, also as `ScyllaDB` speaks it
//! (`native_protocol_v3.spec` to `native_protocol_v5.spec` of Cassandra).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_text};
use crate::parse::sql;
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[9042];

/// Longest envelope that a server accepts, in bytes.
const LENGTH_MAX: u32 = 256 << 20;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    match *p.bytes.first()? {
        3..=5 | 0x83..=0x85 => envelope(p.bytes, Some(p)).or_else(|| frame(p)),
        _ => frame(p),
    }
}

/// Version and direction, flags, stream, operation, length, body. `p` if it starts the payload.
fn envelope(bytes: &[u8], p: Option<&Payload<'_>>) -> Option<Finding> {
    let mut reader = Reader::new(bytes);
    let version = reader.u8()?;
    let flags = reader.u8()?;
    // Compressed, traced, custom payload, warned, beta.
    if flags & !0x1f != 0 {
        return None;
    }
    let stream = reader.u16()?;
    let operation = reader.u8()?;
    let name = operation_name(version >= 0x80, operation)?;
    let length = reader.u32()?;
    // The server's own streams are below zero: events, and only they.
    if length > LENGTH_MAX || (stream >= 0x8000) != (operation == 0x0c) {
        return None;
    }
    let ends = p.is_none_or(|p| p.is_filled_by(u64::from(length) + 9));
    let by_length = if ends {
        Strength::Likely
    } else {
        Strength::Weak
    };
    let (body, whole) = reader.upto(length as usize);
    let mut finding = Finding::plaintext(by_length, name);
    if flags & 1 == 0 {
        contents(&mut finding, operation, body, whole)?;
    }
    if flags & 1 == 0 && ends && whole && length > 0 {
        finding.strength = Strength::Certain;
    }
    Some(finding)
}

/// Adds evidence from the body. Nothing: it does not fit.
fn contents(finding: &mut Finding, operation: u8, mut body: Reader<'_>, whole: bool) -> Option<()> {
    match operation {
        // Maps of text.
        0x01 if !body.is_empty() => {
            let options = body.u16();
            let fits = options.is_none_or(|count| count < 64)
                && body
                    .string()
                    .is_none_or(|key| is_text(key) && !key.is_empty());
            if !fits {
                return None;
            }
            if body.is_empty() {
                return Some(());
            }
            finding.strength = Strength::Certain;
        }
        0x07 | 0x09 if body.bytes().len() >= 4 => {
            let length = body.u32()? as usize;
            let (text, all) = body.upto(length);
            if !text
                .bytes()
                .iter()
                .take(32)
                .all(|&byte| byte >= b' ' || byte.is_ascii_whitespace())
            {
                return None;
            }
            if let Some(statement) = sql::statement(text.bytes(), all) {
                let verb = if operation == 0x09 { "PREPARE " } else { "" };
                finding.evidence = Evidence::of(|e| e.word(verb).evidence(&statement.evidence));
                finding.strength = Strength::Certain;
                if statement.password {
                    finding.credentials.push(CredentialKind::CassandraAuth);
                }
            }
        }
        0x0f if !(whole && body.bytes() == [0xff; 4]) => {
            finding.credentials.push(CredentialKind::CassandraAuth);
        }
        // The class that checks passwords.
        0x03 => {
            if let Some(class) = body.string() {
                if !is_text(class) {
                    return None;
                }
                finding.strength = Strength::Certain;
            }
        }
        0x02 | 0x05 if !(whole && body.is_empty()) => return None,
        _ => {}
    }
    Some(())
}

/// Since version 5 envelopes travel in frames once the connection is set up:
/// 17 bits of length, a flag, and a checksum of both.
fn frame(p: &Payload<'_>) -> Option<Finding> {
    let header = p.bytes.get(..6)?;
    if header[2] > 3 {
        return None;
    }
    let checksum = u32::from_le_bytes([header[3], header[4], header[5], 0]);
    if crc24(&header[..3]) != checksum {
        return None;
    }
    let length = u64::from(header[0]) | u64::from(header[1]) << 8 | u64::from(header[2] & 1) << 16;
    let inner = envelope(&p.bytes[6..], None).filter(|_| matches!(p.bytes.get(6), Some(5 | 0x85)));
    let strength = if p.is_filled_by(length + 10) || inner.is_some() {
        Strength::Certain
    } else {
        Strength::Likely
    };
    let mut finding = inner.unwrap_or_else(|| Finding::plaintext(strength, "frame"));
    finding.strength = strength;
    Some(finding)
}

/// The checksum of a frame's header (`Crc.java`).
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc = 0x0087_5060_u32;
    for &byte in bytes {
        crc ^= u32::from(byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0197_4f0b;
            }
        }
    }
    crc & 0x00ff_ffff
}

const fn operation_name(is_response: bool, operation: u8) -> Option<&'static str> {
    Some(match (is_response, operation) {
        (true, 0x00) => "ERROR",
        (false, 0x01) => "STARTUP",
        (true, 0x02) => "READY",
        (true, 0x03) => "AUTHENTICATE",
        (false, 0x05) => "OPTIONS",
        (true, 0x06) => "SUPPORTED",
        (false, 0x07) => "QUERY",
        (true, 0x08) => "RESULT",
        (false, 0x09) => "PREPARE",
        (false, 0x0a) => "EXECUTE",
        (false, 0x0b) => "REGISTER",
        (true, 0x0c) => "EVENT",
        (false, 0x0d) => "BATCH",
        (true, 0x0e) => "AUTH_CHALLENGE",
        (false, 0x0f) => "AUTH_RESPONSE",
        (true, 0x10) => "AUTH_SUCCESS",
        _ => return None,
    })
}
