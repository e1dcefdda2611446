//! Live samples, each classified with the earlier ones of its flow.

use jiff::SignedDuration;
use monitor_common::direction::Direction;
use monitor_common::link::Link;
use monitor_common::sample::Trigger;

use super::*;
use crate::traffic::test_frames::*;
use monitor_classify::{CredentialKind, Exposure, Protocol, Verdict};

/// Decodes samples in turn, each cut to `snap` bytes.
struct Live {
    decoder: Decoder,
    flows: LiveFlows,
    now: Timestamp,
    snap: usize,
}

impl Live {
    fn new() -> Live {
        Live {
            decoder: Decoder {
                udp_ports: UdpPorts::default(),
                show_payload: false,
                show_users: false,
            },
            flows: LiveFlows::default(),
            now: Timestamp::UNIX_EPOCH,
            snap: 256,
        }
    }

    fn take(&mut self, frame: &[u8]) -> Verdict {
        let sample = Sample {
            time_ns: 0,
            flow: 0,
            ifindex: 1,
            frame_len: u32::try_from(frame.len()).unwrap(),
            direction: Direction::Rx,
            trigger: Trigger::FlowStart,
            reason: None,
            link: Link::Ethernet,
            frame: &frame[..frame.len().min(self.snap)],
        };
        let flows = &mut self.flows;
        let record = self.decoder.decode(flows, &sample, self.now, "eth0");
        record.verdict
    }
}

/// Whether the verdict contains the request, which no packet contains completely.
fn is_request(verdict: &Verdict) -> bool {
    let evidence = verdict.evidence.as_deref().unwrap_or_default();
    (verdict.protocol, verdict.exposure) == (Protocol::Http, Exposure::Plaintext)
        && evidence.contains("GET /a")
}

const FIRST: &[u8] = b"GE";
const SECOND: &[u8] = b"T /a HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\n\r\n";

#[test]
fn a_header_split_over_two_samples_is_one() {
    for from_client in [true, false] {
        split(from_client);
    }
}

fn split(one: bool) {
    let mut live = Live::new();
    assert!(!is_request(&live.take(&segment(one, 80, 100, PSH, FIRST))));
    // Meanwhile the other end sends something, and the first piece is repeated.
    live.take(&segment(!one, 80, 900, PSH, &[0x80, 0, 1]));
    live.take(&segment(one, 80, 100, PSH, FIRST));
    let verdict = live.take(&segment(one, 80, 102, PSH, SECOND));
    assert!(is_request(&verdict), "{verdict:?}");
    assert_eq!(verdict.credentials, [CredentialKind::HttpBasic]);
    assert!(!format!("{verdict:?}").contains("c2Vj"), "{verdict:?}");
    assert_eq!(live.flows.kept(), (0, 0), "the verdict is conclusive");
}

