//! Packets of flows with a verdict are counted in slots, and in exactly one place whatever the agent does meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use monitor::agent::exposure::Account;
use monitor::kernel::{Counts, Entry, Kernel, LoadOptions, SlotKey};
use monitor::traffic::exposure_class::class;
use monitor_classify::{Exposure, Protocol};
use monitor_common::count::{Count, Total};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{Class, CounterKey, NetworkId};
use overlay_tests::frame::{ethernet, ipv4, overlay, redis_command, tcp};
use overlay_tests::programs::{IFINDEX, direction, entries, load, run};
use overlay_tests::scale::in_vm;

const VNI: u32 = 4096;

fn options() -> LoadOptions {
    LoadOptions {
        exposure: true,
        sample_every: 0,
        ..LoadOptions::default()
    }
}

/// A packet of a flow of its own in a network.
fn packet(vni: u32, source_port: u16) -> Vec<u8> {
    let segment = tcp(source_port, 6379, &redis_command());
    overlay(vni, &ethernet(0x0800, &ipv4(6, &[], &segment)))
}

fn redis() -> Class {
    class(Protocol::Redis, Exposure::Plaintext)
}

fn http() -> Class {
    class(Protocol::Http, Exposure::Plaintext)
}

fn place(vni: u32, class: Class) -> SlotKey {
    SlotKey {
        ifindex: IFINDEX,
        vni,
        class,
    }
}

/// The flow of this frame, which is seen for the first time.
fn flow(kernel: &mut Kernel, entry: Entry, frame: &[u8]) -> u64 {
    let before: Vec<u64> = flows(kernel);
    run(kernel, entry, frame, 1);
    flows(kernel)
        .into_iter()
        .find(|flow| !before.contains(flow))
        .unwrap()
}

fn flows(kernel: &Kernel) -> Vec<u64> {
    let all = kernel.flows.all().unwrap();
    all.into_iter().map(|(flow, _)| flow).collect()
}

fn counted(counts: &Counts, direction: Direction, vni: u32) -> Count {
    let key = CounterKey::new(IFINDEX, direction, Encapsulation::Vxlan, vni);
    let rows = counts.counters().unwrap();
    rows.get(&key).copied().unwrap_or_default()
}

/// Packets and bytes of a network under all classes, and under one of them.
fn exposed(account: &Account, direction: Direction, vni: u32, one: Class) -> (Count, Count) {
    let (exposed, pending, _) = account.read().unwrap();
    let mut total = Count::ZERO;
    let mut under = Count::ZERO;
    for row in exposed {
        if row.key.network() == NetworkId::vni(vni) && row.key.direction() == direction {
            total.add(row.count);
            if row.key.class() == one {
                under.add(row.count);
            }
        }
    }
    for row in pending {
        if row.network == NetworkId::vni(vni) {
            total.add(Count {
                packets: row.packets,
                bytes: row.bytes,
            });
        }
    }
    (total, under)
}

#[test]
fn a_flow_with_a_slot_is_counted_there_and_its_packets_are_in_every_total() {
    for entry in entries() {
        let direction = direction(entry);
        let mut kernel = load(&options());
        let account = Account::new(kernel.counts());
        let frame = packet(VNI, 40_000);
        let flow = flow(&mut kernel, entry, &frame);
        kernel.set_verdict(flow, redis()).unwrap();
        assert!(!kernel.has_slot(flow));
        kernel.give_slot(flow, place(VNI, redis()));
        assert!(kernel.has_slot(flow), "{entry:?}");
        // The verdict is used, although the programs do not look it up.
        assert_eq!(kernel.verdict_in_use(flow).unwrap(), Some((redis(), false)));
        run(&mut kernel, entry, &frame, 1000);
        assert_eq!(kernel.verdict_in_use(flow).unwrap(), Some((redis(), true)));
        kernel.rest_verdict(flow, redis()).unwrap();
        assert_eq!(kernel.verdict_in_use(flow).unwrap(), Some((redis(), false)));
        let len = frame.len() as u64;
        let expected = |packets| Count {
            packets,
            bytes: packets * len,
        };
        for reclaimed in [false, true] {
            if reclaimed {
                kernel.reclaim_slots(|key| key.vni == VNI).unwrap();
                assert!(!kernel.has_slot(flow));
            }
            assert_eq!(
                counted(&kernel, direction, VNI),
                expected(1001),
                "{entry:?}"
            );
            let (all, redis) = exposed(&account, direction, VNI, redis());
            assert_eq!((all, redis), (expected(1001), expected(1000)), "{entry:?}");
        }
        // Without its slot it is counted in the maps.
        run(&mut kernel, entry, &frame, 1);
        assert_eq!(
            counted(&kernel, direction, VNI),
            expected(1002),
            "{entry:?}"
        );
    }
}

#[test]
fn a_slot_of_another_network_or_interface_counts_nothing() {
    let entry = Entry::Tc(Direction::Tx);
    let mut kernel = load(&options());
    let frame = packet(VNI, 40_000);
    let flow = flow(&mut kernel, entry, &frame);
    kernel.set_verdict(flow, redis()).unwrap();
    let other_interface = SlotKey {
        ifindex: IFINDEX + 1,
        ..place(VNI, redis())
    };
    for wrong in [place(VNI + 1, redis()), other_interface] {
        kernel.give_slot(flow, wrong);
        run(&mut kernel, entry, &frame, 10);
    }
    assert_eq!(counted(&kernel, Direction::Tx, VNI).packets, 21);
    assert_eq!(
        kernel
            .counters()
            .unwrap()
            .values()
            .filter(|row| row.packets != 0)
            .count(),
        1
    );
}

