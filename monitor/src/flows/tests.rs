//! Conversations, packet by packet.

use std::convert::Infallible;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::capture::Packet;
use crate::classify::{CredentialKind, Exposure, Protocol, Transport};
use crate::services::Services;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH: u8 = 0x18;
const FIN: u8 = 0x11;
const RST: u8 = 0x04;

const CLIENT: [u8; 4] = [10, 0, 1, 9];
const SERVER: [u8; 4] = [10, 0, 1, 7];
const NODES: ([u8; 4], [u8; 4]) = ([192, 168, 77, 1], [192, 168, 77, 2]);

fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &[8, 0], packet].concat()
}

/// An IPv4 packet; `fragment` is the field of flags and offset.
fn ipv4(protocol: u8, ends: ([u8; 4], [u8; 4]), id: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(ends.0);
    packet.extend(ends.1);
    packet.extend(payload);
    packet
}

fn udp(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(ports.0.to_be_bytes());
    datagram.extend(ports.1.to_be_bytes());
    datagram.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn tcp(ports: (u16, u16), numbers: (u32, u32), flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend(numbers.0.to_be_bytes());
    segment.extend(numbers.1.to_be_bytes());
    segment.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

fn overlay(vni: u32, inner: &[u8]) -> Vec<u8> {
    let mut header = vec![8, 0, 0, 0];
    header.extend((vni << 8).to_be_bytes());
    header.extend(inner);
    ethernet(&ipv4(17, NODES, 0, 0, &udp((50_000, 4789), &header)))
}

/// A segment from the client (or to it) in a network.
fn segment(from_client: bool, port: u16, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (ends, ports) = if from_client {
        ((CLIENT, SERVER), (40_000, port))
    } else {
        ((SERVER, CLIENT), (port, 40_000))
    };
    let segment = tcp(ports, (sequence, 0), flags, payload);
    overlay(4097, &ethernet(&ipv4(6, ends, 0, 0, &segment)))
}

/// Follows packets, each cut to `snap` bytes and a millisecond after the other.
struct Follow {
    tracker: Tracker,
    out: Vec<FlowRecord>,
    now: i64,
    snap: usize,
}

impl Follow {
    fn new() -> Follow {
        Follow {
            tracker: Tracker::new(Services::default(), Names::default()),
            out: Vec::new(),
            now: 0,
            snap: usize::MAX,
        }
    }

    fn take(&mut self, frame: &[u8]) {
        self.now += 1_000_000;
        let packet = Packet {
            time_ns: self.now,
            link_type: 1,
            interface: None,
            direction: None,
            bytes: &frame[..frame.len().min(self.snap)],
            wire_len: u32::try_from(frame.len()).unwrap(),
        };
        let out = &mut self.out;
        self.tracker
            .take(&packet, |flow| {
                out.push(flow.clone());
                Ok::<(), Infallible>(())
            })
            .unwrap();
    }

    fn finish(mut self) -> (Vec<FlowRecord>, Vec<EspRecord>, Summary) {
        let out = &mut self.out;
        let (esp, summary) = self
            .tracker
            .finish(|flow| {
                out.push(flow.clone());
                Ok::<(), Infallible>(())
            })
            .unwrap();
        (self.out, esp, summary)
    }
}

fn all(frames: &[Vec<u8>]) -> (Vec<FlowRecord>, Vec<EspRecord>, Summary) {
    let mut follow = Follow::new();
    frames.iter().for_each(|frame| follow.take(frame));
    follow.finish()
}

const REQUEST: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: app1\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn one_conversation_is_one_record_of_both_directions() {
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
    assert_eq!((flow.sent, flow.received), ((4, request), (3, answer)));
    assert_eq!(flow.time_ns, (1_000_000, 7_000_000));
    assert!(flow.complete);
    assert_eq!(summary.packets, 7);
    assert_eq!((summary.plaintext.flows, summary.plaintext.packets), (1, 7));
    assert_eq!(summary.plaintext.bytes, request + answer);
}

#[test]
fn the_opener_is_known_from_the_answer_and_joining_in_the_middle_takes_the_first() {
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
    let packets: Vec<u64> = flows.iter().map(|flow| flow.sent.0).collect();
    assert_eq!(packets, [3, 2], "a repeated SYN is none");
    assert_eq!(flows[1].verdict.exposure, Exposure::Unknown);
}

#[test]
fn a_header_over_two_packets_gives_its_credentials_away() {
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
    // Repeated, or with a part of it repeated, it is the same.
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
    // What is not captured whole is not joined.
    let mut follow = Follow::new();
    follow.snap = frames[0].len() - 1;
    frames.iter().for_each(|frame| follow.take(frame));
    assert_eq!(follow.finish().0[0].verdict.credentials, []);
}

#[test]
fn a_request_in_pieces_is_told() {
    let mut follow = Follow::new();
    for (n, piece) in REQUEST.chunks(3).enumerate() {
        follow.take(&segment(true, 8099, 100 + 3 * n as u32, PSH, piece));
    }
    let flows = follow.finish().0;
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

/// A record of TLS 1.3 with a body that looks like ciphertext.
fn tls_record(seed: u32) -> Vec<u8> {
    let body = (0..200_u32).map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 13) as u8);
    [&[0x17, 3, 3, 0, 200][..], &body.collect::<Vec<u8>>()].concat()
}

#[test]
fn plaintext_that_becomes_tls_is_encrypted_even_late() {
    let mut follow = Follow::new();
    let mut sequence = 100;
    for _ in 0..100 {
        follow.take(&segment(true, 80, sequence, PSH, REQUEST));
        sequence += REQUEST.len() as u32;
    }
    for seed in 0..3 {
        let record = tls_record(seed);
        follow.take(&segment(true, 80, sequence, PSH, &record));
        sequence += record.len() as u32;
    }
    let flows = follow.finish().0;
    assert_eq!(flows[0].verdict.protocol, Protocol::Tls);
    assert_eq!(flows[0].verdict.exposure, Exposure::Encrypted);
    let evidence = flows[0].verdict.evidence.as_deref().unwrap();
    assert!(evidence.starts_with("after http: "), "{evidence}");
}

#[test]
fn fragments_belong_to_the_flow_of_the_first_one() {
    // The packet inside is in two fragments: two packets of the flow.
    let ends = (CLIENT, SERVER);
    let datagram = udp((40_000, 5353), &[b'x'; 1000]);
    let inner = [
        overlay(7, &ethernet(&ipv4(17, ends, 9, 0x2000, &datagram[..800]))),
        overlay(7, &ethernet(&ipv4(17, ends, 9, 100, &datagram[800..]))),
        overlay(7, &ethernet(&ipv4(17, ends, 10, 100, &datagram[800..]))),
    ];
    let (flows, _, summary) = all(&inner);
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].sent, (2, 34 + 800 + 34 + 208));
    assert_eq!(summary.unparsed.get("fragment"), Some(&1));

    // The packet around is: one packet, with the bytes of both.
    let whole = overlay(7, &ethernet(&ipv4(17, ends, 9, 0, &datagram)));
    let outer = &whole[34..];
    let frames = [
        ethernet(&ipv4(17, NODES, 5, 0x2000, &outer[..800])),
        ethernet(&ipv4(17, NODES, 5, 100, &outer[800..])),
    ];
    let (flows, _, summary) = all(&frames);
    assert_eq!(flows[0].sent, (1, 14 + 20 + 1008));
    assert_eq!((summary.packets, summary.fragments), (2, 1));
}

