use monitor_classify::Verdict;

use super::*;
use crate::traffic::sample_record::Endpoints;

const DESCRIBED_VNI: u32 = 4097;

/// Offers a protocol in a network; only one network has a name.
fn offer(log: &mut PlaintextLog, vni: u32, protocol: Protocol, now: Instant) -> Option<String> {
    let name = |vni| (vni == DESCRIBED_VNI).then(|| "app1".to_owned());
    log.admit((Some(vni), protocol), &[], now, name)
        .map(|network| network.title)
}

#[test]
fn forged_networks_are_bounded_per_minute_and_counted() {
    let start = Instant::now();
    let mut log = PlaintextLog::default();
    let lines = (0..45_000)
        .filter(|n| offer(&mut log, 100_000 + n % 1_000, Protocol::Redis, start).is_some())
        .count();
    assert_eq!(lines, LINES);
    assert_eq!(log.left_out(start + MINUTE / 2), None, "the minute runs");
    let line = log.left_out(start + MINUTE).unwrap();
    assert!(line.starts_with("990 more protocols"), "{line}");
    assert_eq!(log.left_out(start + MINUTE), None, "said once");
    // One that got no line gets it in a later minute.
    assert_eq!(
        offer(&mut log, 100_999, Protocol::Redis, start + MINUTE),
        Some("VNI 100999".to_owned())
    );
    assert_eq!(
        offer(&mut log, 100_000, Protocol::Redis, start + MINUTE),
        None,
        "had its line"
    );
}

#[test]
fn described_networks_keep_their_room_and_are_named() {
    let start = Instant::now();
    let mut log = PlaintextLog::default();
    for n in 0..45_000 {
        offer(&mut log, 100_000 + n, Protocol::Redis, start);
    }
    assert_eq!(
        offer(&mut log, DESCRIBED_VNI, Protocol::Redis, start),
        Some("app1 (VNI 4097)".to_owned())
    );
    assert_eq!(offer(&mut log, DESCRIBED_VNI, Protocol::Redis, start), None);
    assert!(offer(&mut log, DESCRIBED_VNI, Protocol::Http, start).is_some());
    assert_eq!(
        log.admit((None, Protocol::Redis), &[], start, |_| None)
            .map(|network| network.title),
        Some("outside any overlay".to_owned())
    );
    assert_eq!(
        log.left_out(start + MINUTE).unwrap().split(' ').nth(2),
        Some("4096")
    );
}

#[test]
fn what_is_remembered_is_bounded_and_the_oldest_is_forgotten() {
    let start = Instant::now();
    let mut log = PlaintextLog::default();
    let mut now = start;
    for n in 0..REMEMBERED as u32 + 1 {
        if (n as usize).is_multiple_of(LINES) {
            now += MINUTE;
            log.left_out(now);
        }
        assert!(
            offer(&mut log, 100_000 + n, Protocol::Redis, now).is_some(),
            "{n}"
        );
    }
    assert_eq!(log.undescribed.all.len(), REMEMBERED);
    now += MINUTE;
    log.left_out(now);
    assert!(
        offer(&mut log, 100_000, Protocol::Redis, now).is_some(),
        "forgotten"
    );
    assert!(offer(&mut log, 100_002, Protocol::Redis, now).is_none());
}

#[test]
fn a_kind_of_credentials_that_comes_later_is_logged_with_the_name_of_its_network() {
    let start = Instant::now();
    let mut log = PlaintextLog::default();
    let end = |last: u8| std::net::IpAddr::from([10, 0, 1, last]);
    let mut record = SampleRecord {
        vni: Some(DESCRIBED_VNI),
        inner: Some(Endpoints {
            source: end(9),
            destination: end(7),
        }),
        source_port: 40000,
        destination_port: 80,
        verdict: Verdict {
            protocol: Protocol::Http,
            exposure: Exposure::Plaintext,
            ..Verdict::unknown()
        },
        ..SampleRecord::new(jiff::Timestamp::UNIX_EPOCH, "eth0", None)
    };
    let name = |_| Some("app1\u{1b}".to_owned());
    let first = log.first(&record, start, name).unwrap();
    assert_eq!(first.credentials, None);
    assert_eq!(log.first(&record, start, name), None);
    record.verdict.credentials = vec![CredentialKind::Cookie, CredentialKind::HttpBasic];
    let later = log.first(&record, start, name).unwrap();
    assert_eq!(later.credentials.as_deref(), Some("cookie,http_basic"));
    assert_eq!(later.network.as_deref(), Some("app1\\x1b"));
    assert_eq!(
        later.text,
        "app1\\x1b (VNI 4097): http is readable in plaintext, first seen from 10.0.1.9 port 40000 to 10.0.1.7 port \
         80: ; credentials: cookie, http_basic"
    );
    assert_eq!(log.first(&record, start, name), None);
}
