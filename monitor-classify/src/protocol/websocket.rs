//! Frames of a WebSocket (RFC 6455). A client masks its frames with a key that
//! stands in front of them: that hides nothing.

use crate::finding::{Finding, Strength};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[80, 3000, 8000, 8008, 8080, 8888];

/// Unmasked bytes of a text that have to be readable.
const TEXT_MIN: usize = 8;

/// Bytes of a text that are looked at.
const TEXT_MAX: usize = 64;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Reserved bit 1: compressed (RFC 7692).
const COMPRESSED: u8 = 0x40;

/// The frame at the start of a payload.
struct Frame<'a> {
    first: u8,
    /// Key of a client's frame.
    key: Option<[u8; 4]>,
    body: &'a [u8],
    /// Length of header and body.
    length: u64,
}

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let frame = Frame::read(p.bytes)?;
    let opcode = frame.first & 0xf;
    let is_final = frame.first & 0x80 != 0;
    let length = frame.length;
    // Most frames are a packet of their own, and then the length is right.
    let fits = length == u64::from(p.wire_len);
    let name = match opcode {
        TEXT => "text",
        BINARY => "binary",
        CONTINUATION => "continuation",
        CLOSE => "close",
        PING => "ping",
        PONG => "pong",
        _ => return None,
    };
    // Only control frames may be empty.
    if frame.body.is_empty() && opcode < CLOSE {
        return None;
    }
    let is_compressed = frame.first & COMPRESSED != 0;
    if frame.first & 0x30 != 0 || (is_compressed && opcode != TEXT && opcode != BINARY) {
        return None;
    }
    let strength = match opcode {
        CLOSE | PING | PONG => {
            // Control frames are short and in one piece.
            let is_short = is_final && frame.body.len() <= 125;
            if !is_short || !fits {
                return None;
            }
            Strength::Weak
        }
        TEXT if !is_compressed && frame.is_text() => {
            if fits {
                Strength::Certain
            } else {
                Strength::Likely
            }
        }
        TEXT if !is_compressed && !frame.may_be_text() => return None,
        _ if fits => Strength::Weak,
        _ => return None,
    };
    Some(Finding::plaintext(
        strength,
        Evidence::of(|e| e.word(name).word(" frame")),
    ))
}

impl<'a> Frame<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
        let (length, rest) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                let length = u64::from(u16::from_be_bytes(*length));
                // The shortest form is a must (section 5.2).
                (length > 125).then_some((length, rest))?
            }
            127 => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                let length = u64::from_be_bytes(*length);
                (0x1_0000..1 << 40)
                    .contains(&length)
                    .then_some((length, rest))?
            }
            length => (u64::from(length), rest),
        };
        let (key, body) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            let (key, body) = rest.split_first_chunk::<4>()?;
            (Some(*key), body)
        };
        let header = (bytes.len() - body.len()) as u64;
        let held = usize::try_from(length).map_or(body.len(), |length| length.min(body.len()));
        Some(Self {
            first,
            key,
            body: &body[..held],
            length: header + length,
        })
    }

    fn unmasked(&self) -> impl Iterator<Item = u8> {
        let key = self.key.unwrap_or_default();
        self.body
            .iter()
            .take(TEXT_MAX)
            .enumerate()
            .map(move |(at, byte)| byte ^ key[at % 4])
    }

    /// Whether nothing in it cannot stand in UTF-8 text.
    fn may_be_text(&self) -> bool {
        self.unmasked()
            .all(|byte| byte >= b' ' && byte != 0x7f || matches!(byte, b'\t' | b'\r' | b'\n'))
    }

    /// Whether it is text beyond doubt.
    fn is_text(&self) -> bool {
        let long = self.body.len() >= TEXT_MIN;
        long && self.may_be_text()
            && self.unmasked().filter(u8::is_ascii).count() * 4 >= self.body.len().min(TEXT_MAX) * 3
    }
}
