//! syslog: RFC 5424, the older form that RFC 3164 describes, and both framed for TCP (RFC 6587).

use crate::finding::{Finding, Strength};
use crate::parse::lines::{self, number, split};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[514, 601, 1514, 5140];

/// Longest name of an application that is shown.
const NAME_MAX: usize = 32;

/// Facility 23 and severity 7.
const PRIORITY_MAX: u64 = 191;

const MONTHS: &[&str] = &[
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let bytes = behind_length(p.bytes);
    let (priority, rest) = priority(bytes)?;
    let window = &rest[..rest.len().min(256)];
    let end = window.iter().position(|byte| b"\n\0".contains(byte));
    let text = &window[..end.unwrap_or(window.len())];
    // Some senders put a byte order mark before the message.
    if !lines::is_text(text) {
        return None;
    }
    if let Some(header) = text.strip_prefix(b"1 ") {
        return Some(new(priority, header));
    }
    if let Some(rest) = behind_timestamp(text) {
        let mut evidence = Evidence::from(severity(priority));
        if let Some(name) = application(rest) {
            add_name(&mut evidence, name);
        }
        return Some(Finding::plaintext(Strength::Certain, evidence));
    }
    let strength = if text.len() >= 8 {
        Strength::Likely
    } else {
        Strength::Weak
    };
    Some(Finding::plaintext(strength, severity(priority)))
}

/// `1 2003-10-11T22:14:15.003Z host app procid msgid …`; `header` is behind the version.
fn new(priority: u64, header: &[u8]) -> Finding {
    let mut evidence = Evidence::from(severity(priority));
    let (time, rest) = split(header);
    let is_time = time == b"-" || (time.len() >= 20 && time.get(10) == Some(&b'T'));
    if let Some(rest) = rest
        && let (_, Some(rest)) = split(rest)
        && let (name, Some(_)) = split(rest)
    {
        add_name(&mut evidence, name);
    }
    let strength = if is_time {
        Strength::Certain
    } else {
        Strength::Likely
    };
    Finding::plaintext(strength, evidence)
}

/// The application in `host app[pid]: …`, or in `app[pid]: …` where the sender leaves its host out, as Docker does.
/// Nothing where neither form is there: then the first word is one of the message.
fn application(text: &[u8]) -> Option<&[u8]> {
    let tag = |text: &'_ [u8]| -> Option<usize> {
        let end = text.iter().position(|byte| b"[: ".contains(byte))?;
        match text[end] {
            b':' => Some(end),
            // `[pid]:`
            b'[' => {
                let digits = text[end + 1..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                text[end + 1 + digits..].starts_with(b"]").then_some(end)
            }
            _ => None,
        }
    };
    if let Some(end) = tag(text) {
        return Some(&text[..end]);
    }
    let rest = split(text).1?;
    tag(rest).map(|end| &rest[..end])
}

/// Skips the length in front of a message on TCP.
fn behind_length(bytes: &[u8]) -> &[u8] {
    let digits = bytes
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    match bytes.get(digits..) {
        Some([b' ', b'<', ..]) if digits > 0 => &bytes[digits + 1..],
        _ => bytes,
    }
}

/// `<34>` and what follows.
fn priority(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let rest = bytes.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|&byte| byte == b'>')?;
    let digits = &rest[..end];
    let padded = digits.len() > 1 && digits[0] == b'0';
    let priority = number(digits).filter(|number| *number <= PRIORITY_MAX && !padded)?;
    let rest = &rest[end + 1..];
    (!rest.is_empty()).then_some((priority, rest))
}

/// `Oct 11 22:14:15 ` and what follows.
fn behind_timestamp(text: &[u8]) -> Option<&[u8]> {
    let month = text.get(..3)?;
    let named = MONTHS.iter().any(|known| month == known.as_bytes());
    let time = text.get(7..15)?;
    (named && time[2] == b':' && time[5] == b':').then(|| text[15..].trim_ascii_start())
}

fn add_name(evidence: &mut Evidence, name: &[u8]) {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./".contains(byte);
    if !name.is_empty() && name != b"-" && name.len() <= NAME_MAX && name.iter().all(fits) {
        evidence.word(" ").key(name, NAME_MAX);
    }
}

/// RFC 5424 section 6.2.1.
const fn severity(priority: u64) -> &'static str {
    match priority & 7 {
        0 => "emergency",
        1 => "alert",
        2 => "critical",
        3 => "error",
        4 => "warning",
        5 => "notice",
        6 => "informational",
        _ => "debug",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_name() {
        let names = [0, 1, 2, 3, 4, 5, 6, 7, 8 + 4].map(severity);
        insta::assert_snapshot!(names.join("\n"));
    }
}
