use monitor_common::count::{EspCarried, EspCount};
use monitor_common::encapsulation::Encapsulation;

use super::*;
use crate::base::clock::Moment;
use crate::kernel::attach::Hook;
use crate::policy::violation::Tally;
use crate::traffic::counted::{EspNetwork, HookState, Traffic};
use crate::traffic::counted_association::CountedAssociation;

fn traffic(vni: Vni, direction: Direction, packets: u64) -> Traffic {
    Traffic {
        interface: "eth0".into(),
        direction,
        encapsulation: Encapsulation::Vxlan,
        vni,
        count: Count {
            packets,
            bytes: packets * 100,
        },
    }
}

fn esp(packets: u64) -> CountedAssociation {
    CountedAssociation {
        interface: "eth0".into(),
        direction: Direction::Rx,
        encapsulation: Encapsulation::Esp,
        addresses: None,
        spi: 0,
        count: EspCount {
            packets,
            ..EspCount::default()
        },
    }
}

fn counted(cleartext: u64, encrypted: u64) -> Counted {
    Counted {
        traffic: vec![
            traffic(Vni::Id(4096), Direction::Tx, cleartext),
            traffic(Vni::Other, Direction::Rx, 7),
        ],
        esp_networks: vec![EspNetwork {
            direction: Direction::Rx,
            vni: 4096,
            peer: "192.168.77.2".parse().unwrap(),
            count: EspCarried {
                packets: encrypted,
                bytes: encrypted,
                overhead: encrypted,
            },
        }],
        attribution: Attribution::Exact,
        ..Counted::default()
    }
}

#[test]
fn counts_older_than_the_window_leave_it() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut history = History::new(Duration::from_secs(60));
    for seconds in 0..30 {
        history.record(&counted(5, 0), |_| true, at(seconds));
    }
    history.record(&counted(5, 9), |_| true, at(30));
    let (seen, _) = history.sum();
    assert_eq!(seen[&4096].cleartext[Direction::Tx as usize].packets, 5);
    assert_eq!(seen[&4096].encrypted[Direction::Rx as usize].packets, 9);
    for seconds in 31..67 {
        history.record(&counted(5, 9), |_| true, at(seconds));
    }
    let (seen, _) = history.sum();
    assert_eq!(seen[&4096].cleartext_packets(), 0, "more than a window ago");
    assert_eq!(seen[&4096].encrypted_packets(), 9);
    for seconds in 67..400 {
        history.record(&counted(5, 9), |_| true, at(seconds));
        assert!(history.spans.len() <= SPANS as usize + 2);
    }
    assert!(history.sum().0.is_empty());
}

#[test]
fn what_came_after_a_moment_is_not_what_came_before_it_in_the_same_window() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut history = History::new(Duration::from_secs(60));
    let came = |history: &History, seconds| {
        history.came_after(4096, Carried::Encrypted, Direction::Rx, at(seconds))
    };
    history.record(&counted(0, 9), |_| true, at(0));
    history.record(&counted(0, 12), |_| true, at(5));
    assert!(came(&history, 0) && !came(&history, 1));
    assert!(history.is_counted(4096) && !history.is_counted(4097));
    // Cleartext at 7 s, and nothing since: the ESP of before is in the window and proves nothing.
    history.record(&counted(5, 12), |_| true, at(10));
    assert!(!came(&history, 7));
    assert_eq!(history.sum().0[&4096].encrypted_packets(), 12);
    // ESP in the same span as the cleartext may have come before it.
    history.record(&counted(5, 13), |_| true, at(15));
    assert!(!came(&history, 12) && came(&history, 10));
    history.record(&counted(5, 14), |_| true, at(20));
    assert!(came(&history, 12));
    // A network that is not known any more leaves nothing.
    history.record(&counted(5, 15), |_| false, at(25));
    assert!(!came(&history, 12) && history.grown.is_empty());
}

#[test]
fn a_violation_ends_with_what_came_after_it() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let violation = |breach, direction| Violation {
        vni: 4096,
        name: String::new(),
        direction,
        breach,
        tally: Tally {
            count: Count::default(),
            first: Moment::second(0),
            last: Moment::second(0),
        },
        peers: Vec::new(),
        others: Count::default(),
        ended: None,
        causes: Vec::new(),
    };
    let mut history = History::new(Duration::from_secs(60));
    history.record(&counted(5, 0), |_| true, at(0));
    let cleartext = violation(Breach::Cleartext, Direction::Rx);
    let encrypted = violation(Breach::Encrypted, Direction::Tx);
    let last = Some(at(1));
    assert_eq!(history.since(&cleartext, last), Since::Silent);
    assert_eq!(history.since(&encrypted, last), Since::Silent);
    // ESP is received, cleartext is sent.
    history.record(&counted(5, 9), |_| true, at(5));
    history.record(&counted(8, 10), |_| true, at(10));
    assert_eq!(history.since(&cleartext, last), Since::Kept);
    assert_eq!(history.since(&encrypted, last), Since::Kept);
    assert_eq!(history.since(&cleartext, None), Since::Silent);
    let sent = violation(Breach::Cleartext, Direction::Tx);
    assert_eq!(history.since(&sent, last), Since::Silent, "the other way");
    let mut unseen = counted(8, 10);
    unseen.attribution = Attribution::None;
    history.record(&unseen, |_| true, at(15));
    assert_eq!(history.since(&sent, last), Since::Unseen);
    assert_eq!(history.since(&cleartext, last), Since::Kept);
}

#[test]
fn incomplete_coverage_is_kept_for_a_window() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut history = History::new(Duration::from_secs(12));
    let hook = |hook| HookState {
        interface: "eth0".into(),
        direction: Direction::Rx,
        hook,
        first: true,
    };
    let mut blind = counted(0, 0);
    blind.hooks = vec![hook(Some(Hook::Tcx)), hook(None)];
    blind.attribution = Attribution::Impossible("no BTF".to_owned());
    blind.esp = vec![esp(11)];
    blind.state.counters_overflow = 3;
    history.record(&blind, |_| true, at(0));
    let bad = Coverage {
        blind: true,
        unattributed: 11,
        overflow: 3,
    };
    assert_eq!(history.sum().1, bad);
    blind.hooks = vec![hook(Some(Hook::Tcx))];
    blind.lost = 1;
    history.record(&blind, |_| true, at(6));
    assert_eq!(history.sum().1, bad, "nothing new");
    for seconds in 7..30 {
        history.record(&blind, |_| true, at(seconds));
    }
    assert_eq!(history.sum().1, Coverage::default());
}

#[test]
fn a_scan_of_vnis_is_bounded_and_hides_no_known_network() {
    let mut snapshot = Counted::default();
    let many = (0..20_000).map(|vni| traffic(Vni::Id(vni), Direction::Rx, 1));
    snapshot.traffic = many.collect();
    let mut history = History::new(Duration::from_secs(60));
    let start = Instant::now();
    history.record(&snapshot, |vni| vni == 19_999, start);
    let (seen, _) = history.sum();
    assert_eq!(seen.len(), UNDESCRIBED + 1);
    assert!(seen.contains_key(&19_999));
    // Other VNIs, half a window later.
    let many = (20_000..40_000).map(|vni| traffic(Vni::Id(vni), Direction::Rx, 1));
    snapshot.traffic.extend(many);
    history.record(
        &snapshot,
        |vni| vni == 19_999,
        start + Duration::from_secs(30),
    );
    assert_eq!(history.sum().0.len(), UNDESCRIBED + 1);
}
