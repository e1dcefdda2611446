//! `OpenVPN` over UDP and TCP ("OpenVPN wire protocol", draft of its developers).

use crate::finding::{Finding, Strength};
use crate::parse::reader::{Reader, contains};
use crate::payload::Payload;
use crate::payload::Transport;
use crate::shape::randomness::{Look, look};

pub(super) const PORTS: &[u16] = &[1194];

/// Shortest packet that sets up a session: operation, session, no acknowledgement, number.
const RESET_MIN: u64 = 14;

/// Longest packet that does: with a wrapped key of `tls-crypt-v2`.
const RESET_MAX: u64 = 1400;

/// Operation and key, in TCP behind a length of 16 bits.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let mut length = u64::from(p.wire_len);
    if p.transport == Transport::Tcp {
        let stated = u64::from(reader.u16()?);
        // One packet at least, and others whole behind it.
        if stated < RESET_MIN || stated + 2 > length {
            return None;
        }
        length = stated;
    }
    let first = reader.u8()?;
    let key = first & 7;
    match first >> 3 {
        operation @ (7 | 8 | 10) if key == 0 => {
            let name = if operation == 8 {
                "reset by the server"
            } else {
                "reset by the client"
            };
            reset(reader, length, name)
        }
        4 => control(reader, length),
        5 => (18..200)
            .contains(&length)
            .then(|| Finding::undecided(Strength::Weak, "acknowledgement")),
        11 if key == 0 => Some(Finding::undecided(Strength::Weak, "control")),
        6 => data(reader, length, 0),
        // A number of the peer first.
        9 => data(reader, length, 3),
        _ => None,
    }
}

/// Session, maybe authentication, acknowledgements, number.
fn reset(mut reader: Reader<'_>, length: u64, name: &'static str) -> Option<Finding> {
    if !(RESET_MIN..=RESET_MAX).contains(&length) {
        return None;
    }
    let Some(session) = reader.u64() else {
        return Some(Finding::undecided(Strength::Weak, name));
    };
    if session == 0 {
        return None;
    }
    // Without authentication: nothing acknowledged, or the client's own packet 0.
    let bare = match reader.bytes() {
        [0, 0, 0, 0, 0, rest @ ..] => length == RESET_MIN && rest.is_empty(),
        [1, 0, 0, 0, 0, rest @ ..] => length == 26 && rest.len() <= 12,
        _ => false,
    };
    let strength = if bare || is_authenticated(reader, length) {
        Strength::Likely
    } else {
        Strength::Weak
    };
    Some(Finding::undecided(strength, name))
}

/// Whether a code of authentication follows, and behind it its number, the time, what is acknowledged, and the
/// number of the packet, which together fill it (`tls-auth`).
fn is_authenticated(reader: Reader<'_>, length: u64) -> bool {
    // MD5 or SHA-1 to SHA-512.
    [16, 20, 28, 32, 48, 64].into_iter().any(|code| {
        let mut reader = reader;
        let mut fits = || {
            reader.take(code)?;
            let (number, time, acknowledged) = (reader.u32()?, reader.u32()?, reader.u8()?);
            // The peer's session follows a list that is not empty.
            let list = match acknowledged {
                0 => 0,
                count => 4 * u64::from(count) + 8,
            };
            let filled = 1 + 8 + code as u64 + 4 + 4 + 1 + list + 4 == length;
            // Of this century.
            (filled && (1..=64).contains(&number) && time >= 0x3a4f_c880).then_some(())
        };
        fits().is_some()
    })
}

/// TLS in pieces, the first of which begins with a record.
fn control(reader: Reader<'_>, length: u64) -> Option<Finding> {
    if length < RESET_MIN {
        return None;
    }
    if let Some(record) = record(reader) {
        // A change of the cipher, or data, is followed by ciphertext unless the record is readable.
        let is_encrypted = matches!(record, [20 | 23, ..]) && look(record) != Look::Readable;
        return Some(if is_encrypted {
            Finding::encrypted(Strength::Certain, "control, TLS data")
        } else {
            Finding::undecided(Strength::Certain, "control, TLS handshake")
        });
    }
    let head = &reader.bytes()[..reader.bytes().len().min(80)];
    let holds_tls = contains(head, b"\x16\x03\x01") || contains(head, b"\x16\x03\x03");
    let strength = if holds_tls {
        Strength::Likely
    } else {
        Strength::Weak
    };
    Some(Finding::undecided(strength, "control"))
}

/// The record of TLS that is right behind the session, what is acknowledged, and the number of the packet, where
/// nothing is authenticated.
fn record(mut reader: Reader<'_>) -> Option<&[u8]> {
    reader.u64()?;
    let acknowledged = reader.u8().filter(|count| *count <= 8)?;
    for _ in 0..acknowledged {
        reader.u32().filter(|number| *number < 1 << 16)?;
    }
    if acknowledged > 0 {
        reader.u64()?;
    }
    reader.u32().filter(|number| *number < 1 << 16)?;
    matches!(reader.bytes(), [20..=23, 3, 0..=3, ..]).then_some(reader.bytes())
}

/// Ciphertext behind a number; a readable body is one without encryption.
fn data(mut reader: Reader<'_>, length: u64, before: usize) -> Option<Finding> {
    if length < 20 {
        return None;
    }
    reader.take(before);
    reader.take(4);
    match look(reader.bytes()) {
        Look::Random => Some(Finding::encrypted(Strength::Weak, "data")),
        Look::Readable => Some(Finding::plaintext(Strength::Weak, "data, not encrypted")),
        Look::Unclear => Some(Finding::undecided(Strength::Weak, "data")),
    }
}
