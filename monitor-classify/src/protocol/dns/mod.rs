//! DNS (RFC 1035), multicast DNS (RFC 6762) and LLMNR (RFC 4795), over UDP and TCP.
//!
//! Parsed here and not by a library: libraries refuse a message that is cut.

mod record;

use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::payload::Transport;
use crate::text::Evidence;
use record::{Question, kind_name};

pub(super) const PORTS: &[u16] = &[53];
pub(super) const MDNS_PORTS: &[u16] = &[5353];
pub(super) const LLMNR_PORTS: &[u16] = &[5355];

/// Bytes of the header.
const HEADER: usize = 12;

/// Longest name that is shown.
const NAME_MAX: usize = 80;

/// Longest message over UDP that is believed, in bytes.
const UDP_MAX: u32 = 16_384;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    if p.uses_port(MDNS_PORTS) || p.uses_port(LLMNR_PORTS) {
        return None;
    }
    message(p)
}

pub(super) fn inspect_mdns(p: &Payload<'_>) -> Option<Finding> {
    p.uses_port(MDNS_PORTS).then(|| message(p))?
}

pub(super) fn inspect_llmnr(p: &Payload<'_>) -> Option<Finding> {
    p.uses_port(LLMNR_PORTS).then(|| message(p))?
}

/// The counts and flags of a header.
#[derive(Clone, Copy)]
struct Header {
    is_response: bool,
    code: u16,
    questions: u16,
    answers: u16,
    others: u32,
}

fn message(p: &Payload<'_>) -> Option<Finding> {
    let mut bytes = p.bytes;
    let mut by_length = false;
    if p.transport == Transport::Tcp {
        // A length of 16 bits in front.
        let mut reader = Reader::new(bytes);
        let length = reader.u16()?;
        if usize::from(length) < HEADER {
            return None;
        }
        by_length = p.is_filled_by(u64::from(length) + 2);
        // Several answers of a pipeline or a transfer may follow each other.
        bytes = reader.bytes();
    } else if p.wire_len > UDP_MAX || (p.wire_len as usize) < HEADER {
        return None;
    }
    let weak = || Some(Finding::plaintext(Strength::Weak, "message"));
    let mut reader = Reader::new(bytes);
    let header = match header(&mut reader) {
        Ok(header) => header,
        Err(fits) => return fits.then(weak)?,
    };
    let message = bytes;
    if header.questions == 0 {
        return without_question(p, header, reader, message, by_length);
    }
    let question = match Question::read(&mut reader, message) {
        Ok(Some(question)) => question,
        Ok(None) => {
            let enough = bytes.len() >= HEADER + 6;
            let strength = if enough && by_length {
                Strength::Likely
            } else {
                Strength::Weak
            };
            return Some(Finding::plaintext(strength, "message"));
        }
        Err(()) => return None,
    };
    let mut text = describe(header, &question);
    if header.is_response {
        if header.code != 0 {
            text.word(" ").word(code_name(header.code));
        } else {
            text.word(" ").number(header.answers).word(" answers");
        }
    }
    // A query between others ends with its question, or with options.
    let ends =
        header.is_response || header.others + u32::from(header.answers) > 0 || reader.is_empty();
    let known = kind_name(question.kind).is_some();
    let strength = match (question.is_internet, known && ends) {
        (true, true) => Strength::Certain,
        (true, false) => Strength::Likely,
        (false, _) => Strength::Weak,
    };
    Some(Finding::plaintext(strength, text))
}

/// An announcement, or an answer without its question.
fn without_question(
    p: &Payload<'_>,
    header: Header,
    mut reader: Reader<'_>,
    message: &[u8],
    by_length: bool,
) -> Option<Finding> {
    if header.answers == 0 && header.others == 0 {
        // An error without a question.
        let bare = header.is_response && header.code != 0 && p.wire_len as usize == HEADER;
        return bare.then(|| Finding::plaintext(Strength::Weak, code_name(header.code)));
    }
    match Question::read(&mut reader, message) {
        Ok(Some(record)) => {
            let strength = if record.is_internet && kind_name(record.kind).is_some() {
                Strength::Likely
            } else {
                Strength::Weak
            };
            let strength = if strength == Strength::Likely
                && (by_length || p.transport == Transport::Udp)
                && !record.is_root()
            {
                Strength::Certain
            } else {
                strength
            };
            Some(Finding::plaintext(strength, describe(header, &record)))
        }
        Ok(None) => Some(Finding::plaintext(Strength::Weak, "message")),
        Err(()) => None,
    }
}

/// `A? example.org` or `A example.org`
fn describe(header: Header, question: &Question) -> Evidence {
    let mut evidence = Evidence::default();
    match kind_name(question.kind) {
        Some(kind) => evidence.word(kind),
        None => evidence.word("TYPE").number(question.kind),
    };
    evidence.word(if header.is_response { " " } else { "? " });
    if question.is_root() {
        evidence.word(".");
    } else {
        evidence.host(&question.name, NAME_MAX);
    }
    evidence
}

/// Identifier, flags, four counts. Err: cut, and whether it fits so far.
fn header(reader: &mut Reader<'_>) -> Result<Header, bool> {
    reader.u16().ok_or(false)?;
    let flags = reader.u16().ok_or(false)?;
    let is_response = flags & 0x8000 != 0;
    let operation = flags >> 11 & 0x0f;
    // Query, inverse query, status, notify, update, stateful; the reserved bit.
    if !matches!(operation, 0 | 1 | 2 | 4 | 5 | 6) || flags & 0x0040 != 0 {
        return Err(false);
    }
    // A query sets neither the result nor "authoritative" (but mDNS and LLMNR reuse those).
    if !is_response && flags & 0x000f != 0 {
        return Err(false);
    }
    if is_response && flags & 0x000f > 11 {
        return Err(false);
    }
    let mut count = || reader.u16().ok_or(true);
    let questions = count()?;
    let answers = count()?;
    let authorities = count()?;
    let additional = count()?;
    if questions > 32 || answers > 512 || authorities > 256 || additional > 256 {
        return Err(false);
    }
    Ok(Header {
        is_response,
        code: flags & 0x000f,
        questions,
        answers,
        others: u32::from(authorities) + u32::from(additional),
    })
}

const fn code_name(code: u16) -> &'static str {
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_on_a_port_of_a_variant_is_of_that_variant_only() {
        let query = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x04node\x05local\0\0\x01\0\x01";
        for (port, found) in [
            (53, [true, false, false]),
            (5353, [false, true, false]),
            (5355, [false, false, true]),
        ] {
            let payload = Payload {
                bytes: query,
                wire_len: 28,
                transport: Transport::Udp,
                src_port: 40_000,
                dst_port: port,
            };
            let is_found = [inspect, inspect_mdns, inspect_llmnr].map(|of| of(&payload).is_some());
            assert_eq!(is_found, found, "{port}");
        }
    }
}
