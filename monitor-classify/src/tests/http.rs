//! Recorded from curl 7.88.1 and nginx 1.22.1 unless noted otherwise; in `GET`
//! the host was renamed.

use super::*;

const GET: &[u8] =
    b"GET / HTTP/1.1\r\nHost: host01\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";
pub(super) const SEARCH: &[u8] = b"GET /search?q=s3cr3t HTTP/1.1\r\nHost: host01\r\nAuthorization: Basic YWxpY2U6czNjcjN0LXBhc3M=\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nCookie: sid=s3cr3t-cookie\r\n\r\n";
const POST: &[u8] = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nX-Api-Key: s3cr3t-key\r\nContent-Length: 20\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\npassword=s3cr3t-pass";
const CONNECT: &[u8] = b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic YWxpY2U6czNjcjN0LXBhc3M=\r\nUser-Agent: curl/7.88.1\r\nProxy-Connection: Keep-Alive\r\n\r\n";
pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 21:23:24 GMT\r\nContent-Type: text/html\r\nContent-Length: 16\r\nLast-Modified: Sun, 22 Nov 2026 21:23:16 GMT\r\nConnection: keep-alive\r\nETag: \"6b035d44-10\"\r\nAccept-Ranges: bytes\r\n\r\n<h1>host01</h1>\n";
const SET_COOKIE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 21:23:25 GMT\r\nContent-Type: text/plain\r\nContent-Length: 1\r\nConnection: keep-alive\r\nSet-Cookie: sid=s3cr3t-cookie\r\n\r\nx";
const MOVED: &[u8] = b"HTTP/1.1 301 Moved Permanently\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 21:23:25 GMT\r\nContent-Type: text/html\r\nContent-Length: 169\r\nLocation: http://127.0.0.1:8081/new?token=s3cr3t\r\nConnection: keep-alive\r\n\r\n<html>\r\n";
/// Written for this test: secrets wherever a target or a header can hold one.
const PLANTED: &[u8] = b"PUT http://alice:s3cr3t@host01/reset/s3cr3t/x;sid=s3cr3t?token=s3cr3t&s3cr3t#s3cr3t HTTP/1.1\r\nHost: s3cr3t@host01\r\nAuthorization: Bearer s3cr3t\r\nUpgrade: s3cr3t here\r\nX-Vault-Token: s3cr3t\r\n\r\ns3cr3t";

fn plain(verdict: &Verdict, confidence: Confidence, text: &str) {
    assert_eq!(verdict.protocol, Protocol::Http, "{verdict:?}");
    assert_eq!(verdict.exposure, Exposure::Plaintext);
    assert_eq!(verdict.confidence, confidence);
    assert_eq!(evidence(verdict), text);
}

#[test]
fn recorded_messages_are_described() {
    use Confidence::Certain;
    plain(&to(80, GET), Certain, "GET / host01");
    plain(&to(80, SEARCH), Certain, "GET /search?q=… host01");
    plain(&to(80, POST), Certain, "POST /login 127.0.0.1");
    plain(&to(80, CONNECT), Certain, "CONNECT example.org:443");
    plain(&from(80, OK), Certain, "200 OK text/html");
    plain(&from(80, SET_COOKIE), Certain, "200 OK text/plain");
    plain(&from(80, MOVED), Certain, "301 Moved Permanently text/html");
    // The same away from the usual ports.
    plain(&to(1, GET), Certain, "GET / host01");
    plain(
        &to(80, PLANTED),
        Certain,
        "PUT http://…@host01/reset/…/x…?token=…&… … (Vault)",
    );
}

#[test]
fn credentials_are_named() {
    use CredentialKind::*;
    assert_eq!(to(80, GET).credentials, []);
    assert_eq!(to(80, SEARCH).credentials, [HttpBasic, Cookie]);
    assert_eq!(to(80, POST).credentials, [HttpApiKey, PasswordField]);
    assert_eq!(to(80, CONNECT).credentials, [HttpProxyAuthorization]);
    assert_eq!(from(80, SET_COOKIE).credentials, [SetCookie]);
    assert_eq!(to(80, PLANTED).credentials, [HttpBearer, HttpApiKey, Url]);
    // A value cut after its first byte was readable all the same.
    let cut = b"GET / HTTP/1.1\r\nauthorization: basic Y";
    assert_eq!(to(80, cut).credentials, [HttpBasic]);
    assert_eq!(to(80, &cut[..cut.len() - 1]).credentials, []);
}

