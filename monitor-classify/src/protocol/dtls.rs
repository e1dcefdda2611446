//! DTLS 1.0 to 1.3 (RFC 4347, 6347, 9147): records over UDP.

use super::tls::{self, Hello};
use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::shape::randomness::{Look, look, starts_readable};
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[4433, 5246, 5247, 5684, 5349, 10000];

/// Explicit nonce in front of the ciphertext in version 1.2: a counter, and not random.
const NONCE: usize = 8;

/// Longest record.
const LENGTH_MAX: u16 = (1 << 14) + 2048;

/// CAPWAP's header in front of each record (RFC 5415, 4.2).
const CAPWAP: &[u8] = &[1, 0, 0, 0];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    match p.bytes.strip_prefix(CAPWAP) {
        Some(bytes) => record(&Payload {
            bytes,
            wire_len: p.wire_len.checked_sub(4)?,
            ..*p
        }),
        None => record(p),
    }
}

/// Type, version, epoch, number, length.
fn record(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let kind = reader.u8()?;
    let name = match kind {
        20 => "ChangeCipherSpec",
        21 => "alert",
        22 => "handshake",
        23 => "application data",
        25 => "data of a connection",
        _ => return None,
    };
    let version = match reader.u16()? {
        0xfeff => "DTLS 1.0",
        0xfefd => "DTLS 1.2/1.3",
        0x0100 => "DTLS 0.9",
        _ => return None,
    };
    let text = || Evidence::of(|e| e.word(version).word(" ").word(name));
    let weak = || Some(Finding::undecided(Strength::Weak, text()));
    let (Some(epoch), Some(_), Some(_)) = (reader.u16(), reader.u16(), reader.u32()) else {
        return weak();
    };
    let Some(length) = reader.u16() else {
        return weak();
    };
    if length == 0 || length > LENGTH_MAX || u32::from(length) + 13 > p.wire_len {
        return None;
    }
    let (body, _) = reader.upto(usize::from(length));
    if epoch > 0 {
        return Some(protected(text(), body.bytes(), kind));
    }
    match kind {
        22 => handshake(version, body),
        // Before the first keys there is no data; an alert has two bytes, a ChangeCipherSpec one.
        23 | 25 => None,
        20 if length != 1 => None,
        21 if length != 2 => None,
        _ => Some(Finding::undecided(Strength::Certain, text())),
    }
}

/// A record under the keys of an epoch. A suite without encryption leaves it readable.
fn protected(mut text: Evidence, body: &[u8], kind: u8) -> Finding {
    // A Finished in the clear: type, length, number, offset, length.
    let bare = kind == 22 && matches!(body, [20, 0, 0, 12 | 32 | 36, ..]);
    let random = |bytes: &[u8]| look(bytes) == Look::Random;
    match look(body) {
        Look::Readable => {
            text.word(", not encrypted");
            Finding::plaintext(Strength::Likely, text)
        }
        _ if bare => {
            text.word(", not encrypted");
            Finding::plaintext(Strength::Likely, text)
        }
        Look::Random => Finding::encrypted(Strength::Certain, text),
        Look::Unclear if body.len() > NONCE && !starts_readable(body) && random(&body[NONCE..]) => {
            Finding::encrypted(Strength::Certain, text)
        }
        Look::Unclear => Finding::undecided(Strength::Certain, text),
    }
}

/// Type, length, number, offset, length of the fragment; then as in TLS.
fn handshake(version: &'static str, mut body: Reader<'_>) -> Option<Finding> {
    let Some(kind) = body.u8() else {
        let text = Evidence::of(|e| e.word(version).word(" handshake"));
        return Some(Finding::undecided(Strength::Likely, text));
    };
    let name = match kind {
        3 => "HelloVerifyRequest",
        _ => tls::handshake_name(kind)?,
    };
    let finding = |strength| {
        let text = Evidence::of(|e| e.word(version).word(" ").word(name));
        Some(Finding::undecided(strength, text))
    };
    let (Some(length), Some(_), Some(offset), Some(fragment)) =
        (body.u24(), body.u16(), body.u24(), body.u24())
    else {
        return finding(Strength::Likely);
    };
    if offset.checked_add(fragment)? > length {
        return None;
    }
    if offset > 0 {
        return finding(Strength::Likely);
    }
    let hello: Option<Hello> = match kind {
        1 => tls::client_hello(body, true),
        2 => tls::server_hello(body, true),
        _ => return finding(Strength::Certain),
    };
    let hello = hello?;
    let text = hello.describe();
    Some(if hello.encrypts() {
        Finding::encrypted(hello.strength(), text)
    } else if hello.is_readable() {
        Finding::plaintext(hello.strength(), text)
    } else {
        Finding::undecided(hello.strength(), text)
    })
}
