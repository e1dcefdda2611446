//! SMTP, submission and LMTP (RFC 5321, 4954, 2033): commands and replies. The
//! mail itself is text that is not recognised.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{self, Line, Lines, known, split, starts};
use crate::parse::sasl::MECHANISMS;
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[25, 587, 2525, 24, 465];

/// Verbs that other protocols share.
const SHARED: &[&str] = &[
    "DATA", "RSET", "QUIT", "NOOP", "HELP", "VRFY", "EXPN", "STARTTLS",
];

/// Keywords of extensions, as servers list them behind EHLO (IANA).
const EXTENSIONS: &[&str] = &[
    "PIPELINING",
    "SIZE",
    "8BITMIME",
    "STARTTLS",
    "ENHANCEDSTATUSCODES",
    "AUTH",
    "DSN",
    "CHUNKING",
    "SMTPUTF8",
    "ETRN",
    "VRFY",
    "EXPN",
    "BINARYMIME",
    "HELP",
    "XCLIENT",
    "XFORWARD",
    "AUTH=LOGIN",
    "AUTH=PLAIN",
    "LIMITS",
    "REQUIRETLS",
    "DELIVERBY",
    "MT-PRIORITY",
    "TURN",
    "BURL",
];

/// Longest name of a host that is shown.
const HOST_MAX: usize = 40;

/// Longest line that can be an answer in AUTH.
const ANSWER_MAX: usize = 512;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let line = lines::first(p.bytes)?;
    if line.text.first()?.is_ascii_digit() {
        return reply(p, line);
    }
    let finding = command(line).or_else(|| answer(p, line))?;
    let more = Lines::new(p.bytes).skip(1).take(1).filter_map(command);
    Some(more.fold(finding, merge))
}

/// Pipelined commands: the surest counts, and every credential.
fn merge(mut finding: Finding, next: Finding) -> Finding {
    finding.strength = finding.strength.max(next.strength);
    finding.credentials.extend(next.credentials);
    finding
}

fn command(line: Line<'_>) -> Option<Finding> {
    let (verb, rest) = line.split();
    if verb.len() < 4 {
        return None;
    }
    if let Some(greeting) = known(&["EHLO", "HELO", "LHLO"], verb) {
        let host = rest.filter(|host| !host.is_empty())?;
        let shown = Shown::Greeting(greeting, line.complete.then_some(host));
        return Some(Finding::plaintext(Strength::Certain, shown));
    }
    for start in ["MAIL FROM:", "RCPT TO:"] {
        if starts(line.text, start) {
            let address = line.text[start.len()..].trim_ascii_start();
            let shown = Shown::Address(start, address);
            return Some(Finding::plaintext(Strength::Certain, shown));
        }
    }
    if verb.eq_ignore_ascii_case(b"AUTH") {
        return auth(rest?, line.complete);
    }
    if verb.eq_ignore_ascii_case(b"BDAT") {
        lines::number(split(rest?).0)?;
        return Some(Finding::plaintext(Strength::Likely, "BDAT"));
    }
    let verb = known(SHARED, verb)?;
    (line.complete || rest.is_some()).then(|| Finding::plaintext(Strength::Weak, verb))
}

/// `AUTH PLAIN dGVzdA…`; POP3 has the same.
fn auth(rest: &[u8], complete: bool) -> Option<Finding> {
    let (mechanism, answer) = split(rest);
    if answer.is_none() && !complete {
        return None;
    }
    let mechanism = known(MECHANISMS, mechanism)?;
    let answer = answer.filter(|answer| !answer.is_empty());
    let kind = answer.map(|_| CredentialKind::SmtpAuth);
    let shown = Shown::Auth(mechanism);
    Some(Finding::plaintext(Strength::Weak, shown).with_some(kind))
}

