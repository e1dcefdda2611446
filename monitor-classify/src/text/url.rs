//! URLs and request targets (RFC 9112 section 3.2) without their secrets.

use super::{escape, mask};
use crate::names::CredentialKind;
use crate::secret;

/// Longest target that is shown; room is left for the host.
const TARGET_MAX: usize = 80;

/// Longest name of a query parameter that is shown.
const NAME_MAX: usize = 32;

/// `/ ; = ? &`, percent-encoded: they end what is shown of a path segment.
const ENCODED_ENDS: &[&[u8; 3]] = &[b"%2f", b"%3b", b"%3d", b"%3f", b"%26"];

/// The target with everything masked that may be a secret: values of
/// parameters, user and password, segments that look like tokens. What the
/// capture cut is masked too, because the rest may have made it a secret.
pub(super) fn redact(target: &[u8], complete: bool) -> (String, Vec<CredentialKind>) {
    let mut out = String::new();
    let mut credentials = Vec::new();
    let end = target
        .iter()
        .position(|byte| b"?#".contains(byte))
        .unwrap_or(target.len());
    let (mut path, query) = target.split_at(end);
    let path_complete = complete || !query.is_empty();

    if let Some(scheme) = scheme_length(path) {
        out.push_str(&escape(&path[..scheme + 3], NAME_MAX));
        path = &path[scheme + 3..];
        path = authority(path, path_complete, &mut out, &mut credentials);
    } else if !path.starts_with(b"/") && path != b"*" {
        path = authority(path, path_complete, &mut out, &mut credentials);
    }
    segments(path, path_complete, &mut out);
    if !query.is_empty() {
        parameters(query, &mut out, &mut credentials);
    }
    (shorten(out), credentials)
}

/// Whether this is a host, perhaps with a port, and nothing else.
pub(super) fn is_authority(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte))
}

/// Length of the scheme in front of `://`.
fn scheme_length(target: &[u8]) -> Option<usize> {
    let at = target.iter().take(12).position(|&byte| byte == b':')?;
    let named = at > 0 && target[..at].iter().all(u8::is_ascii_alphanumeric);
    (named && target[at..].starts_with(b"://")).then_some(at)
}

/// Writes host and port, and returns what follows.
fn authority<'t>(
    target: &'t [u8],
    complete: bool,
    out: &mut String,
    credentials: &mut Vec<CredentialKind>,
) -> &'t [u8] {
    let end = target
        .iter()
        .position(|&byte| byte == b'/')
        .unwrap_or(target.len());
    let (authority, rest) = target.split_at(end);
    let host = match authority.iter().rposition(|&byte| byte == b'@') {
        Some(at) => {
            credentials.push(CredentialKind::Url);
            out.push_str(mask::MASKED);
            out.push('@');
            &authority[at + 1..]
        }
        None => authority,
    };
    if (complete || !rest.is_empty()) && is_authority(host) {
        out.push_str(&mask::host(host, TARGET_MAX));
    } else {
        out.push_str(mask::MASKED);
    }
    rest
}

fn segments(path: &[u8], complete: bool, out: &mut String) {
    let mut secret_next = false;
    let mut parts = path.split(|&byte| byte == b'/').peekable();
    let mut first = true;
    while let Some(segment) = parts.next() {
        if !std::mem::take(&mut first) {
            out.push('/');
        }
        if out.len() > TARGET_MAX * 4 {
            break;
        }
        if segment.is_empty() {
            continue;
        }
        let cut = !complete && parts.peek().is_none();
        let name = &segment[..shown_length(segment)];
        if cut || secret_next || secret::looks_secret(name) || holds(segment, b"%40") {
            out.push_str(mask::MASKED);
        } else if let Some(at) = secret::rest(name) {
            out.push_str(&escape(&name[..at], TARGET_MAX));
            out.push_str(mask::MASKED);
        } else {
            out.push_str(&escape(name, TARGET_MAX));
            if name.len() < segment.len() {
                out.push_str(mask::MASKED);
            }
        }
        secret_next = secret::announces(name);
    }
}

