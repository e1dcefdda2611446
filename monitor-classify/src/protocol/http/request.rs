//! Requests.

use super::headers::{Fields, HEADERS_MAX};
use super::service;
use crate::finding::{Finding, Strength};
use crate::names::Exposure;
use crate::text::Evidence;

/// Methods that a request line cut before its version may start with.
/// Not among them: those that SIP and RTSP share and that come with `*`.
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
];

/// Longest method, and longest host, that is shown.
const METHOD_MAX: usize = 24;
const HOST_MAX: usize = 60;

/// `bytes` start with a method of `method` bytes and a space.
pub(super) fn inspect(bytes: &[u8], method: usize) -> Option<Finding> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    // A broken header after a good request line changes nothing: httparse has set
    // the fields before it.
    let parsed = request.parse(bytes);
    if request.version.is_none() {
        return cut_before_version(bytes, method, parsed.is_ok());
    }
    let name = request.method?;
    let mut evidence = Evidence::default();
    evidence.name(name.as_bytes(), METHOD_MAX).word(" ");
    let mut credentials = evidence.url(request.path?.as_bytes(), true);
    let fields = Fields::new(
        request.headers,
        bytes,
        matches!(parsed, Ok(s) if s.is_partial()),
    );
    fields.credentials(&mut credentials);

    if let Some(host) = fields
        .value("host")
        .filter(|host| !host.is_empty() && name != "CONNECT")
    {
        evidence.word(" ").authority(host, HOST_MAX);
    }
    fields.describe_upgrade(&mut evidence);
    let path = request.path.unwrap_or_default().as_bytes();
    if let Some(service) = service::of_path(path).or_else(|| fields.service()) {
        evidence.word(" (").word(service).word(")");
    }
    Some(Finding {
        strength: Strength::Certain,
        exposure: Exposure::Plaintext,
        evidence,
        credentials,
    })
}

/// `GET /lo`: cut somewhere before `HTTP/1.1`. Only an inline Redis command starts
/// alike; the table of classifiers settles that.
fn cut_before_version(bytes: &[u8], method: usize, may_continue: bool) -> Option<Finding> {
    let (name, rest) = (&bytes[..method], &bytes[method + 1..]);
    let is_url = rest.starts_with(b"/")
        || rest
            .get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http://"))
        || rest
            .get(..8)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https://"));
    let name = METHODS.iter().find(|known| known.as_bytes() == name)?;
    if !may_continue || !is_url {
        return None;
    }
    let (path, version) = match rest.iter().position(|&byte| byte == b' ') {
        Some(end) => (&rest[..end], Some(&rest[end + 1..])),
        None => (rest, None),
    };
    let fits = path.iter().all(u8::is_ascii_graphic)
        && version.is_none_or(|version| b"HTTP/1.".starts_with(version));
    if !fits {
        return None;
    }
    let mut evidence = Evidence::from(*name);
    let credentials = evidence.word(" ").url(path, version.is_some());
    Some(Finding {
        strength: Strength::Likely,
        exposure: Exposure::Plaintext,
        evidence,
        credentials,
    })
}