#[test]
fn a_conversation_ends_by_silence_and_not_by_its_age() {
    let mut live = Live::new();
    let seconds = |seconds| Timestamp::from_second(seconds).unwrap();
    live.take(&segment(true, 80, 100, PSH, FIRST));
    live.now = seconds(40);
    live.take(&segment(false, 80, 900, PSH, &[0x80, 0, 1]));
    live.now = seconds(80);
    let verdict = live.take(&segment(true, 80, 102, PSH, SECOND));
    assert!(is_request(&verdict), "{verdict:?}");

    let mut live = Live::new();
    live.take(&segment(true, 80, 100, PSH, FIRST));
    live.now = seconds(61);
    let verdict = live.take(&segment(true, 80, 102, PSH, SECOND));
    assert!(!is_request(&verdict), "{verdict:?}");
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n";
/// Bytes that are no text and no protocol.
const BODY: &[u8] = &[0x9c, 0x1f, 0x83, 0xe2];

fn is_body(verdict: &Verdict) -> bool {
    (verdict.protocol, verdict.exposure) == (Protocol::Http, Exposure::Plaintext)
        && verdict.evidence.as_deref() == Some("body")
}

#[test]
fn the_body_right_behind_a_header_is_http_as_far_as_it_goes() {
    let at = |bytes: &[u8]| 100 + u32::try_from(bytes.len()).unwrap();
    let mut live = Live::new();
    live.take(&segment(false, 80, 100, PSH, ANSWER));
    // The other end may send meanwhile.
    live.take(&segment(true, 80, 500, PSH, BODY));
    let start = at(ANSWER);
    assert!(is_body(&live.take(&segment(false, 80, start, PSH, BODY))));
    assert!(is_body(&live.take(&segment(
        false,
        80,
        start + 4,
        PSH,
        BODY
    ))));
    assert!(!is_body(&live.take(&segment(
        false,
        80,
        start + 8,
        PSH,
        BODY
    ))));

    let mut gap = Live::new();
    gap.take(&segment(false, 80, 100, PSH, ANSWER));
    assert!(!is_body(&gap.take(&segment(
        false,
        80,
        start + 1,
        PSH,
        BODY
    ))));
    assert!(!is_body(&gap.take(&segment(
        false,
        80,
        start + 5,
        PSH,
        BODY
    ))));

    // A header in two packets, and what follows another protocol's beginning.
    let mut split = Live::new();
    split.take(&segment(false, 80, 100, PSH, &ANSWER[..3]));
    split.take(&segment(false, 80, 103, PSH, &ANSWER[3..]));
    assert!(is_body(&split.take(&segment(false, 80, start, PSH, BODY))));
    let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n";
    let mut other = Live::new();
    other.take(&segment(false, 80, 100, PSH, upgrade));
    assert!(!is_body(&other.take(&segment(
        false,
        80,
        at(upgrade),
        PSH,
        BODY
    ))));
    assert_eq!(split.flows.kept().1, split.flows.held());
}

/// A body may hold any bytes, such as a recorded answer: it is a body up to the length in its header.
#[test]
fn no_other_protocol_is_looked_for_inside_a_body() {
    const LONG: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n";
    const INSIDE: &[u8] = b"HTTP/1.1 404 Not Found\r\n\r\n";
    let start = 100 + u32::try_from(LONG.len()).unwrap();
    let length = u32::try_from(INSIDE.len()).unwrap();
    let mut live = Live::new();
    live.take(&segment(false, 80, 100, PSH, LONG));
    // The flow may be in the older generation by then.
    live.flows.forget_silent();
    assert!(is_body(&live.take(&segment(false, 80, start, PSH, INSIDE))));
    // It reaches beyond the end of the body.
    let next = start + length;
    assert!(!is_body(&live.take(&segment(false, 80, next, PSH, INSIDE))));

    let mut gap = Live::new();
    gap.take(&segment(false, 80, 100, PSH, LONG));
    let beyond = start + 1;
    assert!(!is_body(
        &gap.take(&segment(false, 80, beyond, PSH, INSIDE))
    ));

    // After a silence it is another conversation.
    let mut silent = Live::new();
    silent.take(&segment(false, 80, 100, PSH, LONG));
    silent.now = Timestamp::from_second(61).unwrap();
    assert!(!is_body(
        &silent.take(&segment(false, 80, start, PSH, INSIDE))
    ));
}

#[test]
fn a_flow_with_a_sample_every_forty_seconds_is_one() {
    let mut live = Live::new();
    live.take(&segment(true, 80, 100, PSH, FIRST));
    for _ in 0..2 {
        live.now += SignedDuration::from_secs(40);
        live.take(&segment(true, 80, 100, PSH, FIRST));
    }
    assert!(is_request(&live.take(&segment(true, 80, 102, PSH, SECOND))));
}

#[test]
fn nothing_is_joined_across_a_gap_a_cut_or_an_idle_time() {
    let mut gap = Live::new();
    gap.take(&segment(true, 80, 100, PSH, FIRST));
    assert!(!is_request(&gap.take(&segment(true, 80, 103, PSH, SECOND))));

    let mut cut = Live::new();
    cut.snap = segment(true, 80, 100, PSH, FIRST).len() - 1;
    cut.take(&segment(true, 80, 100, PSH, FIRST));
    cut.snap = 256;
    assert!(!is_request(&cut.take(&segment(true, 80, 102, PSH, SECOND))));

    let mut idle = Live::new();
    idle.take(&segment(true, 80, 100, PSH, FIRST));
    idle.now += SignedDuration::from_secs(61);
    assert!(!is_request(
        &idle.take(&segment(true, 80, 102, PSH, SECOND))
    ));
}

#[test]
fn the_bytes_kept_of_samples_are_bounded() {
    let mut live = Live::new();
    live.snap = 2000;
    for n in 0..15_000_u32 {
        let port = u16::try_from(n % 10_000).unwrap() + 1;
        let bytes = vec![n as u8 | 0x80; 1 + (n as usize * 7) % 1400];
        live.take(&segment(n % 3 == 0, port, 100 + n, PSH, &bytes));
        let (flows, bytes) = live.flows.kept();
        assert!(flows <= 8192 && bytes <= 4 << 20, "{flows} {bytes}");
    }
    let (_, bytes) = live.flows.kept();
    assert_eq!(
        bytes,
        live.flows.held(),
        "the budget matches the allocation"
    );
}
