//! SIP (RFC 3261) and RTSP (RFC 2326, 7826), which both have the form of HTTP.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{self, Line, Lines, starts};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const SIP_PORTS: &[u16] = &[5060, 5080];
pub(super) const RTSP_PORTS: &[u16] = &[554, 8554];

const SIP_METHODS: &[&str] = &[
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "REFER",
    "MESSAGE",
    "UPDATE",
];

const RTSP_METHODS: &[&str] = &[
    "OPTIONS",
    "DESCRIBE",
    "ANNOUNCE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
    "REDIRECT",
    "RECORD",
    "PLAY_NOTIFY",
];

/// Header fields that are looked at.
const FIELDS_MAX: usize = 24;

/// Longest scheme, and longest host or path, that is shown.
const SCHEME_MAX: usize = 40;
const TARGET_MAX: usize = 60;

/// One of the two.
struct Form {
    version: &'static str,
    methods: &'static [&'static str],
    schemes: &'static [&'static str],
}

pub(super) fn inspect_sip(p: &Payload<'_>) -> Option<Finding> {
    // Keep-alive (RFC 5626): two line ends, answered by one.
    if matches!(p.bytes, b"\r\n\r\n" | b"\r\n" | b"jaK\0" | b"\0\0\0\0") {
        return Some(Finding::plaintext(Strength::Weak, "keep-alive"));
    }
    inspect(
        p,
        &Form {
            version: "SIP/2.0",
            methods: SIP_METHODS,
            schemes: &["sip:", "sips:", "tel:", "urn:"],
        },
    )
}

pub(super) fn inspect_rtsp(p: &Payload<'_>) -> Option<Finding> {
    inspect(
        p,
        &Form {
            version: "RTSP/",
            methods: RTSP_METHODS,
            schemes: &["rtsp:", "rtsps:", "rtspu:", "*"],
        },
    )
}

fn inspect(p: &Payload<'_>, form: &Form) -> Option<Finding> {
    let mut lines = Lines::new(p.bytes);
    let first = lines.next()?;
    let mut finding = if first.text.starts_with(form.version.as_bytes()) {
        answer(first, form)?
    } else if form.version.as_bytes().starts_with(first.text) && first.text.len() >= 4 {
        Finding::plaintext(Strength::Likely, "answer")
    } else {
        request(first, form)?
    };
    for field in lines
        .take(FIELDS_MAX)
        .take_while(|line| !line.text.is_empty())
    {
        if !matches!(field.text[0] | 0x20, b'a' | b'p') {
            continue;
        }
        for name in ["Authorization:", "Proxy-Authorization:"] {
            if starts(field.text, name) && field.text.len() > name.len() + 8 {
                finding.credentials.push(CredentialKind::SipDigest);
            }
        }
    }
    Some(finding)
}

/// `SIP/2.0 200 OK`.
fn answer(line: Line<'_>, form: &Form) -> Option<Finding> {
    let (version, rest) = line.split();
    let fits = version == form.version.as_bytes() || matches!(version, b"RTSP/1.0" | b"RTSP/2.0");
    let Some(rest) = rest else {
        return Some(Finding::plaintext(Strength::Likely, "answer"));
    };
    let code = rest
        .get(..3)
        .filter(|code| code.iter().all(u8::is_ascii_digit));
    match code {
        Some(code) if fits => {
            let code = lines::number(code)?;
            Some(Finding::plaintext(
                Strength::Certain,
                Evidence::of(|e| e.word("answer ").number(code)),
            ))
        }
        None if fits && !line.complete => Some(Finding::plaintext(Strength::Likely, "answer")),
        _ => None,
    }
}

/// `INVITE sip:bob@biloxi.example SIP/2.0`.
fn request(line: Line<'_>, form: &Form) -> Option<Finding> {
    let (method, rest) = line.split();
    let method = form
        .methods
        .iter()
        .find(|known| method == known.as_bytes())?;
    let (target, version) = lines::split(rest?);
    let is_target = form.schemes.iter().any(|scheme| starts(target, scheme));
    let strength = match version {
        Some(version) if version.starts_with(form.version.as_bytes()) => Strength::Certain,
        _ if line.complete || !is_target || target == b"*" => return None,
        _ => Strength::Likely,
    };
    let mut evidence = Evidence::from(*method);
    show(evidence.word(" "), target, version.is_some());
    Some(Finding::plaintext(strength, evidence))
}

/// Adds `sip:bob@biloxi.example`, without parameters and passwords, or `rtsp://host/path`.
fn show(evidence: &mut Evidence, target: &[u8], complete: bool) {
    if !complete {
        evidence.hidden();
        return;
    }
    let end = target.iter().position(|byte| b";?".contains(byte));
    let target = &target[..end.unwrap_or(target.len())];
    let scheme = target
        .iter()
        .position(|&byte| byte == b':')
        .map_or(0, |at| at + 1);
    let (scheme, rest) = target.split_at(scheme);
    evidence.name(scheme, SCHEME_MAX);
    let Some(at) = rest.iter().rposition(|&byte| byte == b'@') else {
        evidence.key(rest, TARGET_MAX);
        return;
    };
    let user = rest[..at].trim_ascii_start();
    let slashes = user.iter().take_while(|&&byte| byte == b'/').count();
    evidence.word(&"//"[..slashes.min(2)]);
    let user = &user[slashes..];
    match user.iter().position(|&byte| byte == b':') {
        Some(colon) => evidence.user(&user[..colon], true).word(":").hidden(),
        None => evidence.user(user, true),
    };
    evidence.word("@").key(&rest[at + 1..], TARGET_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_kept_aside_and_passwords_are_not() {
        let shown = |target, complete| {
            let mut evidence = Evidence::default();
            show(&mut evidence, target, complete);
            evidence.with_users().to_string()
        };
        assert_eq!(shown(b"sip:bob@host01;x=s3cr3t", true), "sip:bob@host01");
        assert_eq!(shown(b"sip:bob:s3cr3t@host01", true), "sip:bob:…@host01");
        assert_eq!(
            shown(b"rtsp://a:s3cr3t@host01/live", true),
            "rtsp://a:…@host01/live"
        );
        assert_eq!(shown(b"sip:bo", false), "…");
    }
}
