//! Verdicts from several packets of a flow.

use super::*;
use crate::traffic::test_frames::*;
use monitor_classify::{CredentialKind, Exposure, Protocol};

#[test]
fn credentials_of_a_header_over_two_packets_are_found() {
    let head: &[u8] = b"GET /secret HTTP/1.1\r\nHost: app1\r\nAuthoriz";
    let rest: &[u8] = b"ation: Basic dXNlcjpodW50ZXIy\r\n\r\n";
    let frames = [
        segment(true, 80, 100, PSH, head),
        segment(true, 80, 100 + head.len() as u32, PSH, rest),
    ];
    let flows = all(&frames).0;
    assert_eq!(flows[0].verdict.credentials, [CredentialKind::HttpBasic]);
    let shown = serde_json::to_string(&flows[0]).unwrap();
    assert!(
        !shown.contains("dXNl") && !shown.contains("hunter2"),
        "{shown}"
    );
    // Repeated or overlapping packets change nothing.
    let again = [frames[0].clone(), frames[0].clone(), frames[1].clone()];
    assert_eq!(
        all(&again).0[0].verdict.credentials,
        [CredentialKind::HttpBasic]
    );
    let overlap = [&head[head.len() - 10..], rest].concat();
    let sequence = 100 + head.len() as u32 - 10;
    let overlapping = [
        frames[0].clone(),
        segment(true, 80, sequence, PSH, &overlap),
    ];
    assert_eq!(
        all(&overlapping).0[0].verdict.credentials,
        [CredentialKind::HttpBasic]
    );
    // Packets that were not captured completely are not joined.
    let mut tracked = Tracked::new();
    tracked.snap = frames[0].len() - 1;
    frames.iter().for_each(|frame| tracked.add(frame));
    assert_eq!(tracked.finish().0[0].verdict.credentials, []);
}

#[test]
fn a_request_in_pieces_is_classified() {
    let mut tracked = Tracked::new();
    for (n, piece) in REQUEST.chunks(3).enumerate() {
        tracked.add(&segment(true, 8099, 100 + 3 * n as u32, PSH, piece));
    }
    let flows = tracked.finish().0;
    assert_eq!(flows[0].verdict.protocol, Protocol::Http, "{flows:?}");
}

#[test]
fn credentials_of_later_requests_are_found() {
    let mut frames = vec![
        segment(true, 80, 100, PSH, REQUEST),
        segment(false, 80, 1, PSH, ANSWER),
    ];
    let secret = b"GET /x HTTP/1.1\r\nHost: app1\r\nCookie: session=abcdef\r\n\r\n";
    frames.push(segment(true, 80, 100 + REQUEST.len() as u32, PSH, secret));
    let flows = all(&frames).0;
    assert_eq!(flows[0].verdict.credentials, [CredentialKind::Cookie]);
    let evidence = flows[0].verdict.evidence.as_deref();
    assert!(evidence.unwrap().contains("/index.html"), "{evidence:?}");
}

#[test]
fn plaintext_that_becomes_tls_is_encrypted_even_late() {
    let mut tracked = Tracked::new();
    let mut sequence = 100;
    for _ in 0..100 {
        tracked.add(&segment(true, 80, sequence, PSH, REQUEST));
        sequence += REQUEST.len() as u32;
    }
    for seed in 0..3 {
        let record = tls_record(seed);
        tracked.add(&segment(true, 80, sequence, PSH, &record));
        sequence += record.len() as u32;
    }
    let flows = tracked.finish().0;
    assert_eq!(flows[0].verdict.protocol, Protocol::Tls);
    assert_eq!(flows[0].verdict.exposure, Exposure::Encrypted);
    let evidence = flows[0].verdict.evidence.as_deref().unwrap();
    assert!(evidence.starts_with("after http: "), "{evidence}");
}
