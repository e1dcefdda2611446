use super::*;

const DESCRIBED_VNI: u32 = 4097;

/// Offers a protocol in a network; only one network has a name.
fn offer(log: &mut PlaintextLog, vni: u32, protocol: Protocol, now: Instant) -> Option<String> {
    log.admit((Some(vni), protocol), now, |vni| {
        (vni == DESCRIBED_VNI).then(|| "app1".to_owned())
    })
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
        log.admit((None, Protocol::Redis), start, |_| None),
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
