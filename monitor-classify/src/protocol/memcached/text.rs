//! The protocol of text, classic and meta commands, over TCP or UDP
//! (memcached's `doc/protocol.txt`).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{self, Line, known, number, split};
use crate::payload::{Payload, Transport};
use crate::text::Evidence;

/// Longest key that memcached takes.
const KEY_MAX: usize = 250;

/// Longest key that is shown.
const SHOWN_MAX: usize = 60;

/// Header of a datagram: id, number, count, reserved; 16 bits each.
const DATAGRAM: usize = 8;

/// Replies of one line, and what they prove.
const ANSWERS: &[(&str, Strength)] = &[
    ("STORED", Strength::Likely),
    ("NOT_STORED", Strength::Likely),
    ("EXISTS", Strength::Weak),
    ("NOT_FOUND", Strength::Likely),
    ("DELETED", Strength::Likely),
    ("TOUCHED", Strength::Likely),
    ("END", Strength::Weak),
    ("OK", Strength::Weak),
    ("ERROR", Strength::Weak),
    ("RESET", Strength::Weak),
    ("HD", Strength::Weak),
    ("EN", Strength::Weak),
    ("NS", Strength::Weak),
    ("NF", Strength::Weak),
    ("EX", Strength::Weak),
    ("MN", Strength::Weak),
];

/// Commands without a key, and what they prove.
const WITHOUT_KEY: &[(&str, Strength)] = &[
    ("stats", Strength::Weak),
    ("version", Strength::Weak),
    ("quit", Strength::Weak),
    ("flush_all", Strength::Likely),
    ("verbosity", Strength::Likely),
    ("mn", Strength::Weak),
    ("shutdown", Strength::Weak),
    ("slabs", Strength::Weak),
    ("lru_crawler", Strength::Likely),
    ("watch", Strength::Weak),
];

pub(crate) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let bytes = match p.transport {
        Transport::Udp => datagram(p.bytes)?,
        _ => p.bytes,
    };
    let line = lines::first(bytes)?;
    let (word, rest) = line.split();
    let is_server = word.first()?.is_ascii_uppercase();
    if is_server {
        return answer(line, word, rest);
    }
    command(line, word, rest)
}

/// What is behind the header of a datagram.
fn datagram(bytes: &[u8]) -> Option<&[u8]> {
    let header = bytes.get(..DATAGRAM)?;
    let field = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    (field(4) > 0 && field(2) < field(4) && field(6) == 0).then(|| &bytes[DATAGRAM..])
}

fn command(line: Line<'_>, verb: &[u8], rest: Option<&[u8]>) -> Option<Finding> {
    let arguments = rest.unwrap_or_default();
    // A cut word could be the beginning of another one.
    if rest.is_none() && !line.complete {
        return None;
    }
    let key = split(arguments).0;
    let has_more = split(arguments).1.is_some() || line.complete;
    let show = |verb: &'static str| with_key(verb, key, has_more);
    let words = || {
        arguments
            .split(|&byte| byte == b' ')
            .filter(|word| !word.is_empty())
    };
    let plain = |strength, evidence: Evidence| Some(Finding::plaintext(strength, evidence));
    match verb {
        b"get" | b"gets" => {
            let fits = is_key(key) && words().all(is_key);
            fits.then(|| Finding::plaintext(Strength::Weak, show("get")))
        }
        b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => {
            let verb = known(&["set", "add", "replace", "append", "prepend", "cas"], verb)?;
            let mut numbers = 0;
            for (at, word) in words().skip(1).enumerate() {
                if numeric(word) {
                    numbers += 1;
                } else if !(at >= 3 && b"noreply".starts_with(word)) {
                    return None;
                }
            }
            let strength = match numbers {
                _ if !is_key(key) => return None,
                3.. => Strength::Certain,
                _ if line.complete => return None,
                2 => Strength::Likely,
                _ => Strength::Weak,
            };
            // The text protocol logs in by a `set` (doc/protocol.txt, Authentication) whose
            // value holds user and password: nothing distinguishes it from another `set`.
            plain(strength, show(verb))
        }
        b"incr" | b"decr" | b"touch" | b"gat" | b"gats" => {
            let verb = known(&["incr", "decr", "touch", "gat", "gats"], verb)?;
            let (number_at, key_at) = if verb.starts_with("gat") {
                (0, 1)
            } else {
                (1, 0)
            };
            let number_fits = words().nth(number_at).is_some_and(numeric);
            let key = words().nth(key_at).filter(|key| is_key(key))?;
            let strength = if number_fits {
                Strength::Likely
            } else {
                Strength::Weak
            };
            (number_fits || !line.complete)
                .then(|| Finding::plaintext(strength, with_key(verb, key, has_more)))
        }
        b"delete" if is_key(key) && words().count() <= 2 => plain(Strength::Weak, show("delete")),
        b"mg" | b"ms" | b"md" | b"ma" | b"me" => {
            let verb = known(&["mg", "ms", "md", "ma", "me"], verb)?;
            let is_flag = |word: &[u8]| word[0].is_ascii_alphabetic() || numeric(word);
            let fits = is_key(key) && words().skip(1).all(is_flag);
            let strength = if verb == "ms" && words().nth(1).is_some_and(numeric) {
                Strength::Likely
            } else {
                Strength::Weak
            };
            fits.then(|| Finding::plaintext(strength, show(verb)))
        }
        _ => {
            let (verb, strength) = WITHOUT_KEY
                .iter()
                .find(|(known, _)| verb == known.as_bytes())?;
            plain(*strength, (*verb).into())
        }
    }
}

