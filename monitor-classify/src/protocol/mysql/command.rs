//! Commands of the client.

use super::packet::{Message, Packet};
use crate::finding::Strength::{self, Certain, Likely, Weak};
use crate::parse::reader::is_name;
use crate::parse::sql;
use crate::text::Evidence;

const NAME_MAX: usize = 32;

/// Longest name of a table or database with its quotes.
const IDENTIFIER_MAX: usize = 256;

pub(super) fn inspect(packet: &Packet<'_>, is_filled: bool) -> Option<Message> {
    let mut body = packet.body;
    let command = body.u8()?;
    let length = packet.length - 1;
    // A length that fills the packet makes it surer.
    let sure = |fits: Strength, alone: Strength| if is_filled { fits } else { alone };
    let simple =
        |name: &'static str| (length == 0 && is_filled).then(|| Message::new(Likely, name));
    match command {
        0x01 => simple("COM_QUIT"),
        0x02 => {
            let fits = is_name(body.bytes()) && length <= IDENTIFIER_MAX;
            let evidence = Evidence::of(|e| e.word("USE ").key(body.bytes(), NAME_MAX));
            fits.then(|| Message::new(sure(Likely, Weak), evidence))
        }
        0x03 | 0x16 => query(packet, command, body.bytes()),
        0x04 => {
            let fits = body.bytes().iter().all(|&byte| byte >= b' ' || byte == 0);
            (fits && (1..=IDENTIFIER_MAX).contains(&length))
                .then(|| Message::new(sure(Likely, Weak), "COM_FIELD_LIST"))
        }
        0x09 => simple("COM_STATISTICS"),
        0x0d => simple("COM_DEBUG"),
        0x0e => simple("COM_PING"),
        0x1f => simple("COM_RESET_CONNECTION"),
        0x11 => {
            let user = body.c_string().filter(|name| is_name(name))?;
            let answer = body.u8()?;
            let evidence = Evidence::of(|e| e.word("log-in user=").user(user, true));
            let mut message = Message::new(sure(Likely, Weak), evidence);
            message.password = answer > 0;
            Some(message)
        }
        // Statement, flags, and an iteration count that is always 1.
        0x17 if length >= 9 => {
            body.u32_le();
            let flags = body.u8();
            let iterations = body.u32_le();
            match (flags, iterations) {
                (Some(0..=15), Some(1)) => {
                    Some(Message::new(sure(Certain, Likely), "COM_STMT_EXECUTE"))
                }
                (Some(0..=15) | None, None) => Some(Message::new(Weak, "COM_STMT_EXECUTE")),
                _ => None,
            }
        }
        0x18 if length >= 6 => Some(Message::new(Weak, "COM_STMT_SEND_LONG_DATA")),
        0x19 => (length == 4).then(|| Message::new(sure(Likely, Weak), "COM_STMT_CLOSE")),
        0x1a => (length == 4).then(|| Message::new(sure(Likely, Weak), "COM_STMT_RESET")),
        0x1b => (length == 2).then(|| Message::new(Weak, "COM_SET_OPTION")),
        0x1c => (length == 8).then(|| Message::new(sure(Likely, Weak), "COM_STMT_FETCH")),
        0x12 => (length >= 10).then(|| Message::new(Weak, "COM_BINLOG_DUMP")),
        _ => None,
    }
}

fn query(packet: &Packet<'_>, command: u8, text: &[u8]) -> Option<Message> {
    // Attributes of a query: none of them, in one set.
    let text = match text {
        [0, 1, text @ ..] if command == 0x03 => text,
        text => text,
    };
    let statement = sql::statement(text, packet.whole);
    let few = !text.is_empty() && text.len() <= 16 && !packet.whole;
    let (strength, evidence, password) = match statement {
        Some(statement) => (Certain, statement.evidence, statement.password),
        None if few && is_name(text) => (Weak, "query".into(), false),
        None => return None,
    };
    let mut message = if command == 0x16 {
        Message::new(
            strength,
            Evidence::of(|e| e.word("prepare ").evidence(&evidence)),
        )
    } else {
        Message::new(strength, evidence)
    };
    message.password = password;
    Some(message)
}
