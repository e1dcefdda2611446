use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::reason::Reason;

use super::*;

const VNI: u32 = 4096;

/// Maps in which so many packets are counted for an interface.
fn maps(counts: &[(u32, u64)]) -> Rows {
    let mut rows = Rows::default();
    for (index, packets) in counts {
        let key = CounterKey::new(*index, Direction::Rx, Encapsulation::Vxlan, VNI);
        let count = Count {
            packets: *packets,
            bytes: packets * 100,
        };
        rows.counters.insert(key, count);
        let reason = Reason::ALL[0];
        rows.reasons
            .insert(ReasonKey::new(*index, Direction::Rx, reason), *packets);
    }
    rows
}

/// Packets by name; those of the reasons must be the same.
fn packets(ledger: &Ledger, rows: &Rows) -> Vec<(String, u64)> {
    let (traffic, _, unparsed) = ledger.rows(rows);
    // Reasons are there with 0 from the start.
    let mut by_reason: Vec<_> = unparsed
        .into_iter()
        .filter(|row| row.packets != 0)
        .map(|row| (row.interface.to_string(), row.packets))
        .collect();
    let mut traffic: Vec<_> = traffic
        .into_iter()
        .map(|row| {
            assert_eq!(row.count.bytes, row.count.packets * 100);
            (row.interface.to_string(), row.count.packets)
        })
        .collect();
    by_reason.sort();
    traffic.sort();
    assert_eq!(traffic, by_reason);
    traffic
}

fn names(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    owned.collect()
}

fn never() -> Result<Rows, Failure> {
    panic!("the maps are not needed")
}

#[test]
fn counts_stay_with_the_name_under_which_they_were_made() {
    let mut ledger = Ledger::default();
    ledger.begin(2, "eth0", never).unwrap();
    let rows = maps(&[(2, 10)]);
    assert_eq!(packets(&ledger, &rows), names(&[("eth0", 10)]));

    ledger.rename(2, "wan0", || Ok(rows.clone())).unwrap();
    assert_eq!(packets(&ledger, &rows), names(&[("eth0", 10)]));
    assert_eq!(ledger.names().of(2), "wan0");
    // Another interface takes the old name, and then the first takes it back.
    ledger.begin(3, "eth0", never).unwrap();
    let rows = maps(&[(2, 15), (3, 7)]);
    assert_eq!(packets(&ledger, &rows), names(&[("eth0", 17), ("wan0", 5)]));
    ledger.rename(3, "lan0", || Ok(rows.clone())).unwrap();
    ledger.rename(2, "eth0", || Ok(rows.clone())).unwrap();
    let rows = maps(&[(2, 16), (3, 9)]);
    assert_eq!(
        packets(&ledger, &rows),
        names(&[("eth0", 18), ("lan0", 2), ("wan0", 5)])
    );
}

#[test]
fn one_that_is_gone_keeps_its_counts_and_its_index_may_be_another_s() {
    let mut ledger = Ledger::default();
    ledger.begin(2, "eth0", never).unwrap();
    ledger.end(2);
    let rows = maps(&[(2, 10)]);
    assert_eq!(packets(&ledger, &rows), names(&[("eth0", 10)]));
    // The same index comes back under another name before the rows were put away.
    ledger.begin(2, "eth1", || Ok(rows.clone())).unwrap();
    assert_eq!(ledger.ended(), 0);
    let rows = maps(&[(2, 13)]);
    assert_eq!(packets(&ledger, &rows), names(&[("eth0", 10), ("eth1", 3)]));
    // And under its own.
    ledger.end(2);
    ledger.begin(2, "eth1", never).unwrap();
    assert_eq!(packets(&ledger, &rows), names(&[("eth0", 10), ("eth1", 3)]));
}

#[test]
fn the_rows_of_an_interface_are_due_a_while_after_it_is_no_longer_watched() {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut ledger = Ledger::default();
    for index in [2, 3, 4] {
        ledger.begin(index, "eth", never).unwrap();
    }
    assert_eq!((ledger.ended(), ledger.due(Duration::ZERO)), (0, vec![]));
    ledger.end(4);
    ledger.end(2);
    assert_eq!(ledger.ended(), 2);
    assert_eq!(ledger.due(Duration::ZERO), [2, 4]);
    assert!(ledger.due(HOUR).is_empty());
    // It is watched again before its rows were moved.
    ledger.begin(2, "eth", never).unwrap();
    assert_eq!((ledger.ended(), ledger.due(Duration::ZERO)), (1, vec![4]));
}