fn answer(line: Line<'_>, word: &[u8], rest: Option<&[u8]>) -> Option<Finding> {
    let text = rest.unwrap_or_default();
    let plain = |strength, evidence: Evidence| Some(Finding::plaintext(strength, evidence));
    match word {
        b"VALUE" => {
            let (key, numbers) = split(text);
            let numbers = numbers?;
            let mut count = 0;
            for word in numbers
                .split(|&byte| byte == b' ')
                .filter(|word| !word.is_empty())
            {
                number(word)?;
                count += 1;
            }
            let fits = is_key(key) && (2..=3).contains(&count);
            let strength = if line.complete {
                Strength::Certain
            } else {
                Strength::Likely
            };
            (fits || !line.complete)
                .then(|| Finding::plaintext(strength, with_key("VALUE", key, true)))
        }
        // `STAT pid 123`; POP3 has the word alone.
        b"STAT" if split(text).1.is_some() => plain(Strength::Likely, "STAT".into()),
        b"VERSION" if rest.is_some() => plain(Strength::Likely, "VERSION".into()),
        b"CLIENT_ERROR" | b"SERVER_ERROR" if rest.is_some() => {
            let kind = text == b"unauthenticated" || text == b"authentication failure";
            let kind = kind.then_some(CredentialKind::MemcachedAuth);
            let word = known(&["CLIENT_ERROR", "SERVER_ERROR"], word)?;
            Some(Finding::plaintext(Strength::Certain, word).with_some(kind))
        }
        b"VA" if number(split(text).0).is_some() => plain(Strength::Likely, "VA".into()),
        b"HD" | b"NS" | b"NF" | b"EX" if rest.is_some() => plain(Strength::Weak, "HD".into()),
        _ if line.complete && rest.is_none() => {
            let (answer, strength) = ANSWERS
                .iter()
                .find(|(answer, _)| word == answer.as_bytes())?;
            plain(*strength, (*answer).into())
        }
        _ => None,
    }
}

/// A number that may be negative.
fn numeric(word: &[u8]) -> bool {
    number(word.strip_prefix(b"-").unwrap_or(word)).is_some()
}

fn is_key(key: &[u8]) -> bool {
    (1..=KEY_MAX).contains(&key.len()) && key.iter().all(|byte| *byte > b' ')
}

/// `get user:42`, with the key hidden if it is cut.
fn with_key(verb: &'static str, key: &[u8], complete: bool) -> Evidence {
    let mut evidence = Evidence::from(verb);
    if complete {
        evidence.word(" ").key(key, SHOWN_MAX);
    } else {
        evidence.word(" ").hidden();
    }
    evidence
}
