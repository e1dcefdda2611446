//! Redis: RESP 2 and 3 and inline commands, requests and replies; also Valkey,
//! KeyDB, Dragonfly and Sentinel.
//!
//! All captured bytes have to fit. A message is readable from its first byte
//! only: a packet from the middle of a long value fits nothing.

mod command;
mod command_table;
mod inline;
mod lookup;
mod message;
mod resp;

use crate::finding::{Finding, Strength};
use crate::names::Exposure;
use crate::payload::Payload;
use crate::text::Evidence;
use message::Message;
use resp::{Reader, Stop};

/// Redis and Sentinel.
pub(super) const PORTS: &[u16] = &[6379, 26379];

/// Signs of RESP (a number or length that fits, a value as long as announced)
/// that make it likely, and certain.
const LIKELY_SIGNS: u32 = 2;
const CERTAIN_SIGNS: u32 = 3;

/// Messages of a pipeline that are looked at.
const MESSAGES_MAX: usize = 5;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    if !matches!(p.bytes.first()?, b'*'..=b'-' | b':' | b'$'..=b'%' | b'!' | b'#' | b'(' | b'=' | b'>' | b'_' | b'|' | b'~')
        && !inline::may_start(p.bytes)
    {
        return None;
    }
    // A reply can look like a command (a list with `GET` in it). Only the ports
    // show which side has sent it.
    let is_server = PORTS.contains(&p.src_port) && !PORTS.contains(&p.dst_port);
    let mut reader = Reader::new(p.bytes);
    let mut seen = Seen::default();
    while seen.messages < MESSAGES_MAX && !reader.rest().is_empty() {
        let message = match read(&mut reader, is_server, seen.messages == 0) {
            Ok(message) => message,
            Err(Stop::Truncated) => break,
            Err(Stop::Invalid) => return None,
        };
        let cut = message.cut;
        seen.add(message);
        if cut {
            break;
        }
    }
    seen.finding()
}

/// Reads one message, RESP or inline; `describe` is whether its evidence is wanted.
fn read(reader: &mut Reader<'_>, is_server: bool, describe: bool) -> Result<Message, Stop> {
    match reader.rest().first() {
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'\r' | b'\n') if !is_server => {
            inline::read(reader, describe)
        }
        _ => Message::read(reader, is_server, describe),
    }
}

/// What the messages of a payload add up to.
#[derive(Default)]
struct Seen {
    messages: usize,
    first: Option<Evidence>,
    signs: u32,
    /// A sign that other protocols share (`+OK`) was counted.
    shared_sign: bool,
    /// Something that only Redis writes was among them.
    own: bool,
    strength: Option<Strength>,
    credential: bool,
}

impl Seen {
    fn add(&mut self, message: Message) {
        if !(message.shared && std::mem::replace(&mut self.shared_sign, true)) {
            self.signs += message.signs;
        }
        self.own |= !message.shared;
        self.strength = self.strength.max(message.strength);
        self.credential |= message.credential;
        self.messages += 1;
        self.first.get_or_insert(message.evidence);
    }

    fn finding(self) -> Option<Finding> {
        let mut evidence = self.first?;
        if self.messages > 1 {
            evidence
                .word(" (+")
                .number(self.messages as u64 - 1)
                .word(")");
        }
        let by_signs = match self.signs {
            0..LIKELY_SIGNS => Strength::Weak,
            LIKELY_SIGNS..CERTAIN_SIGNS => Strength::Likely,
            _ if self.own => Strength::Certain,
            _ => Strength::Likely,
        };
        let credentials = if self.credential {
            vec![crate::names::CredentialKind::RedisAuth]
        } else {
            Vec::new()
        };
        Some(Finding {
            strength: self
                .strength
                .map_or(by_signs, |strength| strength.max(by_signs)),
            exposure: Exposure::Plaintext,
            evidence,
            credentials,
        })
    }
}
