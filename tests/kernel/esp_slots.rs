//! Packets of busy associations are counted in slots, and in exactly one place whatever the agent does meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor::base::hash::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use monitor::kernel::{Counts, Entry, Kernel};
use monitor_common::count::EspCount;
use monitor_common::direction::Direction;
use monitor_common::key::EspKey;
use overlay_tests::frame::{NODES, esp, ethernet, ipv4_between, ipv6_between};
use overlay_tests::programs::{counting, direction, entries, load, run};
use overlay_tests::scale::in_vm;

const SPI: u32 = 0x1000;

/// An ESP packet to a node.
fn packet(node: u8, spi: u32, sequence: u32) -> Vec<u8> {
    let to = Ipv4Addr::new(10, 9, 8, node);
    ethernet(
        0x0800,
        &ipv4_between(NODES.0, to, 50, &[], &esp(spi, sequence)),
    )
}

fn packet_v6(node: u16, spi: u32, sequence: u32) -> Vec<u8> {
    let at = |last| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last);
    ethernet(
        0x86dd,
        &ipv6_between(at(1), at(node), 50, &esp(spi, sequence)),
    )
}

/// The associations, without the rows "other".
fn associations(counts: &Counts) -> HashMap<EspKey, EspCount> {
    let rows = counts.esp().unwrap().into_iter();
    rows.filter(|(key, _)| !key.is_other()).collect()
}

/// Makes the first packets of an association known, and places it. Returns its key.
fn placed(kernel: &mut Kernel, entry: Entry, frame: &[u8]) -> EspKey {
    let before = associations(kernel);
    run(kernel, entry, frame, 100);
    let rows = associations(kernel);
    kernel.place_associations(&rows).unwrap();
    let mut new = rows.into_keys().filter(|key| !before.contains_key(key));
    let key = new.next().unwrap();
    assert!(
        kernel.esp_slot(&key).is_some(),
        "{entry:?}: {key:?} has a place"
    );
    key
}

fn counted(packets: u64, len: usize, (lowest, highest): (u32, u32)) -> EspCount {
    EspCount {
        packets,
        bytes: packets * len as u64,
        sequence_min: lowest,
        sequence_max: highest,
        later_fragments: 0,
    }
}

#[test]
fn a_busy_association_is_counted_in_its_slot_and_in_every_total() {
    for entry in entries() {
        let kernel = &mut load(&counting());
        for (n, of) in [
            (|spi, sequence| packet(2, spi, sequence)) as fn(u32, u32) -> Vec<u8>,
            |spi, sequence| packet_v6(2, spi, sequence),
        ]
        .into_iter()
        .enumerate()
        {
            let spi = SPI + n as u32;
            let frame = of(spi, 7);
            let len = frame.len();
            let key = placed(kernel, entry, &frame);
            assert_eq!((key.spi, key.direction()), (spi, direction(entry)));
            run(kernel, entry, &of(spi, 9), 50);
            run(kernel, entry, &of(spi, 3), 50);
            // RFC 4303, 2.2: 0 is never sent.
            run(kernel, entry, &of(spi, 0), 10);
            assert_eq!(
                kernel.esp_slot(&key),
                Some(counted(110, len, (3, 9))),
                "{entry:?}"
            );
            assert_eq!(
                associations(kernel)[&key],
                counted(210, len, (3, 9)),
                "{entry:?}"
            );
            let mut taken = HashMap::default();
            kernel
                .take_esp(&[key], |key, count| {
                    taken.insert(key, count);
                })
                .unwrap();
            assert_eq!(
                taken,
                [(key, counted(210, len, (3, 9)))].into_iter().collect(),
                "{entry:?}"
            );
            assert_eq!(kernel.esp_slot(&key), None);
            assert!(
                !associations(kernel).contains_key(&key),
                "nothing is left behind"
            );
            run(kernel, entry, &frame, 1);
            assert_eq!(associations(kernel)[&key], counted(1, len, (7, 7)));
        }
    }
}

#[test]
fn another_association_is_not_counted_in_a_slot_whatever_its_hash() {
    let entry = Entry::Tc(Direction::Tx);
    let kernel = &mut load(&counting());
    let key = placed(kernel, entry, &packet(1, SPI, 5));
    let slot = kernel.esp_slot(&key);
    // More associations than places: each place is also that of some of these.
    let (nodes, per_node) = if in_vm() { (20, 20) } else { (50, 50) };
    for node in 2..2 + nodes {
        for spi in 0..per_node {
            run(kernel, entry, &packet(node, SPI + spi, 900), 1);
        }
    }
    assert_eq!(kernel.esp_slot(&key), slot);
    let rows = associations(kernel);
    assert_eq!(rows.len(), usize::from(nodes) * per_node as usize + 1);
    assert!(
        rows.iter()
            .all(|(at, count)| *at == key || count.packets == 1)
    );
}