#[test]
fn esp_is_counted_by_association_and_is_one_flow() {
    let esp = |sequence: u32, back: bool| {
        let mut packet = if back {
            vec![0, 0, 2, 0]
        } else {
            vec![0, 0, 1, 0]
        };
        packet.extend(sequence.to_be_bytes());
        packet.extend(&tls_record(sequence)[5..]);
        let ends = if back { (NODES.1, NODES.0) } else { NODES };
        ethernet(&ipv4(50, ends, 0, 0, &packet))
    };
    let (flows, associations, summary) = all(&[esp(5, false), esp(9, false), esp(1, true)]);
    assert_eq!(flows.len(), 1);
    assert_eq!((flows[0].transport, flows[0].vni), (Transport::Esp, None));
    assert_eq!(flows[0].verdict.protocol, Protocol::Ipsec);
    assert_eq!(flows[0].verdict.exposure, Exposure::Encrypted);
    assert_eq!((flows[0].sent.0, flows[0].received.0), (2, 1));
    let told: Vec<(u32, u64, (u32, u32))> = associations
        .iter()
        .map(|one| (one.spi, one.packets, one.sequence))
        .collect();
    assert_eq!(told, [(0x100, 2, (5, 9)), (0x200, 1, (1, 1))]);
    assert_eq!(summary.encrypted.packets, 3);
}

