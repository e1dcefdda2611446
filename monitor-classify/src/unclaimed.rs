//! The verdict on a payload that no protocol claims.
//!
//! Text can be read whatever it says, and so can files and structures that
//! published software reads. Random bytes are ciphertext, compressed data or
//! keys; nothing distinguishes these, so they are unknown.

use crate::names::{Confidence, Exposure, Protocol};
use crate::payload::Payload;
use crate::protocol::inspect_tls_rest;
use crate::shape::randomness::{Look, look, repeats};
use crate::shape::{certificate, magic, strings, text};
use crate::usual_ports::rows_on_port;
use crate::verdict::Verdict;

/// Shortest text that is of the protocol of its port: once in two thousand times by chance.
const TEXT_ON_PORT_MIN: usize = 8;

/// Fewest bytes that can show a structure.
const STRUCTURE_MIN: usize = 48;

/// Fewest bytes of a body that can look random.
const BODY_MIN: usize = 32;

/// Bytes at each end that have to show it.
const STRUCTURE_MAX: usize = 128;

/// Classifies a payload that fits no protocol.
pub(crate) fn classify(p: &Payload<'_>) -> Verdict {
    let bytes = p.bytes;
    if let Some((kind, confidence)) = magic::kind(bytes) {
        return plaintext(Protocol::Unknown, confidence, kind);
    }
    if text::is_text(bytes) {
        let form = text::form(bytes);
        if bytes.len() >= TEXT_ON_PORT_MIN
            && let Some(protocol) = protocol_of_port(p)
        {
            return plaintext(protocol, Confidence::Likely, form);
        }
        if bytes.len() >= text::CERTAIN_MIN {
            return plaintext(Protocol::Unknown, Confidence::Certain, form);
        }
        return Verdict::unknown();
    }
    let look = look(bytes);
    let is_handshake = certificate::is_in(bytes);
    if let Some(records) = inspect_tls_rest(p)
        && (is_handshake || look != Look::Readable || records.exposure != Exposure::Encrypted)
    {
        return records.into_verdict(Protocol::Tls, Confidence::Likely);
    }
    if is_handshake {
        // The flow may be encrypted from its next packet on.
        return unknown("certificate");
    }
    if look == Look::Readable {
        return plaintext(Protocol::Unknown, Confidence::Likely, "text in binary");
    }
    let structure = if strings::are_certain(bytes) {
        Some("strings in binary")
    } else {
        is_structure(p).then_some("binary structure")
    };
    match structure {
        // Voice, file synchronisation and remote desktops put headers in the clear in front of ciphertext.
        Some(_) if has_random_body(bytes) => {
            return unknown("structured header, then high entropy");
        }
        Some(structure) => {
            return plaintext(Protocol::Unknown, Confidence::Likely, structure);
        }
        None => {}
    }
    match look {
        Look::Random => unknown("high entropy"),
        Look::Readable | Look::Unclear => Verdict::unknown(),
    }
}

/// The protocol of text whose usual port is in use; none if several share it.
fn protocol_of_port(p: &Payload<'_>) -> Option<Protocol> {
    let mut rows = rows_on_port(p).filter(|row| row.is_text() && row.takes(p.transport));
    let protocol = rows.next()?.protocol();
    rows.next().is_none().then_some(protocol)
}

fn plaintext(protocol: Protocol, confidence: Confidence, evidence: &'static str) -> Verdict {
    Verdict {
        protocol,
        exposure: Exposure::Plaintext,
        confidence,
        evidence: Some(evidence.into()),
        credentials: Vec::new(),
    }
}

fn unknown(evidence: &'static str) -> Verdict {
    Verdict {
        evidence: Some(evidence.into()),
        ..Verdict::unknown()
    }
}

/// Whether the second half cannot be distinguished from random bytes.
fn has_random_body(bytes: &[u8]) -> bool {
    let body = &bytes[bytes.len() / 2..];
    body.len() >= BODY_MIN && look(body) == Look::Random
}

/// Whether values repeat as they never do in ciphertext, both at the start and at the end. A
/// header in front of ciphertext repeats at the start alone, so it does not count; nor does a
/// header that is all that was captured.
fn is_structure(p: &Payload<'_>) -> bool {
    let bytes = p.bytes;
    // Short headers of zeros do not count either: requests for encryption consist of them
    // (MySQL, RDP).
    if bytes.len() < STRUCTURE_MIN || bytes.len() * 2 < p.wire_len as usize {
        return false;
    }
    let half = (bytes.len() / 2).min(STRUCTURE_MAX);
    repeats(&bytes[..half]) && repeats(&bytes[bytes.len() - half..])
}
