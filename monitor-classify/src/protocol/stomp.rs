//! STOMP 1.0 to 1.2: frames of a command, headers and a body.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::Lines;
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[61613, 61614];

/// Longest destination that is shown.
const DESTINATION_MAX: usize = 60;

/// Headers that are looked at.
const HEADERS_MAX: usize = 16;

const COMMANDS: &[&str] = &[
    "CONNECT",
    "STOMP",
    "CONNECTED",
    "SEND",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "ACK",
    "NACK",
    "BEGIN",
    "COMMIT",
    "ABORT",
    "DISCONNECT",
    "MESSAGE",
    "RECEIPT",
    "ERROR",
];

/// Headers of the protocol's own.
const HEADERS: &[&str] = &[
    "accept-version",
    "host",
    "login",
    "passcode",
    "heart-beat",
    "version",
    "session",
    "server",
    "destination",
    "id",
    "ack",
    "transaction",
    "receipt",
    "receipt-id",
    "message-id",
    "subscription",
    "content-type",
    "content-length",
    "message",
    "persistent",
    "selector",
];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    // Heart-beats may stand before a frame.
    let beats = p
        .bytes
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    if beats == p.bytes.len() {
        return Some(Finding::plaintext(Strength::Weak, "heart-beat"));
    }
    let mut lines = Lines::new(&p.bytes[beats..]);
    let command = lines.next().filter(|line| line.complete)?;
    // Commands are in upper case (STOMP 1.2, Augmented BNF).
    let command = COMMANDS
        .iter()
        .find(|known| command.text == known.as_bytes())?;
    let mut evidence = Evidence::from(*command);
    let mut kind = None;
    let mut fitting = 0;
    for line in lines.take(HEADERS_MAX) {
        if line.text.is_empty() {
            break;
        }
        let Some(colon) = line.text.iter().position(|&byte| byte == b':') else {
            if line.complete {
                return None;
            }
            break;
        };
        let (name, value) = (&line.text[..colon], &line.text[colon + 1..]);
        if HEADERS.iter().any(|known| name == known.as_bytes()) {
            fitting += 1;
        }
        match name {
            b"destination" if line.complete => {
                evidence.word(" ").topic(value, DESTINATION_MAX);
            }
            b"login" => {
                evidence.word(" login ").user(value, line.complete);
            }
            b"passcode" if !value.is_empty() => kind = Some(CredentialKind::StompPasscode),
            _ => {}
        }
    }
    let strength = if fitting > 0 {
        Strength::Certain
    } else {
        Strength::Weak
    };
    Some(Finding::plaintext(strength, evidence).with_some(kind))
}
