//! What a server sends.

use super::message::{Frame, Message};
use crate::finding::Strength::{Certain, Likely, Weak};
use crate::parse::reader::{Reader, is_name, is_text};
use crate::text::Evidence;

const NAME_MAX: usize = 32;

/// Longest error or notice that is believed, in bytes.
const ERROR_MAX: usize = 1 << 20;

pub(super) fn inspect(frame: &Frame<'_>) -> Option<Message> {
    let mut body = frame.body;
    let length = frame.length;
    match frame.kind {
        b'R' => authentication(length, body),
        b'S' => parameter(frame, body),
        // Process and a key: 4 bytes, up to 256 since version 3.2.
        b'K' => (8..=260)
            .contains(&length)
            .then(|| Message::new(Weak, "BackendKeyData")),
        b'Z' => match body.u8() {
            Some(b'I' | b'T' | b'E') | None if length == 1 => {
                Some(Message::new(Likely, "ReadyForQuery"))
            }
            Some(_) | None => None,
        },
        b'T' => columns(frame, body),
        b'D' => row(frame, body),
        b'C' => tag(frame, body),
        b'E' | b'N' => error(frame, body),
        b'A' => {
            body.u32();
            let channel = body.c_string()?;
            is_name(channel).then(|| Message::new(Weak, "NotificationResponse"))
        }
        b'1' => empty(length, "ParseComplete"),
        b'2' => empty(length, "BindComplete"),
        b'3' => empty(length, "CloseComplete"),
        b'n' => empty(length, "NoData"),
        b's' => empty(length, "PortalSuspended"),
        b'I' => empty(length, "EmptyQueryResponse"),
        b'c' => empty(length, "CopyDone"),
        b't' => match body.u16() {
            Some(count) if length == 2 + 4 * usize::from(count) => {
                Some(Message::new(Likely, "ParameterDescription"))
            }
            Some(_) => None,
            None => Some(Message::new(Weak, "ParameterDescription")),
        },
        b'G' | b'H' | b'W' => match (body.u8(), body.u16()) {
            (Some(0 | 1), Some(count @ 1..)) if length == 3 + 2 * usize::from(count) => {
                Some(Message::new(Likely, "CopyResponse"))
            }
            (None, _) | (Some(0 | 1), None) if length >= 3 => {
                Some(Message::new(Weak, "CopyResponse"))
            }
            _ => None,
        },
        b'd' => Some(Message::new(Weak, "CopyData")),
        b'v' => match body.u32() {
            Some(0..=3) => Some(Message::new(Weak, "NegotiateProtocolVersion")),
            Some(_) | None => None,
        },
        _ => None,
    }
}

fn empty(length: usize, name: &'static str) -> Option<Message> {
    (length == 0).then(|| Message::new(Weak, name))
}

/// The server's request for a log-in.
fn authentication(length: usize, mut body: Reader<'_>) -> Option<Message> {
    let Some(code) = body.u32() else {
        return (4..=4096)
            .contains(&length)
            .then(|| Message::new(Weak, "Authentication"));
    };
    let (fits, name) = match code {
        0 => (length == 4, "AuthenticationOk"),
        2 => (length == 4, "AuthenticationKerberosV5"),
        3 => (length == 4, "AuthenticationCleartextPassword"),
        5 => (length == 8, "AuthenticationMD5Password"),
        7 => (length == 4, "AuthenticationGSS"),
        8 => (length > 4, "AuthenticationGSSContinue"),
        9 => (length == 4, "AuthenticationSSPI"),
        10 => (length > 4, "AuthenticationSASL"),
        11 => (length > 4, "AuthenticationSASLContinue"),
        12 => (length > 4, "AuthenticationSASLFinal"),
        _ => (false, ""),
    };
    fits.then(|| Message::new(Likely, name))
}

