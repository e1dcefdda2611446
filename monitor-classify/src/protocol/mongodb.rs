//! `MongoDB`'s wire protocol: `OP_MSG`, and what came before it.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[27017, 27018, 27019];

/// Longest message that a server accepts, in bytes (`maxMessageSizeBytes`).
const LENGTH_MAX: u32 = 48_000_000;

/// Bytes of the header: length, request, answered request, operation.
const HEADER: u32 = 16;

const NAME_MAX: usize = 48;

/// Elements of a document that are looked at.
const ELEMENTS_MAX: usize = 24;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let length = reader.u32_le()?;
    if !(HEADER..=LENGTH_MAX).contains(&length) {
        return None;
    }
    reader.u32_le()?;
    let answered = reader.u32_le()?;
    let operation = reader.u32_le()?;
    let is_filled = p.is_filled_by(u64::from(length));
    let found = match operation {
        2013 => message(reader, answered)?,
        2004 => old_query(reader)?,
        1 => old_reply(reader)?,
        2012 => compressed(reader)?,
        2001 | 2002 | 2005 | 2006 | 2007 => (Strength::Weak, Command::named("old operation")),
        _ => return None,
    };
    let (strength, command) = found;
    let strength = if is_filled && reader.is_empty() {
        strength.max(Strength::Likely)
    } else {
        strength
    };
    let kind = command.logs_in.then_some(CredentialKind::MongodbAuth);
    Some(Finding::plaintext(strength, command.text).with_some(kind))
}

/// What a document asks for or answers.
struct Command {
    text: Evidence,
    logs_in: bool,
}

impl Command {
    fn named(text: impl Into<Evidence>) -> Self {
        Self {
            text: text.into(),
            logs_in: false,
        }
    }
}

/// `OP_MSG`: flags and sections.
fn message(mut reader: Reader<'_>, answered: u32) -> Option<(Strength, Command)> {
    let Some(flags) = reader.u32_le() else {
        return Some((Strength::Weak, Command::named("OP_MSG")));
    };
    // Checksum, more to come, more allowed; a peer must refuse other flags of the lower half.
    if flags & 0xffff & !3 != 0 || flags >> 17 != 0 {
        return None;
    }
    match reader.u8() {
        None => Some((Strength::Likely, Command::named("OP_MSG"))),
        Some(0) => document(reader, answered != 0),
        Some(1) => {
            reader.u32_le();
            let name = reader.c_string().filter(|name| is_name(name));
            let mut text = Evidence::from("OP_MSG");
            if let Some(name) = name {
                text.word(" ").key(name, NAME_MAX);
            }
            Some((Strength::Likely, Command::named(text)))
        }
        Some(_) => None,
    }
}

/// `OP_QUERY`: flags, collection, skip, return, a document.
fn old_query(mut reader: Reader<'_>) -> Option<(Strength, Command)> {
    let weak = || Some((Strength::Weak, Command::named("OP_QUERY")));
    let Some(flags) = reader.u32_le() else {
        return weak();
    };
    if flags >> 8 != 0 {
        return None;
    }
    let Some(collection) = reader.c_string() else {
        return if reader.is_empty() || is_name(reader.bytes()) {
            weak()
        } else {
            None
        };
    };
    if !is_name(collection) || !collection.contains(&b'.') {
        return None;
    }
    let (Some(_), Some(_)) = (reader.u32_le(), reader.u32_le()) else {
        return Some((Strength::Likely, Command::named("OP_QUERY")));
    };
    let Some((_, mut command)) = document(reader, false) else {
        return Some((Strength::Likely, Command::named("OP_QUERY")));
    };
    if !collection.ends_with(b".$cmd") {
        command.text = Evidence::of(|e| e.word("find ").topic(collection, NAME_MAX));
    }
    Some((Strength::Certain, command))
}

/// `OP_REPLY`: flags, cursor, start, count, documents.
fn old_reply(mut reader: Reader<'_>) -> Option<(Strength, Command)> {
    let Some(flags) = reader.u32_le() else {
        return Some((Strength::Weak, Command::named("OP_REPLY")));
    };
    if flags >> 4 != 0 {
        return None;
    }
    let text = Command::named("OP_REPLY");
    if reader.take(16).is_none() {
        return Some((Strength::Weak, text));
    }
    match document(reader, true) {
        Some((strength, _)) => Some((strength, text)),
        None if reader.bytes().len() < 5 => Some((Strength::Weak, text)),
        None => None,
    }
}

