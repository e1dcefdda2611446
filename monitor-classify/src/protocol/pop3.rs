//! POP3 (RFC 1939, 2449, 2595, 5034).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{self, Line, Lines, known, number, split};
use crate::parse::sasl::MECHANISMS;
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[110, 995];

/// Commands that only POP3 has, with the least and most words behind them.
const OWN: &[(&str, usize, usize)] = &[
    ("UIDL", 0, 1),
    ("CAPA", 0, 0),
    ("STLS", 0, 0),
    ("RETR", 1, 1),
    ("DELE", 1, 1),
    ("TOP", 2, 2),
];

/// Commands that other protocols have, too.
const SHARED: &[&str] = &["STAT", "LIST", "QUIT", "NOOP", "RSET"];

/// Capabilities that servers list in reply to CAPA (RFC 2449).
const CAPABILITIES: &[&str] = &[
    "TOP",
    "USER",
    "SASL",
    "RESP-CODES",
    "LOGIN-DELAY",
    "PIPELINING",
    "EXPIRE",
    "UIDL",
    "IMPLEMENTATION",
    "STLS",
    "AUTH-RESP-CODE",
    "CAPA",
    "LANG",
    "UTF8",
];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let line = lines::first(p.bytes)?;
    if matches!(line.text.first()?, b'+' | b'-') {
        return reply(p, line);
    }
    command(line)
}

fn command(line: Line<'_>) -> Option<Finding> {
    let (verb, rest) = line.split();
    let argument = rest.filter(|rest| !rest.is_empty());
    if argument.is_none() && !line.complete {
        return None;
    }
    if let Some((verb, least, most)) = OWN
        .iter()
        .find(|(own, ..)| verb.eq_ignore_ascii_case(own.as_bytes()))
    {
        let words = argument.map_or(0, |argument| argument.split(|&byte| byte == b' ').count());
        let numbers = argument.is_none_or(|argument| {
            argument
                .split(|&byte| byte == b' ')
                .all(|word| number(word).is_some())
        });
        return (numbers && words <= *most && (words >= *least || !line.complete))
            .then(|| Finding::plaintext(Strength::Likely, *verb));
    }
    match verb.to_ascii_uppercase().as_slice() {
        b"PASS" => {
            let kind = argument.map(|_| CredentialKind::Pop3Password);
            Some(Finding::plaintext(Strength::Weak, "PASS …").with_some(kind))
        }
        b"USER" => {
            let user = argument.filter(|user| !user.contains(&b' '))?;
            let shown = Shown::User(user, line.complete);
            Some(Finding::plaintext(Strength::Weak, shown))
        }
        b"APOP" => {
            let (user, digest) = split(argument?);
            let digest = digest.filter(|digest| !digest.is_empty());
            let is_digest = digest.is_some_and(|digest| digest.iter().all(u8::is_ascii_hexdigit));
            let strength = if is_digest {
                Strength::Certain
            } else {
                Strength::Weak
            };
            let kind = digest.map(|_| CredentialKind::Pop3Password);
            let shown = Shown::Digest(user, digest.is_some());
            Some(Finding::plaintext(strength, shown).with_some(kind))
        }
        b"AUTH" => {
            let (mechanism, answer) = split(argument?);
            let mechanism = known(MECHANISMS, mechanism)?;
            let answer = answer.filter(|answer| !answer.is_empty());
            let kind = answer.map(|_| CredentialKind::Pop3Password);
            let shown = Shown::Auth(mechanism);
            Some(Finding::plaintext(Strength::Weak, shown).with_some(kind))
        }
        _ => known(SHARED, verb).map(|verb| Finding::plaintext(Strength::Weak, verb)),
    }
}

/// What is shown of a command that has a secret or a name.
enum Shown<'a> {
    /// The name of an account, and whether it is whole.
    User(&'a [u8], bool),
    /// The same in front of a digest.
    Digest(&'a [u8], bool),
    /// A mechanism.
    Auth(&'static str),
}

impl From<Shown<'_>> for Evidence {
    fn from(shown: Shown<'_>) -> Self {
        Self::of(|e| match shown {
            Shown::User(user, whole) => e.word("USER ").user(user, whole),
            Shown::Digest(user, whole) => e.word("APOP ").user(user, whole).word(" ").hidden(),
            Shown::Auth(mechanism) => e.word("AUTH ").word(mechanism),
        })
    }
}

/// `+OK` or `-ERR` and the text behind it. RESP and NATS share these words.
fn reply(p: &Payload<'_>, line: Line<'_>) -> Option<Finding> {
    let (status, text) = line.split();
    if text.is_none() && !line.complete {
        return None;
    }
    let status = match status {
        b"+OK" => "+OK",
        b"-ERR" => "-ERR",
        // A challenge.
        b"+" => return Some(Finding::plaintext(Strength::Weak, "+")),
        _ => return None,
    };
    let text = text.unwrap_or_default();
    let is_banner = lines::contains(text, "POP3")
        || (text.ends_with(b">") && text.contains(&b'<') && text.contains(&b'@'));
    let (word, rest) = split(text);
    let (second, third) = split(rest.unwrap_or_default());
    let counts = number(word).is_some()
        && (matches!(
            second,
            b"octets" | b"messages" | b"messages:" | b"message" | b"visible"
        ) || (number(second).is_some() && third.is_none()));
    let lists = || {
        Lines::new(p.bytes)
            .skip(1)
            .take(6)
            .filter(|line| known(CAPABILITIES, line.split().0).is_some())
            .count()
            >= 2
    };
    let says = [
        "Dovecot",
        "Logged in",
        "[AUTH]",
        "Begin TLS",
        "mailbox",
        "maildrop",
    ];
    let strength = if is_banner || lists() {
        Strength::Certain
    } else if counts || says.iter().any(|saying| lines::contains(text, saying)) {
        Strength::Likely
    } else {
        Strength::Weak
    };
    Some(Finding::plaintext(strength, status))
}