/// Name and value of a setting.
fn parameter(frame: &Frame<'_>, mut body: Reader<'_>) -> Option<Message> {
    if frame.length == 0 {
        return None;
    }
    let Some(name) = body.c_string() else {
        let fits = !frame.whole && is_text(body.bytes());
        return fits.then(|| Message::new(Weak, "ParameterStatus"));
    };
    let fits = is_name(name) && body.bytes().iter().all(|&byte| byte >= b' ' || byte == 0);
    let strength = if frame.whole { Certain } else { Likely };
    fits.then(|| {
        Message::new(
            strength,
            Evidence::of(|e| e.word("ParameterStatus ").key(name, NAME_MAX)),
        )
    })
}

/// The columns of a result: a name and 18 bytes each.
fn columns(frame: &Frame<'_>, mut body: Reader<'_>) -> Option<Message> {
    let Some(count) = body.u16() else {
        return (frame.length >= 2).then(|| Message::new(Weak, "RowDescription"));
    };
    if count > 1664 || frame.length < 2 + usize::from(count) * 19 {
        return None;
    }
    if count == 0 {
        return (frame.length == 2).then(|| Message::new(Weak, "RowDescription"));
    }
    let Some(name) = body.c_string() else {
        let fits = !frame.whole && is_text(body.bytes());
        return fits.then(|| Message::new(Weak, "RowDescription"));
    };
    if !is_name(name) {
        return None;
    }
    body.take(16);
    let strength = match body.u16() {
        Some(0 | 1) => Certain,
        None => Likely,
        Some(_) => return None,
    };
    Some(Message::new(
        strength,
        Evidence::of(|e| e.word("columns ").key(name, NAME_MAX)),
    ))
}

/// A row: a length and a value each.
fn row(frame: &Frame<'_>, mut body: Reader<'_>) -> Option<Message> {
    let Some(count) = body.u16() else {
        return (frame.length >= 2).then(|| Message::new(Weak, "DataRow"));
    };
    if count > 1664 || frame.length < 2 + usize::from(count) * 4 {
        return None;
    }
    for _ in 0..count {
        let Some(length) = body.u32() else {
            return (!frame.whole).then(|| Message::new(Weak, "DataRow"));
        };
        if length == u32::MAX {
            continue;
        }
        if length as usize > frame.length {
            return None;
        }
        if body.take(length as usize).is_none() {
            return (!frame.whole).then(|| Message::new(Weak, "DataRow"));
        }
    }
    body.is_empty().then(|| Message::new(Likely, "DataRow"))
}

/// `SELECT 5`
fn tag(frame: &Frame<'_>, mut body: Reader<'_>) -> Option<Message> {
    let text = if frame.whole {
        body.c_string().filter(|_| body.is_empty())?
    } else {
        body.bytes()
    };
    let verb = text.split(|&byte| byte == b' ').next()?;
    if verb.is_empty() || !verb.iter().all(u8::is_ascii_uppercase) {
        return (text.is_empty() && !frame.whole).then(|| Message::new(Weak, "CommandComplete"));
    }
    let strength = if frame.whole { Certain } else { Likely };
    is_text(text).then(|| Message::new(strength, "CommandComplete"))
}

/// Fields of a letter and a text each: severity, SQLSTATE, message, …
fn error(frame: &Frame<'_>, mut body: Reader<'_>) -> Option<Message> {
    let kind = if frame.kind == b'E' {
        "ErrorResponse"
    } else {
        "NoticeResponse"
    };
    let mut evidence = Evidence::from(kind);
    let mut fields = 0;
    while let Some(field) = body.u8() {
        if field == 0 {
            break;
        }
        if !field.is_ascii_alphabetic() || frame.length > ERROR_MAX {
            return None;
        }
        let Some(text) = body.c_string() else {
            break;
        };
        let fits = |byte: &u8| *byte >= b' ' || byte.is_ascii_whitespace();
        if !text.iter().all(fits) || !is_text(&text[..text.len().min(4)]) {
            return None;
        }
        fields += 1;
        if field == b'C' && text.len() == 5 && text.iter().all(u8::is_ascii_alphanumeric) {
            evidence.word(" ").key(text, NAME_MAX);
        }
    }
    let strength = match fields {
        0 if frame.whole => return None,
        0 => Weak,
        1 => Likely,
        _ => Certain,
    };
    Some(Message::new(strength, evidence))
}
