//! NATS' client protocol.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{Line, Lines, known, number, split};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[4222, 6222];

/// Longest subject that is shown.
const SUBJECT_MAX: usize = 60;

/// Options of CONNECT that hold a credential.
const SECRETS: &[&[u8]] = &[
    b"\"pass\":\"",
    b"\"auth_token\":\"",
    b"\"jwt\":\"",
    b"\"sig\":\"",
    b"\"nkey\":\"",
];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    // INFO and CONNECT can be longer than a line may be.
    if let Some(options) = p.bytes.strip_prefix(b"CONNECT ") {
        return connect(options);
    }
    if let Some(options) = p.bytes.strip_prefix(b"INFO ") {
        let options = options.trim_ascii_start();
        let strength = if options.starts_with(b"{\"server") {
            Strength::Certain
        } else {
            Strength::Weak
        };
        return options
            .starts_with(b"{")
            .then(|| Finding::plaintext(strength, "INFO"));
    }
    let mut lines = Lines::new(p.bytes);
    let finding = line(lines.next()?)?;
    // `+OK` and `PING` before something that only NATS writes.
    let next = lines
        .take(1)
        .find_map(|next| line(next).filter(|next| next.strength > Strength::Weak));
    match next {
        Some(next) if finding.strength == Strength::Weak => Some(next),
        _ => Some(finding),
    }
}

fn connect(options: &[u8]) -> Option<Finding> {
    let options = options.trim_ascii_start();
    if options.first() != Some(&b'{') {
        return None;
    }
    let end = options.iter().position(|&byte| byte == b'\n');
    let options = &options[..end.unwrap_or(options.len())];
    let value = |name: &[u8]| {
        let at = options
            .windows(name.len())
            .position(|window| window == name)?;
        let value = &options[at + name.len()..];
        (!value.is_empty()).then_some(value)
    };
    let kind = SECRETS
        .iter()
        .any(|name| value(name).is_some_and(|value| value[0] != b'"'));
    let is_nats = value(b"\"verbose\":").is_some()
        || value(b"\"pedantic\":").is_some()
        || value(b"\"lang\":").is_some();
    let mut evidence = Evidence::from("CONNECT");
    if let Some(user) = value(b"\"user\":\"")
        && let Some(end) = user.iter().position(|&byte| byte == b'"')
    {
        evidence.word(" user ").user(&user[..end], true);
    }
    let strength = if is_nats {
        Strength::Certain
    } else {
        Strength::Likely
    };
    let kind = kind.then_some(CredentialKind::NatsAuth);
    Some(Finding::plaintext(strength, evidence).with_some(kind))
}

fn line(line: Line<'_>) -> Option<Finding> {
    let (verb, rest) = line.split();
    if rest.is_none() && !line.complete {
        return None;
    }
    let mut words = rest
        .unwrap_or_default()
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty());
    let (first, last) = (words.next(), words.next_back());
    let between = words.count();
    let upper = verb.to_ascii_uppercase();
    let plain = |strength, evidence: Evidence| Some(Finding::plaintext(strength, evidence));
    let with_subject =
        |verb, subject, whole| Evidence::of(|e| shown(e.word(verb).word(" "), subject, whole));
    match upper.as_slice() {
        b"PUB" | b"HPUB" | b"MSG" | b"HMSG" => {
            let verb = known(&["PUB", "HPUB", "MSG", "HMSG"], verb)?;
            let subject = first.filter(|subject| is_subject(subject))?;
            // HPUB: subject, reply, two sizes. MSG: subject, number, reply, size.
            let most = if verb.starts_with('H') { 3 } else { 2 };
            let sized = last.is_some_and(|last| number(last).is_some());
            let strength = match (line.complete, sized && between < most) {
                (true, true) => Strength::Certain,
                (true, false) => return None,
                (false, _) => Strength::Weak,
            };
            let whole = line.complete || last.is_some();
            plain(strength, with_subject(verb, subject, whole))
        }
        b"SUB" => {
            let subject = first.filter(|subject| is_subject(subject))?;
            let strength = match (line.complete, last.is_some() && between <= 1) {
                (true, true) => Strength::Likely,
                (true, false) => return None,
                (false, _) => Strength::Weak,
            };
            let whole = line.complete || last.is_some();
            plain(strength, with_subject("SUB", subject, whole))
        }
        b"UNSUB" => first.and_then(|_| plain(Strength::Likely, "UNSUB".into())),
        b"PING" | b"PONG" if first.is_none() => {
            known(&["PING", "PONG"], verb).and_then(|verb| plain(Strength::Weak, verb.into()))
        }
        b"+OK" if first.is_none() => plain(Strength::Weak, "+OK".into()),
        b"-ERR" => {
            let text = split(line.text).1?;
            let quoted = text.starts_with(b"'");
            let strength = if quoted {
                Strength::Likely
            } else {
                Strength::Weak
            };
            plain(strength, "-ERR".into())
        }
        _ => None,
    }
}

fn is_subject(subject: &[u8]) -> bool {
    subject.iter().all(|byte| byte.is_ascii_graphic())
}

/// Adds a subject; what follows `_INBOX` is made up for one answer.
fn shown<'e>(evidence: &'e mut Evidence, subject: &[u8], complete: bool) -> &'e mut Evidence {
    if !complete {
        evidence.hidden()
    } else if subject.starts_with(b"_INBOX.") {
        evidence.word("_INBOX.").hidden()
    } else {
        evidence.topic(subject, SUBJECT_MAX)
    }
}
