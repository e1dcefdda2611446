//! The client/server protocol of `MySQL` and `MariaDB` ("Client/Server Protocol"
//! in the server's documentation).

mod command;
mod handshake;
mod packet;
mod reply;

use crate::finding::{Finding, Strength};
use crate::names::{CredentialKind, Exposure};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use packet::{Message, Packet};

pub(super) const PORTS: &[u16] = &[3306];

/// Packets of a payload that are looked at.
const PACKETS_MAX: usize = 32;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let first = Packet::read(&mut reader)?;
    if first.length == 0 || first.sequence > 32 {
        return None;
    }
    let size = first.length as u64 + 4;
    if size > u64::from(p.wire_len) && first.sequence == 0 && first.whole {
        return None;
    }
    let is_filled = p.is_filled_by(size);
    let mut best = message(&first, is_filled);
    let mut packets = 1;
    let mut end = size;
    while packets < PACKETS_MAX && !reader.is_empty() {
        let Some(next) = Packet::read(&mut reader) else {
            break;
        };
        // Numbers count up; the next command of a pipeline starts at 0.
        if next.length == 0 || next.sequence != first.sequence.wrapping_add(packets as u8) {
            return best
                .filter(|best| best.strength == Strength::Certain)
                .map(finish);
        }
        packets += 1;
        end += next.length as u64 + 4;
        let found = message(&next, false).map(|found| found.strength);
        if let (Some(best), Some(_)) = (&mut best, found) {
            best.strength = best.strength.max(Strength::Likely);
        }
    }
    // Rows of a result: lengths and numbers that lead to the end of the packet.
    if packets >= 3 || (packets == 2 && p.is_filled_by(end)) {
        let message = best.get_or_insert_with(|| Message::new(Strength::Likely, "packets"));
        message.strength = Strength::Certain;
    }
    // A packet of the right length and nothing else: a password, a file, rows.
    if best.is_none() && is_filled && first.sequence > 0 {
        let mut packet = Message::new(Strength::Weak, "packet");
        // Or it is a request for TLS, cut before its flag.
        if first.sequence == 1 && first.length == 32 {
            packet.exposure = Exposure::Unknown;
        }
        best = Some(packet);
    }
    best.map(finish)
}

fn finish(message: Message) -> Finding {
    let kind = message.password.then_some(CredentialKind::MysqlPassword);
    let finding = match message.exposure {
        Exposure::Plaintext => Finding::plaintext(message.strength, message.evidence),
        Exposure::Encrypted | Exposure::Unknown => {
            Finding::undecided(message.strength, message.evidence)
        }
    };
    finding.with_some(kind)
}

fn message(packet: &Packet<'_>, is_filled: bool) -> Option<Message> {
    match packet.sequence {
        0 => handshake::greeting(packet).or_else(|| command::inspect(packet, is_filled)),
        1 => handshake::response(packet).or_else(|| reply::inspect(packet, is_filled)),
        // Behind a TLS request or other packets of the log-in.
        2 => handshake::response(packet).or_else(|| reply::inspect(packet, is_filled)),
        _ => reply::inspect(packet, is_filled),
    }
}