#[test]
fn a_silent_association_gives_way_and_a_busy_one_stays() {
    let entry = Entry::Tc(Direction::Tx);
    let kernel = &mut load(&counting());
    let places = monitor_common::esp_slot::PLACES as usize;
    // All places are taken, each by an association that goes on or by one that falls silent.
    let all: Vec<Vec<u8>> = (0..3 * places as u32)
        .map(|n| packet(1, SPI + n, 1))
        .collect();
    for frame in &all {
        run(kernel, entry, frame, 100);
    }
    let rows = associations(kernel);
    kernel.place_associations(&rows).unwrap();
    let with_place = |kernel: &Kernel| {
        let keys = rows.keys().filter(|key| kernel.esp_slot(key).is_some());
        keys.copied().collect::<std::collections::HashSet<_>>()
    };
    let first = with_place(kernel);
    assert!(
        first.len() > places * 8 / 10 && first.len() <= places,
        "{}",
        first.len()
    );
    let is_even = |key: &EspKey| key.spi.is_multiple_of(2);
    for (n, frame) in (0u32..).zip(&all) {
        let had = first.iter().any(|key| key.spi == SPI + n);
        if !had || n.is_multiple_of(2) {
            run(kernel, entry, frame, 200);
        }
    }
    kernel.place_associations(&associations(kernel)).unwrap();
    let second = with_place(kernel);
    assert!(
        first
            .iter()
            .filter(|key| is_even(key))
            .all(|key| second.contains(key))
    );
    let left = first.iter().filter(|key| !second.contains(key)).count();
    assert!(left > places / 4, "{left} gave way");
    for (key, count) in associations(kernel) {
        let silent = first.contains(&key) && !is_even(&key);
        assert_eq!(count.packets, if silent { 100 } else { 300 }, "{key:?}");
    }
}

/// One CPU counts while another places associations and takes them out: no packet is lost and none is counted twice.
#[test]
fn no_packet_is_lost_or_doubled_while_places_come_and_go() {
    const ASSOCIATIONS: u32 = 12;
    let (rounds, repeat) = if in_vm() {
        (40, 2_000)
    } else {
        (1_030, 100_000)
    };
    let entry = Entry::Tc(Direction::Tx);
    let kernel = &mut load(&counting());
    let frames: Vec<Vec<u8>> = (0..ASSOCIATIONS)
        .map(|n| packet(n as u8, SPI + n, 40 + n))
        .collect();
    let ended = Arc::new(AtomicBool::new(false));
    let enough = Arc::new(AtomicBool::new(false));
    let changing = {
        let (counts, ended, enough) = (kernel.counts(), Arc::clone(&ended), Arc::clone(&enough));
        std::thread::spawn(move || change(&counts, &ended, &enough))
    };
    let mut round = 0;
    while round < rounds || !enough.load(Ordering::Relaxed) && round < 100 * rounds {
        run(kernel, entry, &frames[round % frames.len()], repeat);
        round += 1;
    }
    ended.store(true, Ordering::Relaxed);
    let (mut counted, in_slots, times) = changing.join().unwrap();
    let sent = round as u64 * u64::from(repeat);
    println!("{sent} packets, {in_slots} in slots; {times} times taken out");
    assert!(
        in_slots > 0 && times > 10,
        "{in_slots} in slots, {times} times"
    );
    for (key, count) in associations(kernel) {
        *counted.entry(key.spi).or_default() += count.packets;
    }
    // What is removed from the map meanwhile is counted as "other".
    let other = EspKey::other(
        1,
        Direction::Tx,
        monitor_common::encapsulation::Encapsulation::Esp,
    );
    let other = kernel
        .esp()
        .unwrap()
        .get(&other)
        .map_or(0, |count| count.packets);
    let all: u64 = counted.values().sum();
    assert_eq!(all + other, sent);
}

/// Places associations and takes them out, over and over. Returns the packets taken out by SPI, how many of them were seen in
/// slots, and how often an association was taken out. `enough` is set when both were.
fn change(
    counts: &Counts,
    ended: &AtomicBool,
    enough: &AtomicBool,
) -> (HashMap<u32, u64>, u64, u64) {
    let (mut taken, mut in_slots, mut times) = (HashMap::default(), 0, 0);
    while !ended.load(Ordering::Relaxed) {
        counts.place_associations(&counts.esp().unwrap()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3));
        let keys: Vec<EspKey> = associations(counts).into_keys().collect();
        for key in &keys {
            in_slots += counts.esp_slot(key).map_or(0, |count| count.packets);
        }
        counts
            .take_esp(&keys, |key, count| {
                times += 1;
                *taken.entry(key.spi).or_default() += count.packets;
            })
            .unwrap();
        enough.store(in_slots > 0 && times > 10, Ordering::Relaxed);
    }
    (taken, in_slots, times)
}
