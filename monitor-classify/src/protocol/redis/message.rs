//! One message: a command, or a reply described by type and size.

use super::command::{Command, Shows};
use super::lookup::{self, subcommand};
use super::resp::{Reader, Stop, Value};
use crate::finding::Strength;
use crate::text::Evidence;

/// Words of a command that are kept; those behind only have to fit.
pub(super) const WORDS_MAX: usize = 8;

/// Longest key or channel that is shown.
const KEY_MAX: usize = 60;

/// First words of errors that only Redis writes.
const ERRORS: &[&str] = &[
    "ASK",
    "BUSY",
    "BUSYGROUP",
    "BUSYKEY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "DENIED",
    "EXECABORT",
    "INPROG",
    "IOERR",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOGOODSLAVE",
    "NOGROUP",
    "NOMASTERLINK",
    "NOPERM",
    "NOPROTO",
    "NOREPLICAS",
    "NOSCRIPT",
    "NOTBUSY",
    "OOM",
    "READONLY",
    "STALE",
    "TRYAGAIN",
    "UNBLOCKED",
    "UNKILLABLE",
    "WRONGPASS",
    "WRONGTYPE",
];

/// First words of statuses that Redis writes; any other belongs to another protocol.
const STATUSES: &[&str] = &[
    "OK",
    "PONG",
    "QUEUED",
    "CONTINUE",
    "FULLRESYNC",
    "RESET",
    "string",
    "list",
    "set",
    "zset",
    "hash",
    "stream",
    "none",
];

/// A message and what it proves.
pub(super) struct Message {
    pub(super) evidence: Evidence,
    /// How many signs of RESP it holds.
    pub(super) signs: u32,
    /// Whether POP3, NATS and other protocols write the same.
    pub(super) shared: bool,
    /// What it proves by itself, whatever the signs.
    pub(super) strength: Option<Strength>,
    pub(super) credential: bool,
    /// The capture ends inside it.
    pub(super) cut: bool,
}

/// A word of a command, as far as it was captured.
#[derive(Clone, Copy, Default)]
pub(super) struct Word<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) complete: bool,
}

impl Message {
    /// Reads a message of RESP. `describe`: whether its evidence is wanted; it
    /// takes longest to make.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        is_server: bool,
        describe: bool,
    ) -> Result<Self, Stop> {
        let head = reader.next()?;
        let mut message = Self::of_value(head, describe)?;
        let Value::Aggregate {
            kind,
            count,
            values,
        } = head
        else {
            return Ok(message);
        };
        let mut words = [Word::default(); WORDS_MAX];
        let mut kept = 0;
        let mut is_command = kind == b'*' && values > 0 && !is_server;
        // Nested values are flattened: only their number counts.
        let mut missing = values;
        while missing > 0 {
            let value = match reader.next() {
                Ok(value) => value,
                Err(Stop::Truncated) => {
                    message.cut = true;
                    break;
                }
                Err(Stop::Invalid) => return Err(Stop::Invalid),
            };
            missing -= 1;
            message.signs += signs(value);
            match value {
                Value::Bulk {
                    bytes, complete, ..
                } => {
                    if let Some(word) = words.get_mut(kept) {
                        *word = Word { bytes, complete };
                        kept += 1;
                    }
                    message.cut |= !complete;
                }
                Value::Line { complete, .. } => {
                    is_command = false;
                    message.cut |= !complete;
                }
                Value::Aggregate { values, .. } => {
                    is_command = false;
                    missing = missing.saturating_add(values);
                }
                Value::Null | Value::Scalar { .. } => is_command = false,
            }
            if message.cut {
                break;
            }
        }
        if is_command
            && let Some(command) = lookup::command(words[0].bytes)
            && words[0].complete
            && command.takes(values)
        {
            let (evidence, credential) = show(command, &words[..kept], values, describe);
            message.evidence = evidence;
            message.credential = credential;
            message.strength = Some(Strength::Certain);
        } else if describe {
            message.evidence =
                Evidence::of(|e| e.word(aggregate_name(kind)).word(" of ").number(count));
        }
        Ok(message)
    }

    /// A reply by type and size, never by content.
    fn of_value(value: Value<'_>, describe: bool) -> Result<Self, Stop> {
        let mut message = Self {
            evidence: Evidence::default(),
            signs: signs(value),
            shared: false,
            strength: None,
            credential: false,
            cut: false,
        };
        message.evidence = match value {
            // Described once it is known that it is no command.
            Value::Aggregate { .. } => Evidence::default(),
            Value::Bulk {
                length, complete, ..
            } => {
                message.cut = !complete;
                if describe {
                    Evidence::of(|e| e.word("bulk ").number(length).word(" bytes"))
                } else {
                    Evidence::default()
                }
            }
            Value::Null | Value::Scalar { .. } if !describe => Evidence::default(),
            Value::Null => "nil".into(),
            Value::Scalar { kind } => match kind {
                b':' => "integer".into(),
                b',' => "double".into(),
                b'#' => "boolean".into(),
                _ => "big number".into(),
            },
            Value::Line {
                kind,
                text,
                complete,
            } => {
                message.cut = !complete;
                let (word, own) = line_word(kind, text, complete)?;
                message.shared = !own;
                message.signs += u32::from(own);
                if describe {
                    Evidence::of(|e| e.word(if kind == b'-' { "-" } else { "+" }).word(word))
                } else {
                    Evidence::default()
                }
            }
        };
        Ok(message)
    }
}

