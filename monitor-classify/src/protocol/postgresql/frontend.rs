//! What a client sends.

use super::message::{Frame, Message};
use crate::finding::Strength::{Certain, Likely, Weak};
use crate::parse::reader::{Reader, is_name};
use crate::parse::sql;
use crate::text::Evidence;

/// Longest password message: those of GSSAPI are the longest.
const PASSWORD_MAX: usize = 1 << 16;

pub(super) fn inspect(frame: &Frame<'_>) -> Option<Message> {
    let mut body = frame.body;
    let length = frame.length;
    match frame.kind {
        b'Q' => {
            let text = text(frame, body)?;
            let Some(statement) = sql::statement(text, frame.whole) else {
                // An empty query, or one cut in its verb, or a comment.
                return starts_like_text(text).then(|| Message::new(Weak, "Query"));
            };
            let mut message = Message::new(Certain, statement.evidence);
            message.password = statement.password;
            Some(message)
        }
        b'P' => {
            // Name of the statement, the statement, types of parameters.
            let Some(name) = body.c_string() else {
                return starts_like_text(body.bytes()).then(|| Message::new(Weak, "Parse"));
            };
            if !name.is_empty() && !is_name(name) {
                return None;
            }
            let (text, whole) = match body.c_string() {
                Some(text) => (text, true),
                None => (body.bytes(), false),
            };
            let Some(statement) = sql::statement(text, whole) else {
                return starts_like_text(text).then(|| Message::new(Weak, "Parse"));
            };
            let mut message = Message::new(
                Certain,
                Evidence::of(|e| e.word("Parse ").evidence(&statement.evidence)),
            );
            message.password = statement.password;
            Some(message)
        }
        b'B' => bind(frame, body),
        b'D' | b'C' => {
            // Describe or close a statement or a portal.
            let target = match body.u8() {
                Some(target @ (b'S' | b'P')) => target,
                None if length > 1 => return Some(Message::new(Weak, "Describe")),
                Some(_) | None => return None,
            };
            let name = ends_in_name(frame, body)?;
            let verb = if frame.kind == b'D' {
                "Describe"
            } else {
                "Close"
            };
            let strength = if name && target == b'S' { Likely } else { Weak };
            Some(Message::new(strength, verb))
        }
        b'E' => {
            // Portal and the most rows.
            let name = body.c_string();
            match name {
                Some(name) if name.is_empty() || is_name(name) => {
                    (length == name.len() + 5).then(|| Message::new(Likely, "Execute"))
                }
                Some(_) => None,
                None => (!frame.whole).then(|| Message::new(Weak, "Execute")),
            }
        }
        b'S' => (length == 0).then(|| Message::new(Weak, "Sync")),
        b'H' => (length == 0).then(|| Message::new(Weak, "Flush")),
        b'X' => (length == 0).then(|| Message::new(Weak, "Terminate")),
        b'c' => (length == 0).then(|| Message::new(Weak, "CopyDone")),
        b'd' => Some(Message::new(Weak, "CopyData")),
        b'f' => text(frame, body).map(|_| Message::new(Weak, "CopyFail")),
        b'p' if (1..=PASSWORD_MAX).contains(&length) => password(frame, body),
        _ => None,
    }
}

/// Portal, statement, formats, parameters, formats.
fn bind(frame: &Frame<'_>, mut body: Reader<'_>) -> Option<Message> {
    let weak = || (!frame.whole).then(|| Message::new(Weak, "Bind"));
    for _ in 0..2 {
        match body.c_string() {
            Some(name) if name.is_empty() || is_name(name) => {}
            Some(_) => return None,
            None => return weak(),
        }
    }
    let Some(formats) = body.u16() else {
        return weak();
    };
    for _ in 0..formats {
        match body.u16() {
            Some(0 | 1) => {}
            Some(_) => return None,
            None => return weak(),
        }
    }
    let Some(values) = body.u16() else {
        return weak();
    };
    for _ in 0..values {
        let Some(length) = body.u32() else {
            return weak();
        };
        if length != u32::MAX && body.take(length as usize).is_none() {
            return weak();
        }
    }
    let formats = body.u16()?;
    let fits = body.bytes().len() == usize::from(formats) * 2;
    fits.then(|| Message::new(Likely, "Bind"))
}

/// A password, a hash of one, or an answer of SASL.
fn password(frame: &Frame<'_>, mut body: Reader<'_>) -> Option<Message> {
    let (strength, evidence) = match body.bytes() {
        [] => (Weak, "password"),
        [b'm', b'd', b'5', ..] => (Likely, "password (MD5)"),
        bytes if bytes.starts_with(b"SCRAM-SHA-256") => (Certain, "password (SCRAM-SHA-256)"),
        bytes if bytes.starts_with(b"c=") || bytes.starts_with(b"n,,") => {
            (Likely, "password (SCRAM)")
        }
        _ => {
            let is_text = match body.c_string() {
                Some(text) => is_name(text) && (body.is_empty() || !frame.whole),
                None => !frame.whole && is_name(body.bytes()),
            };
            let strength = if is_text { Likely } else { Weak };
            (strength, "password")
        }
    };
    let mut message = Message::new(strength, evidence);
    message.password = true;
    Some(message)
}

/// A text that fills the message, without the zero byte at its end.
fn text<'a>(frame: &Frame<'_>, mut body: Reader<'a>) -> Option<&'a [u8]> {
    if !frame.whole {
        let bytes = body.bytes();
        return (!bytes.contains(&0)).then_some(bytes);
    }
    let text = body.c_string()?;
    body.is_empty().then_some(text)
}

/// Whether the rest is a name and a zero byte, and whether that is more than
/// the zero byte. Nothing: it is not.
fn ends_in_name(frame: &Frame<'_>, body: Reader<'_>) -> Option<bool> {
    let name = text(frame, body)?;
    (name.is_empty() || is_name(name)).then_some(!name.is_empty())
}

fn starts_like_text(text: &[u8]) -> bool {
    text.iter()
        .take(32)
        .all(|&byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0x80..))
        && text.first().is_none_or(|byte| byte.is_ascii())
}
