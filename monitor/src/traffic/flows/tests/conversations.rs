//! Which packets form one conversation, and which end opened it.

use std::net::IpAddr;

use super::*;
use crate::traffic::test_frames::*;
use monitor_classify::{Exposure, Protocol, Transport};

#[test]
fn both_directions_of_a_conversation_are_one_record() {
    let frames = [
        segment(true, 80, 99, SYN, b""),
        segment(false, 80, 499, SYN | ACK, b""),
        segment(true, 80, 100, ACK, b""),
        segment(true, 80, 100, PSH, REQUEST),
        segment(false, 80, 500, PSH, ANSWER),
        segment(true, 80, 100 + 40, FIN, b""),
        segment(false, 80, 500 + 66, FIN, b""),
    ];
    let (flows, _, summary) = all(&frames);
    let [flow] = &flows[..] else {
        panic!("{flows:#?}");
    };
    assert_eq!(flow.vni, Some(4097));
    assert_eq!(flow.transport, Transport::Tcp);
    assert_eq!(flow.source, (IpAddr::from(CLIENT), 40_000));
    assert_eq!(flow.destination, (IpAddr::from(SERVER), 80));
    assert_eq!(flow.verdict.protocol, Protocol::Http);
    assert_eq!(flow.verdict.exposure, Exposure::Plaintext);
    let evidence = flow.verdict.evidence.as_deref().unwrap();
    assert!(evidence.starts_with("GET /index.html app1"), "{evidence}");
    // Inner frames: Ethernet, IPv4, TCP and the payload.
    let request = u64::try_from(4 * 54 + REQUEST.len()).unwrap();
    let answer = u64::try_from(3 * 54 + ANSWER.len()).unwrap();
    assert_eq!(flow.sent, count(4, request));
    assert_eq!(flow.received, count(3, answer));
    assert_eq!(flow.time_ns, (1_000_000, 7_000_000));
    assert!(flow.complete);
    assert_eq!(summary.count.packets, 7);
    assert_eq!(summary.plaintext.flows, 1);
    assert_eq!(summary.plaintext.count, count(7, request + answer));
}

#[test]
fn the_opener_is_known_from_the_answer_else_the_first_sender_counts() {
    let answer = [
        segment(false, 80, 499, SYN | ACK, b""),
        segment(true, 80, 100, ACK, b""),
    ];
    assert_eq!(all(&answer).0[0].source.1, 40_000);
    let middle = [
        segment(false, 80, 499, PSH, ANSWER),
        segment(true, 80, 100, ACK, b""),
    ];
    let flows = all(&middle).0;
    assert_eq!(flows[0].source.1, 80);
    assert_eq!(flows[0].verdict.protocol, Protocol::Http);
}

#[test]
fn a_new_connection_between_the_same_ports_is_another_record() {
    let frames = [
        segment(true, 80, 99, SYN, b""),
        segment(true, 80, 99, SYN, b""),
        segment(true, 80, 100, PSH, REQUEST),
        segment(true, 80, 7000, SYN, b""),
        segment(true, 80, 7001, PSH, b"\x16\x03\x01"),
    ];
    let flows = all(&frames).0;
    let packets: Vec<u64> = flows.iter().map(|flow| flow.sent.packets).collect();
    assert_eq!(packets, [3, 2], "a repeated SYN opens no connection");
    assert_eq!(flows[1].verdict.exposure, Exposure::Unknown);
}

#[test]
fn a_closed_connection_is_reported_after_more_than_its_time() {
    let mut tracked = Tracked::new();
    for from_client in [true, false] {
        tracked.add(&segment(from_client, 80, 100, FIN, b""));
    }
    let mut reported_after = |ns: i64| {
        tracked.now += ns - 1_000_000;
        tracked.add(&segment(true, 81, 100, PSH, REQUEST));
        tracked.out.len()
    };
    // A longer step counts as ten seconds.
    for _ in 0..6 {
        assert_eq!(reported_after(10_000_000_000), 0);
    }
    assert_eq!(reported_after(1), 1);
}

#[test]
fn every_file_is_counted() {
    let mut tracked = Tracked::new();
    for _ in 0..3 {
        tracked.tracker.begin_file();
        tracked.add(&segment(true, 80, 100, PSH, REQUEST));
    }
    assert_eq!(tracked.finish().2.files, 3);
}