#[test]
fn the_table_gives_up_ended_flows_first_and_says_what_is_not_complete() {
    let mut follow = Follow::new();
    follow.tracker = Tracker::with_limit(Services::default(), Names::default(), 2);
    follow.take(&segment(true, 1, 99, SYN, b""));
    follow.take(&segment(true, 2, 99, SYN, b""));
    follow.take(&segment(false, 2, 99, RST, b""));
    follow.take(&segment(true, 3, 99, SYN, b""));
    follow.take(&segment(true, 4, 99, SYN, b""));
    let (flows, _, summary) = follow.finish();
    let told: Vec<(u16, bool)> = flows
        .iter()
        .map(|flow| (flow.destination.1, flow.complete))
        .collect();
    assert_eq!(told, [(2, true), (1, false), (3, true), (4, true)]);
    assert_eq!((summary.incomplete, summary.packets), (1, 5));
}

#[test]
fn silent_flows_end_with_time() {
    let mut follow = Follow::new();
    follow.take(&segment(true, 1, 99, SYN, b""));
    follow.take(&segment(true, 2, 99, RST, b""));
    follow.now += 61 * 1_000_000_000;
    follow.take(&segment(true, 3, 99, SYN, b""));
    assert_eq!(follow.out.len(), 1);
    follow.now += 3601 * 1_000_000_000;
    follow.take(&segment(true, 4, 99, SYN, b""));
    assert_eq!(follow.out.len(), 3);
    assert!(follow.finish().0.iter().all(|flow| flow.complete));
}

#[test]
fn what_was_cut_by_the_snap_length_is_not_called_malformed() {
    let mut follow = Follow::new();
    follow.snap = 40;
    follow.take(&segment(true, 80, 100, PSH, REQUEST));
    let summary = follow.finish().2;
    assert_eq!(summary.unparsed.get("snap_length"), Some(&1));
}

proptest! {
    /// Each packet is counted once, whatever it is, and nothing panics.
    #[test]
    fn any_damage_is_counted(at in 0..120_usize, value: u8, cut in 0..200_usize, link_type in 0..300_u16) {
        let mut frames = vec![
            segment(true, 80, 99, SYN, b""),
            segment(true, 80, 100, PSH, REQUEST),
            overlay(7, &ethernet(&ipv4(17, (CLIENT, SERVER), 9, 0x2000, &udp((1, 2), &[1; 64])))),
        ];
        for frame in &mut frames {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        let mut follow = Follow::new();
        follow.snap = cut;
        for frame in &frames {
            follow.take(frame);
            let packet = Packet {
                time_ns: i64::from(value) << 55,
                link_type,
                interface: None,
                direction: None,
                bytes: frame,
                wire_len: u32::MAX,
            };
            let out = &mut follow.out;
            follow.tracker.take(&packet, |flow| {
                out.push(flow.clone());
                Ok::<(), Infallible>(())
            }).unwrap();
        }
        let (flows, _, summary) = follow.finish();
        let of_flows: u64 = flows.iter().map(|flow| flow.sent.0 + flow.received.0).sum();
        let others: u64 = summary.not_ip + summary.fragments + summary.unparsed.values().sum::<u64>();
        prop_assert_eq!(summary.packets, 6);
        prop_assert_eq!(of_flows + others, 6);
        for flow in &flows {
            prop_assert!(serde_json::to_string(flow).is_ok());
        }
    }
}
