//! Responses.

use super::headers::{Fields, HEADERS_MAX};
use super::status;
use crate::finding::{Finding, Strength};
use crate::names::Exposure;
use crate::text::Evidence;

/// Longest media type that is shown.
const MEDIA_TYPE_MAX: usize = 60;

/// Top-level media types (IANA); another one is not shown.
const MEDIA_TYPES: &[&str] = &[
    "application",
    "audio",
    "chemical",
    "example",
    "font",
    "haptics",
    "image",
    "message",
    "model",
    "multipart",
    "text",
    "video",
];

/// `bytes` start with `HTTP/`.
pub(super) fn inspect(bytes: &[u8]) -> Option<Finding> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes);
    let mut credentials = Vec::new();
    let (strength, evidence) = if let Some(code) = response.code {
        let fields = Fields::new(
            response.headers,
            bytes,
            matches!(parsed, Ok(s) if s.is_partial()),
        );
        fields.credentials(&mut credentials);
        let mut evidence = describe(code, response.reason);
        if let Some(media_type) = fields.value("content-type").and_then(media_type) {
            evidence.word(" ").key(media_type, MEDIA_TYPE_MAX);
        }
        fields.describe_upgrade(&mut evidence);
        if let Some(service) = fields.service() {
            evidence.word(" (").word(service).word(")");
        }
        (Strength::Certain, evidence)
    } else if bytes.starts_with(b"HTTP/1.") && parsed.is_ok() {
        (Strength::Likely, "response".into())
    } else {
        return None;
    };
    Some(Finding {
        strength,
        exposure: Exposure::Plaintext,
        evidence,
        credentials,
    })
}

/// The status with its standard reason. The reason on the wire is free text, so
/// it is not repeated, except for the answer to CONNECT, after which another
/// protocol starts.
fn describe(code: u16, reason: Option<&str>) -> Evidence {
    let tunnel = reason.is_some_and(|reason| reason.eq_ignore_ascii_case("connection established"));
    match status::reason(code) {
        _ if tunnel => Evidence::of(|e| e.number(code).word(" Connection established")),
        Some(reason) => Evidence::of(|e| e.number(code).word(" ").word(reason)),
        None => Evidence::of(|e| e.number(code)),
    }
}

/// `text/html; charset=utf-8` → `text/html`.
fn media_type(value: &[u8]) -> Option<&[u8]> {
    let end = value
        .iter()
        .position(|&byte| byte == b';')
        .unwrap_or(value.len());
    let media_type = value[..end].trim_ascii();
    let slash = media_type.iter().position(|&byte| byte == b'/')?;
    let (top, sub) = (&media_type[..slash], &media_type[slash + 1..]);
    let known = MEDIA_TYPES
        .iter()
        .any(|known| top.eq_ignore_ascii_case(known.as_bytes()));
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(byte);
    (known && !sub.is_empty() && sub.iter().all(token)).then_some(media_type)
}
