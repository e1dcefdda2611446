//! Samples as they come, each judged with what is known of its flow.

use jiff::{SignedDuration, Timestamp};
use monitor_common::label::Direction;
use monitor_common::sample::{Cause, Sample};
use monitor_common::walk::Link;

use super::frames::*;
use super::*;
use crate::traffic::decode::Decoder;
use crate::traffic::flows::Samples;
use monitor_classify::{CredentialKind, Exposure, Protocol, Verdict};

/// Who is handed samples.
struct Live {
    decoder: Decoder,
    samples: Samples,
    now: Timestamp,
    snap: usize,
}

impl Live {
    fn new() -> Live {
        Live {
            decoder: Decoder {
                services: Services::default(),
                show_payload: false,
            },
            samples: Samples::default(),
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
            cause: Cause::FlowStart,
            reason: None,
            link: Link::Ethernet,
            frame: &frame[..frame.len().min(self.snap)],
        };
        let samples = &mut self.samples;
        let record = self.decoder.decode(samples, &sample, self.now, "eth0");
        record.verdict
    }
}

/// Whether it has the request, of which no packet has all.
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
    // The other end says something meanwhile, and the first piece comes once more.
    live.take(&segment(!one, 80, 900, PSH, &[0x80, 0, 1]));
    live.take(&segment(one, 80, 100, PSH, FIRST));
    let verdict = live.take(&segment(one, 80, 102, PSH, SECOND));
    assert!(is_request(&verdict), "{verdict:?}");
    assert_eq!(verdict.credentials, [CredentialKind::HttpBasic]);
    assert!(!format!("{verdict:?}").contains("c2Vj"), "{verdict:?}");
    assert_eq!(live.samples.kept(), (0, 0), "it has told");
}

#[test]
fn nothing_is_joined_over_a_gap_a_cut_or_a_silence() {
    let mut gap = Live::new();
    gap.take(&segment(true, 80, 100, PSH, FIRST));
    assert!(!is_request(&gap.take(&segment(true, 80, 103, PSH, SECOND))));

    let mut cut = Live::new();
    cut.snap = segment(true, 80, 100, PSH, FIRST).len() - 1;
    cut.take(&segment(true, 80, 100, PSH, FIRST));
    cut.snap = 256;
    assert!(!is_request(&cut.take(&segment(true, 80, 102, PSH, SECOND))));

    let mut silence = Live::new();
    silence.take(&segment(true, 80, 100, PSH, FIRST));
    silence.now += SignedDuration::from_secs(61);
    assert!(!is_request(
        &silence.take(&segment(true, 80, 102, PSH, SECOND))
    ));
}

#[test]
fn what_is_kept_of_samples_is_bounded() {
    let mut live = Live::new();
    live.snap = 2000;
    for n in 0..40_000_u32 {
        let port = u16::try_from(n % 20_000).unwrap() + 1;
        let bytes = vec![n as u8 | 0x80; 1 + (n as usize * 7) % 1400];
        live.take(&segment(n % 3 == 0, port, 100 + n, PSH, &bytes));
        let (flows, bytes) = live.samples.kept();
        assert!(flows <= 8192 && bytes <= 4 << 20, "{flows} {bytes}");
    }
    let (_, bytes) = live.samples.kept();
    assert_eq!(
        bytes,
        live.samples.held(),
        "what is counted is what is kept"
    );
}