const fn aggregate_name(kind: u8) -> &'static str {
    match kind {
        b'%' => "map",
        b'~' => "set",
        b'>' => "push",
        b'|' => "attributes",
        _ => "array",
    }
}

/// The first word of a status or error, and whether only Redis writes it.
fn line_word(kind: u8, text: &[u8], complete: bool) -> Result<(&'static str, bool), Stop> {
    let end = text.iter().position(|&byte| byte == b' ');
    let word = &text[..end.unwrap_or(text.len())];
    if end.is_none() && !complete {
        // `-NO` may become NOAUTH; `+O` may become OK. Nothing is shown yet.
        return Err(Stop::Truncated);
    }
    let known =
        |words: &[&'static str]| words.iter().find(|known| word == known.as_bytes()).copied();
    if kind == b'-' {
        return match known(ERRORS) {
            Some(word) => Ok((word, true)),
            None if word == b"ERR" => Ok(("ERR", text.starts_with(b"ERR unknown command "))),
            None => Err(Stop::Invalid),
        };
    }
    match known(STATUSES) {
        // `+OK 3 messages` is POP3.
        Some("OK") if end.is_some() => Err(Stop::Invalid),
        Some(word) => Ok((word, matches!(word, "FULLRESYNC" | "QUEUED"))),
        None => Err(Stop::Invalid),
    }
}

/// How many signs of RESP a value is: its head, and for a bulk that it ends
/// where its length says.
fn signs(value: Value<'_>) -> u32 {
    match value {
        Value::Bulk { complete, .. } => 1 + u32::from(complete),
        Value::Line { complete, .. } => u32::from(complete),
        Value::Aggregate { .. } | Value::Null | Value::Scalar { .. } => 1,
    }
}

/// A command with its first key, and whether it carries a credential.
/// `words` are the first of `total`.
pub(super) fn show(
    command: &Command,
    words: &[Word<'_>],
    total: u64,
    describe: bool,
) -> (Evidence, bool) {
    let argument = words.get(1).filter(|word| word.complete);
    let sub = match (command.shows, argument) {
        (Shows::Subcommand, Some(word)) => subcommand(word.bytes),
        _ => None,
    };
    if !describe {
        return (Evidence::default(), has_credential(command, sub, words));
    }
    let mut evidence = Evidence::from(command.name);
    let mut shown = 1;
    if let Some(sub) = sub {
        evidence.word(" ").word(sub);
        shown += 1;
    }
    match (command.shows, argument) {
        (Shows::Key, Some(key)) => {
            evidence.word(" ").key(key.bytes, KEY_MAX);
            shown += 1;
        }
        _ if command.name == "HELLO" => {
            if let Some(version) = argument.filter(|word| matches!(word.bytes, b"2" | b"3")) {
                evidence.word(if version.bytes == b"2" { " 2" } else { " 3" });
                shown += 1;
                if is_word(words.get(2), "AUTH") {
                    evidence.word(" AUTH");
                    shown += 1;
                }
            }
        }
        _ if command.name == "CONFIG" && matches!(sub, Some("SET" | "GET")) => {
            if let Some(parameter) = words
                .get(2)
                .filter(|word| word.complete)
                .and_then(parameter)
            {
                evidence.word(" ").key(parameter, KEY_MAX);
                shown += 1;
            }
        }
        _ => {}
    }
    if total > shown {
        evidence.word(" ").hidden();
    }
    (evidence, has_credential(command, sub, words))
}

fn is_word(word: Option<&Word<'_>>, text: &str) -> bool {
    word.is_some_and(|word| word.complete && word.bytes.eq_ignore_ascii_case(text.as_bytes()))
}

/// A configuration parameter may be shown if it looks like the name of one.
fn parameter<'a>(word: &Word<'a>) -> Option<&'a [u8]> {
    let letters = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'-';
    let fits = word.bytes.len() <= 40 && word.bytes.iter().all(letters);
    fits.then_some(word.bytes)
}

/// Whether a password is among the words, even one cut after its announcement.
fn has_credential(command: &Command, sub: Option<&str>, words: &[Word<'_>]) -> bool {
    match (command.name, sub) {
        ("AUTH", _) | ("ACL", Some("SETUSER")) => true,
        ("HELLO" | "MIGRATE", _) => words
            .iter()
            .any(|word| is_word(Some(word), "AUTH") || is_word(Some(word), "AUTH2")),
        ("CONFIG", Some("SET")) => words
            .iter()
            .any(|word| is_word(Some(word), "requirepass") || is_word(Some(word), "masterauth")),
        _ => false,
    }
}
