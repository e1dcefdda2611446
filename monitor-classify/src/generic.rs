//! What fits no protocol, judged by what it is.
//!
//! Text can be read whatever it says, and so can files and structures that
//! anybody has the program for. Random bytes are ciphertext, or compressed, or
//! keys: nobody can tell, so they are unknown.

use super::lines;
use super::magic;
use super::nested;
use super::payload::Payload;
use super::protocol::{Confidence, Exposure, Protocol};
use super::randomness::{Look, look, repeats};
use super::strings;
use super::table::CLASSIFIERS;
use super::tls;
use super::verdict::Verdict;

/// Text from so many bytes on is no chance: once in thirty million times.
const TEXT_MIN: usize = 18;

/// The same for text on the port of a protocol of text: once in two thousand times.
const TEXT_ON_PORT_MIN: usize = 8;

/// Bytes of a text that are looked at.
const TEXT_MAX: usize = 256;

/// Fewest bytes of which can be said that they have a structure.
const STRUCTURE_MIN: usize = 48;

/// Says what a payload is that no protocol claims.
pub(super) fn judge(p: &Payload<'_>) -> Verdict {
    let bytes = p.bytes;
    if let Some(verdict) = nested::judge(p) {
        return verdict;
    }
    if let Some((kind, confidence)) = magic::kind(bytes) {
        return plaintext(Protocol::Unknown, confidence, kind);
    }
    if is_text(bytes) {
        let form = form(bytes);
        if bytes.len() >= TEXT_ON_PORT_MIN
            && let Some(protocol) = at_home(p)
        {
            return plaintext(protocol, Confidence::Likely, form);
        }
        if bytes.len() >= TEXT_MIN {
            return plaintext(Protocol::Unknown, Confidence::Certain, form);
        }
        return Verdict::unknown();
    }
    let look = look(bytes);
    let is_handshake = holds_handshake(bytes);
    if let Some(records) = tls::inspect_rest(p)
        && (is_handshake || look != Look::Readable || records.exposure != Exposure::Encrypted)
    {
        return records.into_verdict(Protocol::Tls, Confidence::Likely);
    }
    if is_handshake {
        // Of a flow that may well be encrypted in a moment.
        return unknown("certificate");
    }
    if look == Look::Readable {
        return plaintext(Protocol::Unknown, Confidence::Likely, "text in binary");
    }
    if strings::are_certain(bytes) {
        return plaintext(Protocol::Unknown, Confidence::Likely, "strings in binary");
    }
    if is_structure(p) {
        return plaintext(Protocol::Unknown, Confidence::Likely, "binary structure");
    }
    match look {
        Look::Random => unknown("high entropy"),
        Look::Readable | Look::Unclear => Verdict::unknown(),
    }
}

/// The one protocol of text of which a usual port is in use.
fn at_home(p: &Payload<'_>) -> Option<Protocol> {
    let mut homes = CLASSIFIERS.iter().filter(|row| {
        row.is_text && row.transports.contains(&p.transport) && p.uses_port(row.ports)
    });
    let home = homes.next()?.protocol;
    homes.next().is_none().then_some(home)
}

fn plaintext(protocol: Protocol, confidence: Confidence, evidence: &str) -> Verdict {
    Verdict {
        protocol,
        exposure: Exposure::Plaintext,
        confidence,
        evidence: Some(evidence.to_owned()),
        credentials: Vec::new(),
    }
}

fn unknown(evidence: &str) -> Verdict {
    Verdict {
        evidence: Some(evidence.to_owned()),
        ..Verdict::unknown()
    }
}

/// Whether all of it can be printed. UTF-8 may be cut at both ends.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(TEXT_MAX)];
    let printed = |byte| matches!(byte, b' '..=b'~' | b'\t'..=b'\r' | 0x1b) | (byte >= 0x80);
    if !lines::all(bytes, printed) {
        return false;
    }
    if bytes.is_ascii() {
        return true;
    }
    let start = bytes
        .iter()
        .take(3)
        .take_while(|byte| (0x80..0xc0).contains(*byte))
        .count();
    // Half of what random bytes above ASCII are is no UTF-8 at all.
    match std::str::from_utf8(&bytes[start..]) {
        Ok(_) => bytes.len() >= TEXT_MIN,
        Err(error) => error.error_len().is_none() && bytes.len() >= TEXT_MIN,
    }
}

/// What a text looks like.
fn form(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    match text {
        [b'{', rest @ ..] if matches!(rest.trim_ascii_start().first(), Some(b'"' | b'}')) => "JSON",
        [b'[', rest @ ..]
            if matches!(rest.trim_ascii_start().first(), Some(b'{' | b'"' | b'[')) =>
        {
            "JSON"
        }
        [b'<', b'?', b'x', b'm', b'l', ..] => "XML",
        [b'<', b'!' | b'/' | b'a'..=b'z' | b'A'..=b'Z', ..] => "markup",
        [b'-', b'-', b'-', b'\n', ..] => "YAML",
        _ => "text",
    }
}

/// The DER of a certificate, or names of algorithms in it: handshakes of what
/// will be encrypted show these in the clear.
fn holds_handshake(bytes: &[u8]) -> bool {
    // Object identifiers: X.520 attributes and extensions (2.5.4, 2.5.29), RSA and
    // elliptic curves (1.2.840.113549, 1.2.840.10045), PKIX (1.3.6.1.5.5.7).
    const IDENTIFIERS: &[&[u8]] = &[
        &[6, 3, 0x55, 4],
        &[6, 3, 0x55, 0x1d],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d],
        &[0x2b, 6, 1, 5, 5, 7],
    ];
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        6 | 0x2a | 0x2b => IDENTIFIERS
            .iter()
            .any(|identifier| bytes[at..].starts_with(identifier)),
        &DNS_NAME => are_names(&bytes[at..]),
        _ => false,
    })
}

/// Tag of a name of DNS among those of a certificate (RFC 5280, 4.2.1.6).
const DNS_NAME: u8 = 0x82;

/// Whether a whole name and the tag of another begin here: a long list of names fills a segment without any
/// identifier in it.
fn are_names(bytes: &[u8]) -> bool {
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._*".contains(byte);
    let &[_, length @ 4..=0x7f, ref rest @ ..] = bytes else {
        return false;
    };
    rest.split_at_checked(usize::from(length))
        .is_some_and(|(text, next)| {
            next.first() == Some(&DNS_NAME) && text.contains(&b'.') && text.iter().all(name)
        })
}

/// Whether values repeat as ciphertext never does, at the start and at the end: a header
/// in the clear in front of ciphertext does not count, nor does one that is all that was
/// captured.
fn is_structure(p: &Payload<'_>) -> bool {
    let bytes = p.bytes;
    // Short headers of zeros do not count either: requests to encrypt what follows are
    // made of them (MySQL, RDP).
    if bytes.len() < STRUCTURE_MIN || bytes.len() * 2 < p.wire_len as usize {
        return false;
    }
    let half = (bytes.len() / 2).min(TEXT_MAX / 2);
    repeats(&bytes[..half]) && repeats(&bytes[bytes.len() - half..])
}
