//! IRC (RFC 1459, 2812, IRCv3): messages of clients and servers.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{self, Line, Lines, contains, known, number, split};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[
    6667, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6668, 6669, 6697, 194,
];

/// Longest name of a channel that is shown.
const TARGET_MAX: usize = 40;

/// Commands that a server passes on from a user.
const PASSED_ON: &[&str] = &[
    "PRIVMSG", "NOTICE", "JOIN", "PART", "QUIT", "NICK", "MODE", "TOPIC", "KICK", "INVITE", "PONG",
    "CAP", "ACCOUNT", "AWAY", "WALLOPS", "ERROR",
];

/// Commands of which no argument is shown.
const BARE: &[&str] = &[
    "WHO", "WHOIS", "MODE", "QUIT", "AWAY", "LIST", "MOTD", "INVITE", "KICK",
];

/// Commands to services that carry a password.
const IDENTIFY: &[&str] = &["identify ", "register ", "id ", "ghost ", "recover "];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut lines = Lines::new(p.bytes);
    let first = message(lines.next()?)?;
    Some(
        lines
            .take(2)
            .filter_map(message)
            .fold(first, |mut first, next| {
                // Two messages in a row that fit are no chance.
                first.strength = first.strength.max(next.strength).max(Strength::Likely);
                first.credentials.extend(next.credentials);
                first
            }),
    )
}

fn message(line: Line<'_>) -> Option<Finding> {
    // IRCv3 tags.
    let text = match line.text.first()? {
        b'@' => split(line.text).1?,
        _ => line.text,
    };
    if text.first() == Some(&b':') {
        return from_server(text, line.complete);
    }
    command(text, line.complete)
}

/// `:host 001 nick …` and `:nick!user@host PRIVMSG #channel :…`.
fn from_server(text: &[u8], complete: bool) -> Option<Finding> {
    let (prefix, rest) = split(&text[1..]);
    let (word, arguments) = split(rest?);
    arguments.or(complete.then_some(&[]))?;
    if word.len() == 3 && number(word).is_some() {
        return Some(Finding::plaintext(Strength::Certain, Shown::Numeric(word)));
    }
    let command = known(PASSED_ON, word)?;
    let from_user = prefix.contains(&b'!') && prefix.contains(&b'@');
    let strength = if from_user {
        Strength::Certain
    } else {
        Strength::Likely
    };
    let (target, _) = split(arguments.unwrap_or_default());
    Some(Finding::plaintext(strength, Shown::To(command, target)))
}

fn command(text: &[u8], complete: bool) -> Option<Finding> {
    let (word, arguments) = split(text);
    let (first, rest) = split(arguments?);
    let has_trailing = rest.is_some_and(|rest| rest.starts_with(b":"));
    match word.to_ascii_uppercase().as_slice() {
        b"NICK" => {
            let nick = first.strip_prefix(b":").unwrap_or(first);
            let fits = complete && rest.is_none() && !nick.is_empty();
            fits.then(|| Finding::plaintext(Strength::Weak, Shown::User("NICK ", nick)))
        }
        b"USER" => {
            // User, mode or host, host, and the real name.
            let words = rest?.splitn(3, |&byte| byte == b' ').count();
            (words == 3).then(|| Finding::plaintext(Strength::Certain, Shown::User("USER ", first)))
        }
        b"PASS" => {
            let kind = (!first.is_empty()).then_some(CredentialKind::IrcPassword);
            Some(Finding::plaintext(Strength::Weak, "PASS …").with_some(kind))
        }
        b"OPER" => {
            let kind = rest.is_some().then_some(CredentialKind::IrcPassword);
            Some(Finding::plaintext(Strength::Likely, "OPER …").with_some(kind))
        }
        b"AUTHENTICATE" => {
            let mechanism = known(
                &[
                    "PLAIN",
                    "EXTERNAL",
                    "SCRAM-SHA-256",
                    "ECDSA-NIST256P-CHALLENGE",
                    "+",
                ],
                first,
            );
            let kind = mechanism.is_none().then_some(CredentialKind::IrcPassword);
            let shown = Shown::Known("AUTHENTICATE ", mechanism);
            Some(Finding::plaintext(Strength::Likely, shown).with_some(kind))
        }
        b"CAP" => known(&["LS", "LIST", "REQ", "END", "ACK", "NAK"], first)
            .map(|sub| Finding::plaintext(Strength::Certain, Shown::Known("CAP ", Some(sub)))),
        b"PRIVMSG" | b"NOTICE" => {
            let is_service = contains(first, "serv");
            let said = rest.unwrap_or_default();
            let said = said.strip_prefix(b":").unwrap_or(said);
            let logs_in =
                |start: &&'static str| lines::starts(said, start) && said.len() > start.len();
            let kind =
                (is_service && IDENTIFY.iter().any(logs_in)).then_some(CredentialKind::IrcPassword);
            let strength = if has_trailing {
                Strength::Certain
            } else {
                Strength::Likely
            };
            Some(Finding::plaintext(strength, Shown::To("message to", first)).with_some(kind))
        }
        b"JOIN" | b"PART" | b"TOPIC" | b"NAMES" => {
            let command = known(&["JOIN", "PART", "TOPIC", "NAMES"], word)?;
            let strength = if is_channel(first) {
                Strength::Likely
            } else {
                Strength::Weak
            };
            let is_whole = complete || rest.is_some();
            let channel = if is_whole { first } else { &[] };
            Some(Finding::plaintext(strength, Shown::To(command, channel)))
        }
        b"PING" | b"PONG" if !first.is_empty() => {
            let strength = if first.starts_with(b":") {
                Strength::Likely
            } else {
                Strength::Weak
            };
            known(&["PING", "PONG"], word).map(|word| Finding::plaintext(strength, word))
        }
        b"ERROR" if first.starts_with(b":") => Some(Finding::plaintext(Strength::Likely, "ERROR")),
        _ => known(BARE, word).map(|word| Finding::plaintext(Strength::Weak, word)),
    }
}

fn is_channel(target: &[u8]) -> bool {
    matches!(target.first(), Some(b'#' | b'&' | b'+'))
}

/// What is shown of a message.
enum Shown<'a> {
    /// The number of an answer.
    Numeric(&'a [u8]),
    /// A command and the name of an account.
    User(&'static str, &'a [u8]),
    /// A command and a word that is known.
    Known(&'static str, Option<&'static str>),
    /// A command and its target. Channels are shown; other targets are people.
    To(&'static str, &'a [u8]),
}

impl From<Shown<'_>> for Evidence {
    fn from(shown: Shown<'_>) -> Self {
        Self::of(|e| match shown {
            Shown::Numeric(number) => e.word("numeric ").key(number, 3),
            Shown::User(command, user) => e.word(command).user(user, true),
            Shown::Known(command, word) => e.word(command).known(word),
            Shown::To(what, target) => {
                let target = target.strip_prefix(b":").unwrap_or(target);
                if is_channel(target) {
                    e.word(what).word(" ").key(target, TARGET_MAX)
                } else {
                    e.word(what)
                }
            }
        })
    }
}
