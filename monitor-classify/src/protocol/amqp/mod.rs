//! AMQP 0-9-1 (`RabbitMQ`) and AMQP 1.0 (OASIS standard, ISO 19464).

mod method;
mod performative;

use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[5672];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    match p.bytes {
        [b'A', b'M', b'Q', b'P', rest @ ..] => header(rest),
        [0, ..] => performative::inspect(p),
        [1..=3 | 8, ..] => method::inspect(p),
        _ => None,
    }
}

/// The header that both sides start with: a protocol number and three of the version.
fn header(rest: &[u8]) -> Option<Finding> {
    let mut reader = Reader::new(rest);
    let protocol = match reader.u8() {
        None => return Some(Finding::undecided(Strength::Likely, "AMQP header")),
        Some(protocol @ 0..=3) => protocol,
        Some(_) => return None,
    };
    let version = match reader.take(3) {
        Some([0, 9, 1]) => "0-9-1",
        Some([1, 0, 0]) => "1.0",
        Some([0 | 8 | 9, ..]) => "0",
        Some(_) => return None,
        // Its next bytes can be TLS.
        None => return Some(Finding::undecided(Strength::Likely, "AMQP header")),
    };
    let name = match protocol {
        // Its next bytes are TLS (AMQP 1.0, part 5.2).
        2 => return Some(Finding::undecided(Strength::Certain, "AMQP header for TLS")),
        3 => " with SASL",
        _ => "",
    };
    Some(Finding::plaintext(
        Strength::Certain,
        Evidence::of(|e| e.word("AMQP ").word(version).word(" header").word(name)),
    ))
}