#[test]
fn a_new_connection_takes_the_slot_back() {
    for entry in entries() {
        let mut kernel = load(&options());
        let account = Account::new(kernel.counts());
        let frame = packet(VNI, 40_000);
        let flow = flow(&mut kernel, entry, &frame);
        kernel.set_verdict(flow, redis()).unwrap();
        kernel.give_slot(flow, place(VNI, redis()));
        // Behind the inner TCP header's data offset: SYN.
        let mut syn = frame.clone();
        syn[50 + 14 + 20 + 13] = 2;
        run(&mut kernel, entry, &syn, 1);
        assert!(!kernel.has_slot(flow), "{entry:?}");
        run(&mut kernel, entry, &frame, 5);
        let (all, redis) = exposed(&account, direction(entry), VNI, redis());
        assert_eq!((all.packets, redis.packets), (7, 0), "{entry:?}");
    }
}

/// Networks that come and go fill the slots, and the flows without one are counted all the same.
#[test]
fn without_a_free_slot_packets_are_counted_in_the_maps() {
    let entry = Entry::Tc(Direction::Rx);
    let mut kernel = load(&options());
    for vni in 0..monitor_common::map_size::SLOTS + 10 {
        kernel.give_slot(u64::from(vni) << 32, place(vni, redis()));
    }
    let frame = packet(VNI, 40_000);
    let flow = flow(&mut kernel, entry, &frame);
    kernel.set_verdict(flow, redis()).unwrap();
    kernel.give_slot(flow, place(VNI, http()));
    assert!(
        !kernel.has_slot(flow),
        "undescribed networks leave slots free"
    );
    run(&mut kernel, entry, &frame, 9);
    assert_eq!(counted(&kernel, Direction::Rx, VNI).packets, 10);
    // Described ones have room, and where they are idle slots become free.
    kernel.flows.describe([NetworkId::vni(VNI)]).unwrap();
    kernel.give_slot(flow, place(VNI, http()));
    assert!(kernel.has_slot(flow));
    kernel.tidy_slots(Instant::now()).unwrap();
    assert!(kernel.has_slot(flow), "not idle for long enough");
    kernel
        .tidy_slots(Instant::now() + Duration::from_secs(3600))
        .unwrap();
    assert!(!kernel.has_slot(flow));
    run(&mut kernel, entry, &frame, 1);
    assert_eq!(counted(&kernel, Direction::Rx, VNI).packets, 11);
}

/// One CPU counts while another gives slots, takes them back, changes verdicts, and reclaims: no packet is lost and none is
/// counted twice.
#[test]
fn no_packet_is_lost_or_doubled_while_slots_come_and_go() {
    const FLOWS: u16 = 12;
    let (rounds, repeat) = if in_vm() {
        (40, 2_000)
    } else {
        (1_030, 100_000)
    };
    let entry = Entry::Tc(Direction::Rx);
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    let frames: Vec<Vec<u8>> = (0..FLOWS)
        .map(|n| packet(VNI + u32::from(n % 3), 40_000 + n))
        .collect();
    let known: Vec<(u64, u32)> = (0..FLOWS)
        .zip(&frames)
        .map(|(n, frame)| (flow(&mut kernel, entry, frame), VNI + u32::from(n % 3)))
        .collect();
    for (flow, _) in &known {
        kernel.set_verdict(*flow, redis()).unwrap();
    }
    account
        .settle(monitor::agent::exposure::now() + 10)
        .unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let changing = {
        let (counts, ended) = (kernel.counts(), Arc::clone(&ended));
        std::thread::spawn(move || change(&counts, &known, &ended))
    };
    for round in 0..rounds {
        run(&mut kernel, entry, &frames[round % frames.len()], repeat);
    }
    ended.store(true, Ordering::Relaxed);
    let (given, reclaimed) = changing.join().unwrap();
    println!(
        "{} packets; {given} slots given, {reclaimed} times reclaimed",
        rounds as u64 * u64::from(repeat)
    );
    assert!(
        reclaimed > 0 && given > reclaimed,
        "{given} given, {reclaimed} reclaimed"
    );
    let mut in_all = Count::ZERO;
    for vni in VNI..VNI + 3 {
        let counted = counted(&kernel, Direction::Rx, vni);
        let (exposed, _) = exposed(&account, Direction::Rx, vni, redis());
        assert_eq!(counted, exposed, "VNI {vni}");
        in_all.add(counted);
    }
    let packets = rounds as u64 * u64::from(repeat) + u64::from(FLOWS);
    let bytes = packets * frames[0].len() as u64;
    assert_eq!(in_all, Count { packets, bytes });
}

/// Changes everything about these flows, over and over. Returns how often a slot was given, and slots were reclaimed.
fn change(counts: &Counts, known: &[(u64, u32)], ended: &AtomicBool) -> (u64, u64) {
    let (mut given, mut reclaimed) = (0u64, 0u64);
    while !ended.load(Ordering::Relaxed) {
        for (at, (flow, vni)) in known.iter().enumerate() {
            let class = if (given as usize + at).is_multiple_of(2) {
                redis()
            } else {
                http()
            };
            counts.set_verdict(*flow, class).unwrap();
            counts.give_slot(*flow, place(*vni, class));
            given += 1;
            if given.is_multiple_of(7) {
                counts.reclaim_slots(|key| key.vni == *vni).unwrap();
                reclaimed += 1;
            }
            if given.is_multiple_of(50) {
                counts.reclaim_slots(|_| true).unwrap();
                // Until the next turn all of them are counted in the maps.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    (given, reclaimed)
}
