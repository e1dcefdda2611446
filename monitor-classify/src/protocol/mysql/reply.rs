//! Replies of the server, and further steps of a log-in.

use super::packet::{Message, Packet, length_encoded, string};
use crate::finding::Strength::{Certain, Likely, Weak};
use crate::parse::reader::{Reader, is_name};
use crate::text::Evidence;

/// Plug-ins that check passwords, by their names' endings or beginnings.
fn is_plugin(name: &[u8]) -> bool {
    name.len() >= 5
        && name
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
}

pub(super) fn inspect(packet: &Packet<'_>, is_filled: bool) -> Option<Message> {
    let mut body = packet.body;
    let first = body.u8()?;
    match first {
        0x00 => ok(packet, body, is_filled),
        0xff => error(packet, body),
        0xfe if packet.length < 9 => {
            // End of a list: warnings and status.
            (packet.length == 5 || packet.length == 1).then(|| Message::new(Weak, "EOF"))
        }
        0xfe => {
            let name = body.c_string();
            match name {
                Some(name) if is_plugin(name) => {
                    Some(Message::new(Certain, "request for another log-in"))
                }
                Some(_) => ok(packet, body, is_filled),
                None if !packet.whole && is_plugin(body.bytes()) => {
                    Some(Message::new(Likely, "request for another log-in"))
                }
                None => None,
            }
        }
        0x01 if packet.length == 2 && matches!(body.u8(), Some(2..=4)) => Some(Message::new(
            if is_filled { Likely } else { Weak },
            "log-in goes on",
        )),
        // The number of columns, alone in its packet.
        1..=0xfa if packet.length == 1 => Some(Message::new(Weak, "result set")),
        0x03 => column(packet, packet.body),
        _ => None,
    }
}

/// Rows, identifier, status, warnings.
fn ok(packet: &Packet<'_>, mut body: Reader<'_>, is_filled: bool) -> Option<Message> {
    if packet.length < 7 {
        return None;
    }
    if !packet.whole {
        return Some(Message::new(Weak, "OK"));
    }
    length_encoded(&mut body)?;
    length_encoded(&mut body)?;
    let status = body.u16_le()?;
    let warnings = body.u16_le()?;
    // Bit 11 is not used, and few statements warn that often.
    if status & 0x0800 != 0 || warnings > 4096 {
        return None;
    }
    let strength = if is_filled && packet.length == 7 {
        Likely
    } else {
        Weak
    };
    Some(Message::new(strength, "OK"))
}

fn error(packet: &Packet<'_>, mut body: Reader<'_>) -> Option<Message> {
    let Some(code) = body.u16_le() else {
        return (packet.length > 9).then(|| Message::new(Weak, "error"));
    };
    if !(1000..=5000).contains(&code) || packet.length > 1024 {
        return None;
    }
    let strength = match body.bytes() {
        [b'#', state @ ..] if state.len() >= 5 && is_name(&state[..5]) => Certain,
        [] | [b'#', ..] => Likely,
        _ => Likely,
    };
    Some(Message::new(
        strength,
        Evidence::of(|e| e.word("error ").number(code)),
    ))
}

/// The definition of a column, which starts with the catalogue `def`.
fn column(packet: &Packet<'_>, mut body: Reader<'_>) -> Option<Message> {
    match string(&mut body) {
        Some(b"def") => {
            let schema = string(&mut body);
            let strength = if schema.is_some_and(|name| name.is_empty() || is_name(name)) {
                Certain
            } else {
                Likely
            };
            Some(Message::new(strength, "column definition"))
        }
        None if !packet.whole => Some(Message::new(Weak, "column definition")),
        Some(_) | None => None,
    }
}
