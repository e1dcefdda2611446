//! Remote Desktop: how it is set up over TPKT (RFC 1006) and X.224, and its log-in (MS-RDPBCGR).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::Reader;
use crate::payload::Payload;

pub(super) const PORTS: &[u16] = &[3389];

/// Flags of the security header (MS-RDPBCGR 2.2.8.1.1.2.1).
const ENCRYPTED: u16 = 0x0008;
const INFO: u16 = 0x0040;
const LICENCE: u16 = 0x0080;

/// Version 3, a reserved byte, 16 bits of length; then X.224. It negotiates TLS or the
/// protocol's own encryption, and proves neither.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    if reader.u16()? != 0x0300 {
        return None;
    }
    let length = reader.u16()?;
    if length < 7 {
        return None;
    }
    let is_filled = p.is_filled_by(u64::from(length));
    let (Some(indicator), Some(code)) = (reader.u8(), reader.u8()) else {
        return Some(Finding::undecided(Strength::Weak, "connection"));
    };
    match code {
        0xe0 | 0xd0 if u16::from(indicator) + 5 == length => {
            Some(connection(code, reader, is_filled))
        }
        0xf0 if indicator == 2 => {
            reader.u8();
            Some(domain(reader, length, is_filled))
        }
        _ => None,
    }
}

/// References, class; then a cookie, or the request for a protocol or its answer.
/// Without either it may be any other protocol over TPKT.
fn connection(code: u8, mut reader: Reader<'_>, is_filled: bool) -> Finding {
    reader.take(5);
    let is_own = reader.bytes().starts_with(b"Cookie: mstshash=")
        || reader.bytes().last_chunk().is_some_and(negotiates);
    let strength = if is_filled && is_own {
        Strength::Certain
    } else {
        Strength::Weak
    };
    let name = if code == 0xe0 {
        "connection request"
    } else {
        "connection confirm"
    };
    Finding::undecided(strength, name)
}

/// Request, response or failure; flags; a length of 8; protocols (MS-RDPBCGR 2.2.1.1.1).
fn negotiates(bytes: &[u8; 8]) -> bool {
    matches!(bytes, [1..=3, flags, 8, 0, _, 0, 0, 0] if flags & !0x1f == 0)
}

/// A message of T.125.
fn domain(mut reader: Reader<'_>, length: u16, is_filled: bool) -> Finding {
    let setup = |text: &'static str| {
        let strength = if is_filled {
            Strength::Likely
        } else {
            Strength::Weak
        };
        Finding::plaintext(strength, text)
    };
    let unclear = || Finding::undecided(Strength::Weak, "data");
    match (reader.u8(), length) {
        // Connect-Initial and its answer: names of the client, in the clear.
        (Some(0x7f), _) if matches!(reader.u8(), Some(0x65 | 0x66)) => {
            Finding::plaintext(Strength::Certain, "MCS connect")
        }
        (Some(0x04), 12) => setup("MCS domain"),
        (Some(0x28), 8) | (Some(0x2c..=0x2f), 11) => setup("MCS user"),
        (Some(0x38), 12) | (Some(0x3c..=0x3f), 15) => setup("MCS channel"),
        (Some(0x64 | 0x68), _) => data(reader, is_filled).unwrap_or_else(unclear),
        _ => unclear(),
    }
}

/// User, channel, priority, length; then what is encrypted or not.
fn data(mut reader: Reader<'_>, is_filled: bool) -> Option<Finding> {
    reader.take(5)?;
    let short = reader.u8()?;
    let length = if short & 0x80 == 0 {
        usize::from(short)
    } else {
        usize::from(u16::from_be_bytes([short & 0x7f, reader.u8()?]))
    };
    let body = reader.bytes();
    if !is_filled || body.len() > length {
        return None;
    }
    let (first, second) = (reader.u16_le()?, reader.u16_le()?);
    // A share control header: its own length, version 1 and a type.
    if usize::from(first) == length && matches!(second, 0x11 | 0x13 | 0x16 | 0x17 | 0x1a) {
        return Some(Finding::plaintext(Strength::Certain, "share control"));
    }
    match (first, second) {
        (flags, 0) if flags & ENCRYPTED == 0 && flags & INFO != 0 => Some(
            Finding::plaintext(Strength::Certain, "client info").with(CredentialKind::RdpLogin),
        ),
        (flags, 0) if flags & ENCRYPTED == 0 && flags & LICENCE != 0 => {
            Some(Finding::plaintext(Strength::Likely, "licence"))
        }
        _ => None,
    }
}