/// The base64 that a client answers a challenge with: a line of nothing else.
fn answer(p: &Payload<'_>, line: Line<'_>) -> Option<Finding> {
    let fits = PORTS.contains(&p.dst_port)
        && line.complete
        && p.wire_len as usize == p.bytes.len()
        && line.text.len() + 2 >= p.bytes.len()
        && line.text.len() <= ANSWER_MAX
        && lines::is_base64(line.text);
    fits.then(|| Finding::plaintext(Strength::Weak, "AUTH answer").with(CredentialKind::SmtpAuth))
}

fn reply(p: &Payload<'_>, line: Line<'_>) -> Option<Finding> {
    let (code, _, text) = line.reply()?;
    let (word, _) = split(text);
    let says_smtp = || lines::contains(text, "SMTP") || lines::contains(text, "LMTP");
    let strength = match code {
        220 if says_smtp() => Strength::Certain,
        // RFC 2034: `250 2.1.0 Ok`, the first digit again.
        200..=599 if is_enhanced_status(word, code) => Strength::Likely,
        334 if text.starts_with(b"VXNlcm5hbWU6") || text.starts_with(b"UGFzc3dvcmQ6") => {
            Strength::Certain
        }
        250 if known(EXTENSIONS, word).is_some() => Strength::Certain,
        250 => Lines::new(p.bytes)
            .skip(1)
            .take(8)
            .find_map(extension)
            .unwrap_or(Strength::Weak),
        354 if lines::contains(text, "<CR><LF>") => Strength::Certain,
        211
        | 214
        | 220
        | 221
        | 235
        | 251
        | 252
        | 334
        | 354
        | 421
        | 450..=455
        | 500..=504
        | 521
        | 530
        | 534
        | 535
        | 538
        | 550..=556 => Strength::Weak,
        _ => return None,
    };
    let shown = match code {
        220 if word.contains(&b'.') && !is_enhanced_status(word, code) => {
            Shown::Banner(code, (text.len() > word.len()).then_some(word))
        }
        _ => Shown::Reply(code),
    };
    Some(Finding::plaintext(strength, shown))
}

/// What is shown of a line.
enum Shown<'a> {
    /// How a client greets, and its name if that is whole.
    Greeting(&'static str, Option<&'a [u8]>),
    /// The beginning of a command, and a mail address.
    Address(&'static str, &'a [u8]),
    /// A mechanism.
    Auth(&'static str),
    /// The number of a reply, and the server's name if that is whole.
    Banner(u16, Option<&'a [u8]>),
    /// The number of a reply.
    Reply(u16),
}

impl From<Shown<'_>> for Evidence {
    fn from(shown: Shown<'_>) -> Self {
        Self::of(|e| match shown {
            Shown::Greeting(word, None) => e.word(word).word(" ").hidden(),
            Shown::Greeting(word, Some(host)) => e.word(word).word(" ").host(host, HOST_MAX),
            Shown::Banner(code, None) => e.number(code).word(" ").hidden(),
            Shown::Banner(code, Some(host)) => e.number(code).word(" ").host(host, HOST_MAX),
            Shown::Address(start, address) => e.word(start).address(address),
            Shown::Auth(mechanism) => e.word("AUTH ").word(mechanism),
            Shown::Reply(code) => e.number(code),
        })
    }
}

/// The second and later lines of an answer to EHLO; any answer of 250 fits.
fn extension(line: Line<'_>) -> Option<Strength> {
    let (code, _, text) = line.reply()?;
    let named = code == 250 && known(EXTENSIONS, split(text).0).is_some();
    named.then_some(Strength::Certain)
}

fn is_enhanced_status(word: &[u8], code: u16) -> bool {
    let mut parts = word.split(|&byte| byte == b'.');
    let class = parts.next().and_then(lines::number);
    let is_detail = |part: Option<&[u8]>| {
        part.is_some_and(|part| part.len() <= 3 && lines::number(part).is_some())
    };
    class == Some(u64::from(code / 100))
        && is_detail(parts.next())
        && is_detail(parts.next())
        && parts.next().is_none()
}