fn holds(text: &[u8], encoded: &[u8; 3]) -> bool {
    text.windows(3)
        .any(|three| three.eq_ignore_ascii_case(encoded))
}

/// Bytes of a segment up to a parameter of its own: `cart;jsessionid=…`.
fn shown_length(segment: &[u8]) -> usize {
    let plain = segment.iter().position(|byte| b";=&".contains(byte));
    let encoded = segment.windows(3).position(|three| {
        ENCODED_ENDS
            .iter()
            .any(|end| three.eq_ignore_ascii_case(*end))
    });
    plain
        .unwrap_or(segment.len())
        .min(encoded.unwrap_or(segment.len()))
}

/// `?q=…&page=…`: names only. A parameter without `=` may be a value itself.
fn parameters(query: &[u8], out: &mut String, credentials: &mut Vec<CredentialKind>) {
    out.push(char::from(query[0]));
    for (index, parameter) in query[1..].split(|&byte| byte == b'&').enumerate() {
        if index > 0 {
            out.push('&');
        }
        if out.len() > TARGET_MAX * 4 {
            return;
        }
        if let Some(equals) = parameter.iter().position(|&byte| byte == b'=') {
            let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
            if is_name(name) {
                out.push_str(&escape(name, NAME_MAX));
            } else {
                out.push_str(mask::MASKED);
            }
            out.push('=');
            if !value.is_empty() && secret::announces(name) {
                credentials.push(CredentialKind::Url);
            }
        }
        out.push_str(mask::MASKED);
    }
}

fn is_name(name: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte);
    name.len() <= NAME_MAX && name.iter().all(part) && !secret::looks_secret(name)
}

/// Cuts text that is safe already.
fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TARGET_MAX) {
        text.truncate(end);
        text.pop();
        text.push_str(mask::MASKED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(target: &str) -> String {
        redact(target.as_bytes(), true).0
    }

    #[test]
    fn values_and_secrets_are_masked() {
        assert_eq!(shown("/"), "/");
        assert_eq!(shown("*"), "*");
        assert_eq!(shown("/search?q=a&page=2"), "/search?q=…&page=…");
        assert_eq!(shown("/search?hunter2"), "/search?…");
        assert_eq!(shown("/cart;jsessionid=abc/x"), "/cart…/x");
        assert_eq!(shown("/a%3Ftoken%3Dhunter2"), "/a…");
        assert_eq!(shown("/reset/hunter2/x"), "/reset/…/x");
        assert_eq!(shown("/t/eyJhbGciOiJIUzI1NiJ9.e30/x"), "/t/…/x");
        assert_eq!(
            shown("http://alice:hunter2@host01:80/a"),
            "http://…@host01:80/a"
        );
        assert_eq!(shown("example.org:443"), "example.org:443");
        assert_eq!(shown("/alice:hunter2%40host01"), "/…");
        assert_eq!(shown("/#hunter2"), "/#…");
    }

    #[test]
    fn the_end_of_a_cut_target_is_masked() {
        assert_eq!(redact(b"/lo", false).0, "/…");
        assert_eq!(redact(b"/login/", false).0, "/login/");
        assert_eq!(redact(b"http://alice:hun", false).0, "http://…");
        assert_eq!(redact(b"/a?q=hun", false).0, "/a?q=…");
        assert_eq!(redact(b"/a?hun", false).0, "/a?…");
    }

    #[test]
    fn credentials_are_named() {
        assert_eq!(redact(b"/?access_token=x", true).1, [CredentialKind::Url]);
        assert_eq!(redact(b"http://a:b@c/", true).1, [CredentialKind::Url]);
        assert!(redact(b"/?q=x&token=", true).1.is_empty());
    }

    #[test]
    fn long_targets_are_cut() {
        let target = "/a".repeat(1000);
        assert_eq!(shown(&target).chars().count(), TARGET_MAX);
    }
}
