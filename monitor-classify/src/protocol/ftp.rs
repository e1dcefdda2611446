//! FTP's control connection (RFC 959, 2228, 2389, 2428). Files travel on
//! connections of their own.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{self, Line, Lines, known, split};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[21, 2121];

/// Longest name of a file that is shown.
const PATH_MAX: usize = 60;

/// Commands whose argument is a file, and that no other protocol has.
const FILES: &[&str] = &[
    "RETR", "STOR", "APPE", "CWD", "MKD", "RMD", "MDTM", "RNFR", "RNTO", "MLSD", "MLST", "NLST",
    "STOU", "XCWD", "XMKD", "XRMD",
];

/// Commands without an argument that no other protocol has.
const OWN: &[&str] = &[
    "PASV", "EPSV", "SYST", "FEAT", "PWD", "CDUP", "XPWD", "ABOR", "REIN", "CCC",
];

/// Commands that other protocols have, too.
const SHARED: &[&str] = &[
    "USER", "QUIT", "NOOP", "LIST", "DELE", "STAT", "HELP", "SIZE", "ACCT",
];

/// Commands with an argument that is not shown.
const WITH_ARGUMENT: &[&str] = &[
    "PROT", "PBSZ", "OPTS", "SITE", "REST", "STRU", "MODE", "ALLO",
];

/// Phrases in the replies of most servers, by code.
const PHRASES: &[(u16, &str)] = &[
    (150, "data connection"),
    (150, "directory listing"),
    (150, "Accepted"),
    (200, "Type set"),
    (200, "mode"),
    (200, "PORT"),
    (211, "Extensions"),
    (211, "Features"),
    (215, "UNIX"),
    (215, "Windows"),
    (220, "FTP"),
    (221, "Goodbye"),
    (226, "Transfer complete"),
    (226, "send OK"),
    (226, "Directory"),
    (230, "log"),
    (234, "TLS"),
    (250, "directory"),
    (331, "pass"),
    (425, "connection"),
    (530, "log"),
    (550, "directory"),
];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let line = lines::first(p.bytes)?;
    if line.text.first()?.is_ascii_digit() {
        let mut replies = Lines::new(p.bytes).take(2);
        let first = reply(replies.next()?)?;
        return Some(replies.filter_map(reply).fold(first, stronger));
    }
    command(line)
}

fn stronger(mut first: Finding, next: Finding) -> Finding {
    first.strength = first.strength.max(next.strength);
    first
}

fn command(line: Line<'_>) -> Option<Finding> {
    let (verb, rest) = line.split();
    let argument = rest.filter(|rest| !rest.is_empty());
    if argument.is_none() && !line.complete {
        return None;
    }
    if let Some(verb) = known(FILES, verb) {
        let shown = Shown::File(verb, argument, line.complete);
        return Some(Finding::plaintext(Strength::Likely, shown));
    }
    if let Some(verb) = known(OWN, verb) {
        return (line.complete && argument.is_none())
            .then(|| Finding::plaintext(Strength::Likely, verb));
    }
    match verb.to_ascii_uppercase().as_slice() {
        b"PASS" => {
            let kind = argument.map(|_| CredentialKind::FtpPassword);
            Some(Finding::plaintext(Strength::Weak, "PASS …").with_some(kind))
        }
        b"USER" => {
            // IRC has four words here.
            let user = argument.filter(|user| !user.contains(&b' '))?;
            let shown = Shown::User(user, line.complete);
            Some(Finding::plaintext(Strength::Weak, shown))
        }
        b"PORT" => {
            let is_address = six_numbers(argument?, line.complete);
            is_address.then(|| Finding::plaintext(Strength::Certain, "PORT"))
        }
        b"EPRT" => {
            (argument?.first() == Some(&b'|')).then(|| Finding::plaintext(Strength::Likely, "EPRT"))
        }
        b"TYPE" => matches!(argument?, b"I" | b"A" | b"A N" | b"E" | b"i" | b"a")
            .then(|| Finding::plaintext(Strength::Likely, "TYPE")),
        b"AUTH" => known(&["TLS", "SSL", "TLS-C", "TLS-P"], argument?)
            .map(|kind| Finding::plaintext(Strength::Likely, Shown::Auth(kind))),
        b"PROT" | b"PBSZ" | b"OPTS" | b"SITE" | b"REST" | b"STRU" | b"MODE" | b"ALLO" => {
            argument?;
            known(WITH_ARGUMENT, verb).map(|verb| Finding::plaintext(Strength::Weak, verb))
        }
        _ => known(SHARED, verb).map(|verb| Finding::plaintext(Strength::Weak, verb)),
    }
}

