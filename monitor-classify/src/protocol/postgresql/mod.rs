//! `PostgreSQL`'s protocol, version 3 ("Frontend/Backend Protocol" in its
//! documentation), also as `PgBouncer`, `CockroachDB` and others speak it.

mod backend;
mod frontend;
mod message;
mod startup;

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::Reader;
use crate::payload::Payload;
use message::{Frame, Message};

/// The server, and `PgBouncer`.
pub(super) const PORTS: &[u16] = &[5432, 6432];

/// Messages of a payload that are looked at.
const MESSAGES_MAX: usize = 32;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    match p.bytes {
        [0, ..] => startup::inspect(p),
        // The answers to requests for TLS or GSSAPI: yes, no.
        [b'S' | b'N' | b'G'] if p.is_filled_by(1) => {
            let from_server = PORTS.contains(&p.src_port);
            from_server
                .then(|| Finding::undecided(Strength::Weak, "answer to a request for encryption"))
        }
        [b'A'..=b'Z' | b'a'..=b'z' | b'1'..=b'3', ..] => typed(p),
        _ => None,
    }
}

fn typed(p: &Payload<'_>) -> Option<Finding> {
    let read = |inspect: fn(&Frame<'_>) -> Option<Message>| walk(p, inspect);
    // A letter can be a message of either side: the better fit counts.
    let (client, server) = (read(frontend::inspect), read(backend::inspect));
    match (client, server) {
        (Some(client), Some(server)) => {
            let is_server = PORTS.contains(&p.src_port) && !PORTS.contains(&p.dst_port);
            if server.strength > client.strength
                || (server.strength == client.strength && is_server)
            {
                Some(server)
            } else {
                Some(client)
            }
        }
        (one, other) => one.or(other),
    }
}

/// Reads the messages of one side. Nothing: one of them is malformed.
fn walk(p: &Payload<'_>, inspect: fn(&Frame<'_>) -> Option<Message>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let mut best: Option<Message> = None;
    let mut password = false;
    let (mut count, mut bytes) = (0_usize, 0_u64);
    while count < MESSAGES_MAX && !reader.is_empty() {
        let before = reader;
        let Some(frame) = Frame::read(&mut reader) else {
            // Cut in a header; else this is something else. Without a message before it nothing is found either way.
            if before.bytes().len() < 5 {
                bytes = u64::MAX;
                break;
            }
            return None;
        };
        let message = inspect(&frame)?;
        password |= message.password;
        bytes += 5 + frame.length as u64;
        count += 1;
        if best
            .as_ref()
            .is_none_or(|best| best.strength < message.strength)
        {
            best = Some(message);
        }
    }
    let best = best?;
    let is_filled = p.is_filled_by(bytes);
    // Type and length alone fit much; contents that fit as well, and a length
    // that ends with the packet, fit nothing else.
    let strength = match (best.strength, count) {
        (Strength::Weak, 1) => Strength::Weak,
        (Strength::Weak, 2) => Strength::Likely,
        (strength, 1) if !is_filled => strength,
        _ => Strength::Certain,
    };
    let kind = password.then_some(CredentialKind::PostgresqlPassword);
    Some(Finding::plaintext(strength, best.evidence).with_some(kind))
}