/// `OP_COMPRESSED`: the operation, its length, the compressor. Compression hides nothing.
fn compressed(mut reader: Reader<'_>) -> Option<(Strength, Command)> {
    let text = Command::named("compressed OP_MSG");
    let Some(operation) = reader.u32_le() else {
        return Some((Strength::Weak, text));
    };
    if !matches!(operation, 1 | 2004 | 2013 | 2001..=2007) {
        return None;
    }
    match (reader.u32_le(), reader.u8()) {
        (Some(1..=LENGTH_MAX), Some(0..=3)) => Some((Strength::Certain, text)),
        (Some(1..=LENGTH_MAX) | None, None) => Some((Strength::Likely, text)),
        _ => None,
    }
}

/// A BSON document whose first element names the command.
fn document(mut reader: Reader<'_>, is_reply: bool) -> Option<(Strength, Command)> {
    let weak = || Some((Strength::Likely, Command::named("OP_MSG")));
    let Some(length) = reader.u32_le() else {
        return weak();
    };
    if !(5..=LENGTH_MAX).contains(&length) {
        return None;
    }
    if length == 5 {
        return Some((Strength::Likely, Command::named("empty document")));
    }
    let Some((first, value)) = element(&mut reader) else {
        // Cut in the first element: only its kind can contradict.
        let fits = reader
            .bytes()
            .first()
            .is_none_or(|kind| matches!(kind, 1..=19 | 127 | 255));
        return fits.then(weak)?;
    };
    if is_reply {
        return Some((Strength::Certain, Command::named("reply")));
    }
    let logs_in = matches!(
        first,
        b"saslStart"
            | b"saslContinue"
            | b"authenticate"
            | b"copydbsaslstart"
            | b"createUser"
            | b"updateUser"
    );
    let mut text = Evidence::of(|e| e.key(first, NAME_MAX));
    let mut database = None;
    let mut speculative = false;
    let collection = value.text.filter(|name| is_name(name) && !logs_in);
    for _ in 0..ELEMENTS_MAX {
        let Some((name, value)) = element(&mut reader) else {
            break;
        };
        match name {
            b"$db" => database = value.text.filter(|name| is_name(name)),
            b"speculativeAuthenticate" => speculative = true,
            _ => {}
        }
    }
    match (database, collection) {
        (Some(database), Some(collection)) => {
            let both = [database, b".", collection].concat();
            text.word(" ").topic(&both, NAME_MAX);
        }
        (Some(name), None) | (None, Some(name)) => {
            text.word(" ").topic(name, NAME_MAX);
        }
        (None, None) => {}
    }
    Some((
        Strength::Certain,
        Command {
            text,
            logs_in: logs_in || speculative,
        },
    ))
}

/// The value of an element, where it is text.
struct Value<'a> {
    text: Option<&'a [u8]>,
}

/// One element: kind, name, value (bsonspec.org).
fn element<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8], Value<'a>)> {
    let mut ahead = *reader;
    let kind = ahead.u8()?;
    let name = ahead.c_string().filter(|name| is_name(name))?;
    let mut text = None;
    let fixed = match kind {
        // Double, date, timestamp, 64 bits.
        1 | 9 | 17 | 18 => 8,
        // Text, code, symbol.
        2 | 13 | 14 => {
            let length = ahead.u32_le()? as usize;
            text = ahead
                .upto(length)
                .0
                .bytes()
                .split_last()
                .map(|(_, text)| text);
            0
        }
        // Documents and arrays count their length themselves.
        3 | 4 => {
            let length = ahead.u32_le()? as usize;
            ahead.upto(length.checked_sub(4)?);
            0
        }
        // Binary: length, subtype.
        5 => {
            let length = ahead.u32_le()? as usize;
            length.checked_add(1)?
        }
        6 | 10 | 127 | 255 => 0,
        7 => 12,
        8 => 1,
        16 => 4,
        19 => 16,
        _ => return None,
    };
    ahead.upto(fixed);
    *reader = ahead;
    Some((name, Value { text }))
}