/// What is shown of a line.
enum Shown<'a> {
    /// A command and a path, which ends where the capture does if it is not whole.
    File(&'static str, Option<&'a [u8]>, bool),
    /// The name of an account, and whether it is whole.
    User(&'a [u8], bool),
    /// A kind of encryption.
    Auth(&'static str),
    /// The number of a reply.
    Reply(u16),
}

impl From<Shown<'_>> for Evidence {
    fn from(shown: Shown<'_>) -> Self {
        Self::of(|e| match shown {
            Shown::File(verb, None, _) => e.word(verb),
            Shown::File(verb, Some(path), true) => e.word(verb).word(" ").key(path, PATH_MAX),
            Shown::File(verb, Some(path), false) => {
                let whole = path.iter().rposition(|&byte| byte == b'/');
                let whole = &path[..whole.map_or(0, |at| at + 1)];
                e.word(verb).word(" ").key(whole, PATH_MAX).hidden()
            }
            Shown::User(user, whole) => e.word("USER ").user(user, whole),
            Shown::Auth(kind) => e.word("AUTH ").word(kind),
            Shown::Reply(code) => e.number(code),
        })
    }
}

fn reply(line: Line<'_>) -> Option<Finding> {
    let (code, mark, text) = line.reply()?;
    let strength = match code {
        227 if has_six_numbers(text) => Strength::Certain,
        229 if lines::contains(text, "(|||") => Strength::Certain,
        257 if text.first() == Some(&b'"') => Strength::Certain,
        211 if mark == b'-' && lines::contains(text, "Features") => Strength::Certain,
        220 if lines::contains(text, "FTP") => Strength::Certain,
        _ if PHRASES
            .iter()
            .any(|(known, phrase)| *known == code && lines::contains(text, phrase)) =>
        {
            Strength::Likely
        }
        // RFC 3659: size, and time of change.
        213 if lines::number(split(text).0).is_some() => Strength::Likely,
        110
        | 120
        | 125
        | 150
        | 200
        | 202
        | 211..=215
        | 220
        | 221
        | 225..=232
        | 234
        | 250
        | 257
        | 331
        | 332
        | 334
        | 350
        | 421
        | 425
        | 426
        | 430
        | 431
        | 434
        | 450..=452
        | 500..=504
        | 522
        | 530
        | 532..=534
        | 550..=553 => Strength::Weak,
        _ => return None,
    };
    Some(Finding::plaintext(strength, Shown::Reply(code)))
}

fn has_six_numbers(text: &[u8]) -> bool {
    let open = text.iter().position(|&byte| byte == b'(');
    open.is_some_and(|open| {
        let rest = &text[open + 1..];
        let close = rest.iter().position(|&byte| byte == b')');
        close.is_some_and(|close| six_numbers(&rest[..close], true))
    })
}

/// `h1,h2,h3,h4,p1,p2`, each a byte; at least four of them where it is cut.
fn six_numbers(text: &[u8], complete: bool) -> bool {
    let mut count = 0;
    for part in text.split(|&byte| byte == b',') {
        count += 1;
        let is_byte = lines::number(part).is_some_and(|number| number < 256);
        if !is_byte && (complete || !part.is_empty()) {
            return false;
        }
    }
    count == 6 || (!complete && (4..6).contains(&count))
}