#[test]
fn every_truncation_is_right_or_unknown_and_keeps_secrets() {
    for message in [GET, SEARCH, POST, CONNECT, OK, SET_COOKIE, MOVED, PLANTED] {
        at_every_length(80, message, &["s3cr3t", "YWxpY2U6", "hunter2"]);
        at_every_length(6379, message, &["s3cr3t", "YWxpY2U6"]);
    }
}

#[test]
fn a_start_line_counts_from_its_exact_length() {
    use Confidence::{Certain, Likely};
    plain(&to(80, b"GET /lo"), Likely, "GET /…");
    plain(&to(80, b"GET /lo "), Likely, "GET /lo");
    plain(&to(80, b"GET /lo HTTP/1."), Likely, "GET /lo");
    plain(&to(80, b"GET /lo HTTP/1.1"), Certain, "GET /lo");
    plain(&from(80, b"HTTP/1."), Likely, "response");
    plain(&from(80, b"HTTP/1.1 20"), Likely, "response");
    plain(&from(80, b"HTTP/1.1 200"), Certain, "200 OK");
    plain(&from(80, b"HTTP/1.1 200 "), Certain, "200 OK");
    for short in [&b"G"[..], b"GE", b"GET", b"GET ", b"HTTP/1"] {
        assert_eq!(to(80, short), Verdict::unknown(), "{short:?}");
    }
    // A method that others may have, too: text on the port.
    plain(&to(80, b"PROPFIND /x"), Likely, "text");
    assert_eq!(to(1, b"PROPFIND /x"), Verdict::unknown());
}

#[test]
fn what_is_not_http_1_is_unknown() {
    for other in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"OPTIONS * SIP/2.0\r\n",
        b"OPTIONS *",
        b"OPTIONS rtsp://host01/x RTSP/1.0\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n",
        b"GET /x\r\n",
        b"get / http/1.1\r\n",
        b"GET /x RT",
        b"<h1>host01</h1>\n",
        b"Host: host01\r\n\r\n",
        b"GET /\x1b[31m HTTP/1.1\r\n",
    ] {
        let verdict = to(1, other);
        assert_ne!(
            verdict.protocol,
            Protocol::Http,
            "{:?}",
            other.escape_ascii().to_string()
        );
        assert_ne!(verdict.exposure, Exposure::Encrypted);
    }
    let mut udp = payload(GET, GET.len(), CLIENT, 80);
    udp.transport = Transport::Udp;
    assert_eq!(classify(&udp).protocol, Protocol::Unknown);
}

#[test]
fn a_change_of_protocol_is_noted() {
    let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(
        evidence(&from(80, upgrade)),
        "101 Switching Protocols upgrade=websocket"
    );
    let tunnel = b"HTTP/1.1 200 Connection established\r\n\r\n";
    assert_eq!(evidence(&from(3128, tunnel)), "200 Connection established");
    assert_eq!(evidence(&from(80, b"HTTP/1.0 299 s3cr3t\r\n\r\n")), "299");
}

#[test]
fn hostile_headers_change_nothing() {
    let many = [
        &b"GET / HTTP/1.1\r\n"[..],
        &b"a: b\r\n".repeat(300),
        b"\r\n",
    ]
    .concat();
    plain(&to(80, &many), Confidence::Certain, "GET /");
    let broken = b"GET / HTTP/1.1\r\nHost: host01\r\nbad header\r\n\r\n";
    plain(&to(80, broken), Confidence::Certain, "GET / host01");
    let control = b"GET / HTTP/1.1\r\nHost: a\x1b[31m\r\n\r\n";
    assert!(!evidence(&to(80, control)).contains('\x1b'));
}

#[test]
fn a_header_that_is_named_after_an_api_key_has_one() {
    for name in ["api_key", "Api-Key", "ApiKey", "X-API-Key"] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: s3cr3t\r\n\r\n");
        let found = to(80, request.as_bytes()).credentials;
        assert!(found.contains(&CredentialKind::HttpApiKey), "{name}");
    }
}