#[test]
fn names_that_are_gone_do_not_grow_for_ever_and_nothing_is_lost() {
    let mut ledger = Ledger::default();
    let many = u32::try_from(NAMES).unwrap() + 50;
    for index in 1..=many {
        ledger.begin(index, &format!("veth{index}"), never).unwrap();
        ledger.end(index);
        ledger.book(&maps(&[(index, 2)]), |at| at == index);
        ledger.known.remove(&index);
        ledger.forget(|at| at == index);
        ledger.bound();
    }
    let found = packets(&ledger, &Rows::default());
    assert_eq!(found.len(), NAMES + 1);
    assert_eq!(
        found.iter().map(|(_, count)| count).sum::<u64>(),
        u64::from(many) * 2
    );
    assert!(found.contains(&(OTHER.to_owned(), 100)));
    assert!(found.contains(&(format!("veth{many}"), 2)));
    // An index comes again, and its row in the map begins with nothing.
    ledger.begin(1, "new0", never).unwrap();
    assert!(packets(&ledger, &maps(&[(1, 1)])).contains(&("new0".to_owned(), 1)));
}

#[test]
fn associations_that_were_put_away_stay_counted_and_take_one_row() {
    let key = |spi| {
        let addresses = monitor_common::address::Addresses::v4(1, 2);
        EspKey::new(2, Direction::Rx, Encapsulation::Esp, spi, &addresses)
    };
    let count = |packets| EspCount {
        packets,
        bytes: packets * 100,
        sequence_min: 1,
        sequence_max: packets as u32,
        later_fragments: packets / 2,
    };
    let mut ledger = Ledger::default();
    ledger.begin(2, "eth0", never).unwrap();
    ledger.retire(key(7), count(10));
    ledger.retire(key(8), count(20));
    let mut rows = Rows::default();
    rows.esp.insert(key(9), count(5));
    let (_, esp, _) = ledger.rows(&rows);
    let mut packets: Vec<_> = esp.iter().map(|row| (row.spi, row.count.packets)).collect();
    packets.sort_unstable();
    assert_eq!(packets, [(0, 30), (9, 5)]);
    assert!(esp.iter().all(|row| row.addresses.is_some()));

    // One that speaks again begins at nothing, as the map does.
    rows.esp.insert(key(7), count(1));
    let (_, esp, _) = ledger.rows(&rows);
    let total: u64 = esp.iter().map(|row| row.count.packets).sum();
    assert_eq!(total, 36);
}

#[test]
fn what_another_process_left_is_counted_under_its_names() {
    let source = [0, 0xffff_c0a8_4d02];
    let key = |spi| EspKey {
        ifindex: 2,
        direction: Direction::Rx as u32,
        spi,
        encapsulation: Encapsulation::Esp as u32,
        source,
        destination: source,
    };
    let count = EspCount {
        packets: 3,
        ..EspCount::default()
    };
    let mut left = maps(&[(2, 10)]);
    left.esp.insert(key(7), count);
    let mut ledger = Ledger::default();
    let names: Vec<Arc<str>> = vec!["old0".into(), "eth0".into()];
    ledger.inherit(&left, names.into_iter(), |_| "eth0".into());
    // The same association, in the maps of this process.
    ledger.begin(5, "eth0", never).unwrap();
    let mut now = maps(&[(5, 4)]);
    now.esp.insert(
        EspKey {
            ifindex: 5,
            ..key(7)
        },
        count,
    );
    assert_eq!(packets(&ledger, &now), self::names(&[("eth0", 14)]));
    let (_, mut esp, _) = ledger.rows(&now);
    esp.sort_by_key(|row| row.spi);
    let esp: Vec<_> = esp.iter().map(|row| (row.spi, row.count.packets)).collect();
    assert_eq!(
        esp,
        [(0, 3), (7, 3)],
        "its keys are not those of the maps now"
    );
    let counted = ledger.counted_names();
    assert_eq!(
        counted,
        ["old0".into(), Arc::from("eth0")],
        "those that are watched last"
    );
    let known: Vec<_> = ledger.known_names().collect();
    assert_eq!(known, [(5, Arc::from("eth0"))]);
    let node = ledger.node(&key(7)).unwrap();
    assert_eq!(node.2.to_string(), "192.168.77.2");
    assert_eq!(
        ledger.node(&EspKey::other(2, Direction::Rx, Encapsulation::Esp)),
        None
    );
}
