use super::*;
use crate::host::described_network::{Network, NetworkKind, Requirement, Source};

const WINDOW: Duration = Duration::from_secs(60);

fn networks() -> Networks {
    Networks::new(vec![Network {
        vni: 4096,
        name: "app1".to_owned(),
        required: Requirement::Required,
        source: Source::Config,
        kind: NetworkKind::Overlay,
    }])
}

fn at(second: i64) -> Moment {
    Moment::second(second)
}

fn path(direction: Direction, last: u8) -> Path {
    Path {
        breach: Breach::Cleartext,
        vni: 4096,
        direction,
        node: Some(IpAddr::from([192, 168, 77, last])),
    }
}

fn tally(packets: u64, first: i64, last: i64) -> Tally {
    Tally {
        count: Count {
            packets,
            bytes: packets * 100,
        },
        first: at(first),
        last: at(last),
    }
}

#[test]
fn a_violation_lasts_from_its_first_packet_to_a_clean_window() {
    let mut violations = Violations::default();
    let there = path(Direction::Tx, 2);
    let events = violations.update([(there, tally(1, 100, 100))], &networks());
    let [Event::Opened(opened)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((opened.vni, opened.name.as_str()), (4096, "app1"));
    assert_eq!((opened.tally, opened.ended), (tally(1, 100, 100), None));
    assert!(violations.is_open(4096, Direction::Tx) && !violations.is_open(4096, Direction::Rx));

    // The same count again changes nothing, and a higher one is no event.
    assert_eq!(
        violations.update([(there, tally(1, 100, 100))], &networks()),
        []
    );
    assert_eq!(
        violations.update([(there, tally(5, 100, 130))], &networks()),
        []
    );
    assert_eq!(violations.end(at(189), WINDOW, |_| Since::Kept), []);
    let events = violations.end(at(190), WINDOW, |_| Since::Kept);
    let [Event::Ended(ended, Since::Kept)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (ended.tally, ended.ended),
        (tally(5, 100, 130), Some(at(190)))
    );
    assert!(!violations.is_open(4096, Direction::Tx));

    // What comes later is another one, with its own count; the totals go on.
    violations.forget(&there);
    let events = violations.update([(there, tally(2, 300, 301))], &networks());
    assert!(matches!(&events[..], [Event::Opened(at)] if at.tally == tally(2, 300, 301)));
    let totals: Vec<_> = violations.totals().collect();
    assert_eq!(totals, [(Some(4096), Direction::Tx, tally(7, 0, 0).count)]);
    assert_eq!(violations.all().len(), 2);
}

/// Set back by an hour it would stay open for an hour, set forward it would end at once.
#[test]
fn a_wall_clock_that_is_set_neither_ends_nor_prolongs_a_violation() {
    for hour in [-3_600, 3_600] {
        let mut violations = Violations::default();
        let there = path(Direction::Tx, 2);
        violations.update([(there, tally(1, 100, 100))], &networks());
        let stepped = Tally {
            last: at(130).stepped(hour),
            ..tally(2, 100, 130)
        };
        assert_eq!(violations.update([(there, stepped)], &networks()), []);
        assert_eq!(
            violations.end(at(189).stepped(hour), WINDOW, |_| Since::Kept),
            []
        );
        let events = violations.end(at(190).stepped(hour), WINDOW, |_| Since::Kept);
        let [Event::Ended(ended, Since::Kept)] = &events[..] else {
            panic!("{hour}: {events:?}")
        };
        assert_eq!(ended.tally, stepped);
    }
}

#[test]
fn directions_are_distinguished_and_new_nodes_are_events() {
    let mut violations = Violations::default();
    violations.update([(path(Direction::Tx, 2), tally(1, 100, 100))], &networks());
    let events = violations.update([(path(Direction::Rx, 2), tally(3, 101, 102))], &networks());
    assert!(matches!(&events[..], [Event::Opened(at)] if at.direction == Direction::Rx));
    let events = violations.update([(path(Direction::Rx, 3), tally(4, 103, 104))], &networks());
    let [Event::Spread(violation, node)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*node, IpAddr::from([192, 168, 77, 3]));
    assert_eq!(violation.tally, tally(7, 101, 104));
    assert_eq!(violation.peers[1].tally, tally(4, 103, 104));
}

#[test]
fn a_flood_of_forged_nodes_is_bounded_and_exact() {
    let mut violations = Violations::default();
    let networks = networks();
    let mut said = 0;
    for node in 0..10_000u32 {
        let path = Path {
            node: Some(IpAddr::from(node.to_be_bytes())),
            ..path(Direction::Rx, 0)
        };
        said += violations
            .update([(path, tally(1, 100, 100))], &networks)
            .len();
        violations.forget(&path);
    }
    assert_eq!(said, SAID);
    let [violation] = &violations.all()[..] else {
        panic!("one")
    };
    assert_eq!(violation.peers.len(), PEERS);
    assert_eq!(violation.others.packets, 10_000 - PEERS as u64);
    assert_eq!(violation.tally.count.packets, 10_000);
    assert!(violations.counted.is_empty());
    for vni in 0..20_000 {
        let path = Path {
            vni,
            ..path(Direction::Rx, 2)
        };
        violations.update([(path, tally(1, 100, 100))], &networks);
    }
    let sum: u64 = violations.totals().map(|(_, _, count)| count.packets).sum();
    assert_eq!(sum, 30_000);
    assert_eq!(violations.totals().count(), TOTALS + 1);
    assert_eq!(
        violations.end(at(1000), WINDOW, |_| Since::Kept).len(),
        20_000
    );
    assert_eq!(violations.all().len(), ENDED);
}

#[test]
fn causes_come_later_than_the_violation() {
    let mut violations = Violations::default();
    violations.update([(path(Direction::Tx, 2), tally(1, 100, 100))], &networks());
    let causes = ["no marking rule".to_owned()];
    violations.explain(Breach::Cleartext, 4096, Direction::Tx, &causes);
    violations.explain(Breach::Cleartext, 4096, Direction::Rx, &causes);
    assert_eq!(violations.all()[0].causes, causes);
}
