//! What follows a header in its connection: the body, which no classifier recognises by itself.

use super::headers::HEADERS_MAX;
use crate::finding::{Finding, Strength};
use crate::names::{Confidence, Exposure, Protocol};
use crate::payload::Payload;
use crate::secret;
use crate::text::Evidence;
use crate::verdict::Verdict;

/// How many bytes of the message that begins in this payload are still to come; [`u64::MAX`] where only the end of the
/// body, or a part of the header that was not captured, says how many. 0 where none are, or another protocol follows.
#[must_use]
pub fn http_rest(p: &Payload<'_>) -> u64 {
    let bytes = super::from_start_line(p.bytes);
    let blank = p.bytes.len() - bytes.len();
    let is_cut = (p.bytes.len() as u64) < u64::from(p.wire_len);
    let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let (header, length) = if bytes.starts_with(b"HTTP/") {
        let mut response = httparse::Response::new(&mut slots);
        let parsed = response.parse(bytes);
        let tunnel = response
            .reason
            .is_some_and(|reason| reason.eq_ignore_ascii_case("connection established"));
        match response.code {
            // RFC 9110, 6.4.1. After 101 and a tunnel another protocol follows.
            None | Some(100..=199 | 204 | 304) => return 0,
            Some(_) if tunnel => return 0,
            Some(_) => (parsed, length(response.headers, u64::MAX)),
        }
    } else {
        let mut request = httparse::Request::new(&mut slots);
        let parsed = request.parse(bytes);
        // What a snap length cut off may be an upgrade, after which another protocol follows.
        if request.version.is_none() || parsed == Ok(httparse::Status::Partial) && is_cut {
            return 0;
        }
        // Without a length a request has no body (RFC 9112, 6.3).
        (parsed, length(request.headers, 0))
    };
    match header {
        Ok(httparse::Status::Complete(at)) => {
            let seen = u64::from(p.wire_len).saturating_sub((blank + at) as u64);
            match length {
                u64::MAX => u64::MAX,
                length => length.saturating_sub(seen),
            }
        }
        Ok(httparse::Status::Partial) => u64::MAX,
        Err(_) => 0,
    }
}

/// The length of the body by the header, else `otherwise`; [`u64::MAX`] for a chunked one.
fn length(headers: &[httparse::Header<'_>], otherwise: u64) -> u64 {
    let value = |name: &str| {
        let header = headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    if value("transfer-encoding").is_some() {
        return u64::MAX;
    }
    value("content-length")
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(otherwise)
}

/// The verdict on a payload that continues a message of HTTP.
#[must_use]
pub fn http_body(p: &Payload<'_>) -> Verdict {
    let payload = p.inspected();
    let finding = Finding {
        strength: Strength::Likely,
        exposure: Exposure::Plaintext,
        evidence: Evidence::of(|e| e.word("body")),
        credentials: Vec::new(),
    };
    let mut verdict = finding.into_verdict(Protocol::Http, Confidence::Likely);
    verdict.add_credentials(secret::credentials(payload.bytes));
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Transport;

    fn rest(bytes: &str) -> u64 {
        http_rest(&Payload {
            bytes: bytes.as_bytes(),
            wire_len: bytes.len() as u32,
            transport: Transport::Tcp,
            src_port: 80,
            dst_port: 40_000,
        })
    }

    #[test]
    fn the_rest_of_a_message_is_what_its_header_says() {
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 10),
            ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabcd", 6),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", 0),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                u64::MAX,
            ),
            ("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", u64::MAX),
            ("HTTP/1.1 404 Not Found\r\nContent-Le", u64::MAX),
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
                0,
            ),
            ("HTTP/1.1 200 Connection established\r\n\r\n", 0),
            ("HTTP/1.1 204 No Content\r\n\r\n", 0),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 0),
            ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", u64::MAX),
            ("POST /a HTTP/1.1\r\nContent-Length: 7\r\n\r\nab", 5),
            ("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 0),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 0),
            ("\r\nPOST /a HTTP/1.1\r\nContent-Length: 7\r\n\r\n", 7),
            ("POST /a HTTP/1.1\r\nContent-Le", u64::MAX),
            ("GET /a", 0),
            ("no http", 0),
        ] {
            assert_eq!(rest(bytes), expected, "{bytes:?}");
        }
    }
}
