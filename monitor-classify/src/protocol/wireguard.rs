//! `WireGuard`: four messages of a fixed shape (its white paper, section 5.4).

use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::shape::randomness::{Look, look};

pub(super) const PORTS: &[u16] = &[51820, 51821, 51871];

/// Bytes of a transport message beside what it carries: header and tag.
const TRANSPORT: u32 = 32;

/// Highest counter that is believed; `REJECT_AFTER_MESSAGES` is nearly 2^64, but no key lives that long.
const COUNTER_MAX: u64 = 1 << 40;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let kind = reader.u32_le()?;
    match kind {
        1 if p.is_filled_by(148) => {
            reader.u32_le();
            Some(handshake(reader, "handshake initiation"))
        }
        2 if p.is_filled_by(92) => {
            reader.u64_le();
            Some(handshake(reader, "handshake response"))
        }
        3 if p.is_filled_by(64) => {
            reader.u32_le();
            Some(Finding::undecided(
                handshake(reader, "").strength,
                "cookie reply",
            ))
        }
        4 if p.wire_len >= TRANSPORT && p.wire_len.is_multiple_of(16) => {
            reader.u32_le();
            let Some(counter) = reader.u64_le() else {
                return Some(Finding::undecided(Strength::Weak, "data"));
            };
            if counter > COUNTER_MAX {
                return None;
            }
            let body = reader.bytes();
            match look(body) {
                Look::Random => {
                    let text = if p.wire_len == TRANSPORT {
                        "keep-alive"
                    } else {
                        "data"
                    };
                    Some(Finding::encrypted(Strength::Likely, text))
                }
                Look::Unclear if body.len() < 16 => {
                    Some(Finding::undecided(Strength::Weak, "data"))
                }
                Look::Unclear | Look::Readable => None,
            }
        }
        _ => None,
    }
}

/// An ephemeral key stands next: random, as far as it was captured.
fn handshake(reader: Reader<'_>, text: &'static str) -> Finding {
    match look(reader.bytes()) {
        Look::Random => Finding::encrypted(Strength::Certain, text),
        Look::Unclear | Look::Readable => Finding::undecided(Strength::Weak, text),
    }
}
