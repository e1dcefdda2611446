//! HTTP/1.0 and HTTP/1.1 (RFC 9112): requests and responses.
//!
//! A message is recognised from its start line on; a body or the middle of a
//! header block is not.

mod body;
mod headers;
mod request;
mod response;
mod service;
mod status;

use crate::finding::Finding;
use crate::payload::Payload;

pub use body::{http_body, http_rest};
pub(super) use headers::kind as field_credential;

/// HTTP, proxies, and services with an HTTP API: Docker, etcd, Consul, Elasticsearch.
pub(super) const PORTS: &[u16] = &[80, 3128, 8000, 8008, 8080, 8888, 2375, 2379, 8500, 9200];

/// Longest method that is taken for one.
const METHOD_MAX: usize = 24;

/// A message without the empty lines before its start line, which are ignored (RFC 9112, 2.2).
fn from_start_line(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().take(4);
    let blank = blank.take_while(|byte| b"\r\n".contains(byte)).count();
    &bytes[blank..]
}

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let bytes = from_start_line(p.bytes);
    if bytes.starts_with(b"HTTP/") {
        return response::inspect(bytes);
    }
    let method = bytes
        .iter()
        .take(METHOD_MAX + 1)
        .position(|&byte| byte == b' ')?;
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
    if method < 3 || !bytes[..method].iter().all(is_method) {
        return None;
    }
    request::inspect(bytes, method)
}
