//! IMAP 4rev1 and 4rev2 (RFC 3501, 9051).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{self, Line, Lines, known, number, split};
use crate::parse::sasl::MECHANISMS;
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[143, 993];

/// Longest tag of a command.
const TAG_MAX: usize = 16;

/// Longest name of a mailbox that is shown.
const MAILBOX_MAX: usize = 40;

/// Commands that need an argument.
const WITH_ARGUMENT: &[&str] = &[
    "LOGIN",
    "AUTHENTICATE",
    "SELECT",
    "EXAMINE",
    "CREATE",
    "DELETE",
    "RENAME",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST",
    "LSUB",
    "STATUS",
    "APPEND",
    "SEARCH",
    "FETCH",
    "STORE",
    "COPY",
    "MOVE",
    "UID",
    "ENABLE",
    "GETQUOTAROOT",
    "GETACL",
    "ID",
    "XLIST",
    "SORT",
    "THREAD",
];

/// Commands that stand alone.
const ALONE: &[&str] = &[
    "CAPABILITY",
    "NOOP",
    "LOGOUT",
    "STARTTLS",
    "CHECK",
    "CLOSE",
    "EXPUNGE",
    "IDLE",
    "NAMESPACE",
    "UNSELECT",
    "COMPRESS",
];

/// Data that a server sends untagged.
const UNTAGGED: &[&str] = &[
    "CAPABILITY",
    "FLAGS",
    "LIST",
    "LSUB",
    "SEARCH",
    "STATUS",
    "NAMESPACE",
    "ENABLED",
    "ID",
    "ESEARCH",
    "QUOTA",
    "QUOTAROOT",
    "SORT",
    "THREAD",
    "XLIST",
    "VANISHED",
];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let line = lines::first(p.bytes)?;
    match line.text {
        [b'*', b' ', ..] => untagged(p, line),
        [b'+', b' ', ..] | [b'+'] => Some(Finding::plaintext(Strength::Weak, "+")),
        _ if line.text.eq_ignore_ascii_case(b"DONE") && line.complete => {
            Some(Finding::plaintext(Strength::Weak, "DONE"))
        }
        _ => tagged(line),
    }
}

/// `* OK …`, `* 18 EXISTS`, `* FLAGS (…)`.
fn untagged(p: &Payload<'_>, line: Line<'_>) -> Option<Finding> {
    let (word, rest) = split(&line.text[2..]);
    let mut finding = if number(word).is_some() {
        let (what, _) = split(rest?);
        let what = known(&["EXISTS", "RECENT", "FETCH", "EXPUNGE"], what)?;
        Finding::plaintext(Strength::Certain, Evidence::of(|e| e.word("* ").word(what)))
    } else if let Some(status) = known(&["OK", "NO", "BAD", "BYE", "PREAUTH"], word) {
        let text = rest.unwrap_or_default();
        let strength = if text.starts_with(b"[") || lines::contains(text, "IMAP") {
            Strength::Certain
        } else if rest.is_some() {
            Strength::Likely
        } else {
            Strength::Weak
        };
        Finding::plaintext(strength, Evidence::of(|e| e.word("* ").word(status)))
    } else {
        let what = known(UNTAGGED, word)?;
        let strength = if rest.is_some() {
            Strength::Certain
        } else {
            Strength::Likely
        };
        Finding::plaintext(strength, Evidence::of(|e| e.word("* ").word(what)))
    };
    // A second line that fits makes it sure.
    let second = Lines::new(p.bytes).nth(1);
    let fits = second.is_some_and(|line| line.text.starts_with(b"* "));
    if fits {
        finding.strength = Strength::Certain;
    }
    Some(finding)
}

/// A command with its tag, or the last answer to one.
fn tagged(line: Line<'_>) -> Option<Finding> {
    let (tag, rest) = line.split();
    let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    if tag.len() > TAG_MAX || !tag.iter().all(is_tag) {
        return None;
    }
    let (word, argument) = split(rest?);
    if argument.is_none() && !line.complete {
        return None;
    }
    // `230 Login successful.` is FTP.
    let one_case =
        word.iter().all(u8::is_ascii_uppercase) || word.iter().all(u8::is_ascii_lowercase);
    if !one_case {
        return None;
    }
    let has_digit = tag.iter().any(u8::is_ascii_digit);
    if let Some(status) = known(&["OK", "NO", "BAD"], word) {
        let text = argument.unwrap_or_default();
        let is_certain = text.starts_with(b"[") || (lines::contains(text, "completed"));
        let strength = match (is_certain, has_digit) {
            (true, true) => Strength::Certain,
            (true, false) | (false, true) => Strength::Likely,
            (false, false) => Strength::Weak,
        };
        return Some(Finding::plaintext(strength, status));
    }
    if let Some(command) = known(ALONE, word) {
        let strength = if has_digit {
            Strength::Likely
        } else {
            Strength::Weak
        };
        return Some(Finding::plaintext(strength, command));
    }
    let command = known(WITH_ARGUMENT, word)?;
    let argument = argument.filter(|argument| !argument.is_empty())?;
    let (evidence, kind) = show(command, argument, line.complete);
    let strength = if has_digit {
        Strength::Certain
    } else {
        Strength::Weak
    };
    Some(Finding::plaintext(strength, evidence).with_some(kind))
}

/// The command with what may be shown, and the credential in it.
fn show(
    command: &'static str,
    argument: &[u8],
    complete: bool,
) -> (Evidence, Option<CredentialKind>) {
    let (first, rest) = first_string(argument);
    let has_more = !rest.trim_ascii_start().is_empty();
    match command {
        "LOGIN" => {
            let kind = has_more.then_some(CredentialKind::ImapLogin);
            let evidence =
                Evidence::of(|e| e.word("LOGIN ").user(first, has_more).word(" ").hidden());
            (evidence, kind)
        }
        "AUTHENTICATE" => {
            let kind = has_more.then_some(CredentialKind::ImapLogin);
            let evidence =
                Evidence::of(|e| e.word("AUTHENTICATE ").known(known(MECHANISMS, first)));
            (evidence, kind)
        }
        "SELECT" | "EXAMINE" | "STATUS" if complete || has_more => {
            let evidence = Evidence::of(|e| e.word(command).word(" ").key(first, MAILBOX_MAX));
            (evidence, None)
        }
        "UID" => {
            let sub = known(
                &["FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE"],
                first,
            );
            (Evidence::of(|e| e.word("UID ").known(sub)), None)
        }
        _ => (command.into(), None),
    }
}

/// The first argument, without its quotes, and what follows it.
fn first_string(argument: &[u8]) -> (&[u8], &[u8]) {
    if let Some(quoted) = argument.strip_prefix(b"\"")
        && let Some(end) = quoted.iter().position(|&byte| byte == b'"')
    {
        return (&quoted[..end], &quoted[end + 1..]);
    }
    let (first, rest) = split(argument);
    (first, rest.unwrap_or_default())
}
