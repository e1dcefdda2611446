//! Recorded from curl, nginx and OpenSSL: see `fixtures/README.md`.

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name, ".bin")).as_slice()
    };
}

pub(super) const HELLO_13: &[u8] = fixture!("tls13-client-hello");
const SERVER_13: &[u8] = fixture!("tls13-server-hello");
const HELLO_12: &[u8] = fixture!("tls12-client-hello");
const SERVER_12: &[u8] = fixture!("tls12-server-hello");
const DATA_12: &[u8] = fixture!("tls12-data");
const DATA_13: &[u8] = fixture!("tls13-data");
const NULL_HELLO: &[u8] = fixture!("null-client-hello");
const NULL_SERVER: &[u8] = fixture!("null-server-hello");
const NULL_DATA: &[u8] = fixture!("null-data");

fn tls(bytes: &[u8], exposure: Exposure, confidence: Confidence, text: &str) {
    let verdict = to(1, bytes);
    assert_eq!(verdict.protocol, Protocol::Tls, "{verdict:?} for {text:?}");
    assert_eq!(
        (verdict.exposure, verdict.confidence),
        (exposure, confidence),
        "{text:?}"
    );
    assert_eq!(evidence(&verdict), text);
}

#[test]
fn recorded_handshakes_are_described() {
    use Confidence::{Certain, Likely};
    use Exposure::{Encrypted, Unknown};
    tls(
        HELLO_13,
        Encrypted,
        Certain,
        "TLS 1.3 ClientHello sni=example.org alpn=h2,http/1.1",
    );
    tls(SERVER_13, Encrypted, Certain, "TLS 1.3 ServerHello");
    tls(
        fixture!("tls13-client-finished"),
        Encrypted,
        Certain,
        "TLS 1.2/1.3 ChangeCipherSpec",
    );
    tls(DATA_13, Encrypted, Likely, "TLS 1.2/1.3 application data");
    tls(
        HELLO_12,
        Encrypted,
        Certain,
        "TLS 1.2 ClientHello sni=example.org alpn=h2,http/1.1",
    );
    tls(
        SERVER_12,
        Encrypted,
        Certain,
        "TLS 1.2 ServerHello alpn=http/1.1",
    );
    tls(
        fixture!("tls12-client-finished"),
        Encrypted,
        Certain,
        "TLS 1.2/1.3 ClientKeyExchange",
    );
    tls(
        fixture!("tls12-server-finished"),
        Encrypted,
        Certain,
        "TLS 1.2/1.3 ChangeCipherSpec",
    );
    tls(DATA_12, Encrypted, Likely, "TLS 1.2/1.3 application data");
    tls(
        fixture!("tls12-alert"),
        Encrypted,
        Likely,
        "TLS 1.2/1.3 alert",
    );
    tls(
        fixture!("tls-alert"),
        Unknown,
        Likely,
        "TLS 1.2/1.3 alert unknown_ca",
    );
}

#[test]
fn tls_without_encryption_is_plaintext() {
    use Confidence::{Certain, Likely};
    use Exposure::Plaintext;
    let hello = "TLS 1.2 ClientHello with NULL cipher, not encrypted";
    tls(NULL_HELLO, Plaintext, Certain, hello);
    tls(
        NULL_SERVER,
        Plaintext,
        Certain,
        "TLS 1.2 ServerHello with NULL cipher, not encrypted",
    );
    let finished = "TLS 1.2/1.3 ClientKeyExchange, not encrypted";
    tls(
        fixture!("null-client-finished"),
        Plaintext,
        Certain,
        finished,
    );
    let ticket = "TLS 1.2/1.3 NewSessionTicket, not encrypted";
    tls(fixture!("null-server-finished"), Plaintext, Certain, ticket);
    tls(
        NULL_DATA,
        Plaintext,
        Likely,
        "TLS 1.2/1.3 application data, not encrypted",
    );
}

#[test]
fn every_truncation_is_right_or_unknown() {
    for message in [
        HELLO_13,
        SERVER_13,
        HELLO_12,
        SERVER_12,
        DATA_12,
        DATA_13,
        NULL_HELLO,
        NULL_SERVER,
        NULL_DATA,
        fixture!("null-client-finished"),
        fixture!("null-server-finished"),
        fixture!("tls12-client-finished"),
        fixture!("tls12-server-finished"),
        fixture!("tls13-client-finished"),
        fixture!("tls12-alert"),
        fixture!("tls-alert"),
    ] {
        at_every_length(443, message, &["hello in the clear"]);
    }
}

#[test]
fn a_hello_cut_before_its_suites_proves_no_encryption() {
    // Record, message, version, random, session: then the length of the suites.
    let suites = 5 + 4 + 2 + 32 + 1 + 32 + 2;
    let before = to(443, &HELLO_13[..suites + 1]);
    assert_eq!(
        (before.protocol, before.exposure),
        (Protocol::Tls, Exposure::Unknown)
    );
    assert_eq!(evidence(&before), "TLS ClientHello");
    // One suite that encrypts: another that does not may stand behind it.
    let cut = to(443, &HELLO_13[..suites + 2]);
    assert_eq!(
        (cut.exposure, cut.confidence),
        (Exposure::Unknown, Confidence::Likely)
    );
}

#[test]
fn a_client_that_offers_both_proves_nothing() {
    // The NULL hello with TLS_AES_128_GCM_SHA256 in place of the signal.
    let mut both = NULL_HELLO.to_vec();
    let signal = both
        .windows(4)
        .position(|w| w == [0x00, 0x3b, 0x00, 0xff])
        .unwrap();
    both[signal + 2..signal + 4].copy_from_slice(&[0x13, 0x01]);
    let text = "TLS 1.2 ClientHello with NULL cipher";
    tls(&both, Exposure::Unknown, Confidence::Certain, text);
}

#[test]
fn a_second_hello_after_a_retry_is_a_hello() {
    let retry = [b"\x14\x03\x03\0\x01\x01", HELLO_13].concat();
    let verdict = to(443, &retry);
    assert_eq!(
        (verdict.exposure, verdict.confidence),
        (Exposure::Encrypted, Confidence::Certain)
    );
    let retry = [b"\x14\x03\x03\0\x01\x01", NULL_HELLO].concat();
    assert_eq!(to(443, &retry).exposure, Exposure::Plaintext);
}

#[test]
fn more_than_one_record_is_certain_and_a_broken_one_is_none() {
    let two = [DATA_12, DATA_13].concat();
    tls(
        &two,
        Exposure::Encrypted,
        Confidence::Certain,
        "TLS 1.2/1.3 application data",
    );
    let broken = [DATA_12, b"GET / HTTP/1.1"].concat();
    assert_eq!(to(443, &broken), Verdict::unknown());
    for other in [
        &b"\x16\x03\x01"[..],
        b"\x16\x03\x05\0\x10\x01",
        b"\x16\x02\x01\0\x10\x01",
        b"\x17\x03\x03\xff\xff",
        b"\x16\x03\x01\0\0",
        b"\x14\x03\x03\0\x01\x02",
        b"\x14\x03\x03\0\x02\x01\x01",
        b"\x15\x03\x03\0\x02\x07\x30",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x02\x03",
    ] {
        assert_eq!(
            to(443, other),
            Verdict::unknown(),
            "{:?}",
            other.escape_ascii().to_string()
        );
    }
}

#[test]
fn readable_bytes_in_a_record_are_never_called_encrypted() {
    for body in [
        &b"hi\n"[..],
        b"user=alice&pass=hunter2",
        &[0; 64],
        &[1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1],
    ] {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let record = [&[0x17, 3, 3][..], &length, body].concat();
        assert_ne!(to(443, &record).exposure, Exposure::Encrypted);
    }
}

#[test]
fn a_hostile_server_name_is_escaped() {
    let mut hello = HELLO_13.to_vec();
    let name = hello.windows(11).position(|w| w == b"example.org").unwrap();
    hello[name..name + 4].copy_from_slice(b"\x1b[2J");
    assert!(evidence(&to(443, &hello)).contains("sni=\\x1b[2Jple.org"));
}

#[test]
fn a_hello_in_several_records_is_joined() {
    let body = &HELLO_12[5..];
    let pieces: Vec<u8> = body
        .chunks(17)
        .flat_map(|piece| {
            let length = u8::try_from(piece.len()).unwrap();
            [&[22, 3, 1, 0, length][..], piece].concat()
        })
        .collect();
    let verdict = to(1, &pieces);
    assert_eq!(verdict.protocol, Protocol::Tls);
    assert_ne!(verdict.exposure, Exposure::Plaintext);
    // A hello that can be read in full says what one record would.
    let halves = body.len() / 2;
    let record = |piece: &[u8]| {
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&[22, 3, 1][..], &length, piece].concat()
    };
    let two = [record(&body[..halves]), record(&body[halves..])].concat();
    tls(
        &two,
        Exposure::Encrypted,
        Confidence::Certain,
        "TLS 1.2 ClientHello sni=example.org alpn=h2,http/1.1",
    );
}

#[test]
fn records_behind_the_rest_of_another_are_found() {
    use Confidence::Likely;
    // The end of a record, and two more.
    let rest = &DATA_12[40..];
    let joined = [rest, DATA_12, DATA_13].concat();
    tls(
        &joined,
        Exposure::Encrypted,
        Likely,
        "TLS 1.2/1.3 application data",
    );
    // As much of it as a sample holds.
    let sample = &joined[..rest.len() + DATA_12.len() + 5];
    let verdict = classify(&payload(sample, joined.len(), CLIENT, 1));
    assert_eq!(verdict.protocol, Protocol::Tls);
    // One that does not end with the segment proves nothing.
    let open = [rest, &DATA_12[..DATA_12.len() - 1]].concat();
    assert_eq!(to(1, &open).protocol, Protocol::Unknown);
    // Text in front of records is text, and never encrypted.
    let text = [b"these records of TLS are quoted in a report: ", DATA_12].concat();
    assert_ne!(to(1, &text).exposure, Exposure::Encrypted);
    // Without encryption they can be read there too.
    let readable = [rest, NULL_DATA].concat();
    assert_ne!(to(1, &readable).exposure, Exposure::Encrypted);
}
