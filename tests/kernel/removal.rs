//! Rows are removed while programs count in them: no packet is lost, and none is counted twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aya::programs::TestRunOptions;
use monitor::kernel::{Entry, Kernel, LoadOptions};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{CounterKey, NetworkId};
use overlay_tests::frame::{ah, esp, ethernet, ipv4, redis_command, udp, vxlan};
use overlay_tests::scale::duration;

/// Packets of one system call.
const REPEAT: u32 = 10_000;
/// Networks and associations that are counted at the same time.
const MANY: u32 = 8;

fn vxlan_frame(vni: u32) -> Vec<u8> {
    let datagram = udp(49_152, 4789, &vxlan(vni, &redis_command()));
    ethernet(0x0800, &ipv4(17, &[], &datagram))
}

fn esp_frame(spi: u32) -> Vec<u8> {
    ethernet(0x0800, &ipv4(50, &[], &esp(spi, 1)))
}

/// A program that has run counts for the interface of the frame, which is the loopback device here.
fn load() -> Kernel {
    let options = LoadOptions {
        sample_every: 0,
        flow_samples: 0,
        ..LoadOptions::default()
    };
    let kernel = Kernel::new(&options).unwrap();
    kernel.prepare_interface(1).unwrap();
    kernel
}

fn run(kernel: &mut Kernel, frame: &[u8], times: u32) {
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat: times,
        ..TestRunOptions::default()
    };
    kernel.test_run(Entry::Tc(Direction::Rx), options).unwrap();
}

#[test]
fn rows_that_are_removed_while_they_count_lose_no_packet() {
    let mut kernel = load();
    let counts = kernel.counts();
    let stop = AtomicBool::new(false);
    let (sent, taken, removals) = std::thread::scope(|scope| {
        let remover = scope.spawn(|| {
            let (mut taken, mut removals) = (0, 0u64);
            while !stop.load(Ordering::Acquire) {
                let rows = counts.counters().unwrap();
                // As the agent does: a row that must always be found stays.
                let keys: Vec<CounterKey> = rows
                    .into_keys()
                    .filter(|key| key.vni().is_some_and(|vni| vni != 0))
                    .collect();
                counts
                    .take_counters(&keys, |_, count| {
                        taken += count.packets;
                        removals += 1;
                    })
                    .unwrap();
                let rows = counts.esp().unwrap();
                let keys: Vec<_> = rows.into_keys().filter(|key| !key.is_other()).collect();
                counts
                    .take_esp(&keys, |_, count| {
                        taken += count.packets;
                        removals += 1;
                    })
                    .unwrap();
            }
            (taken, removals)
        });
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < duration(Duration::from_secs(5)) {
            for n in 1..=MANY {
                run(&mut kernel, &vxlan_frame(n), REPEAT);
                run(&mut kernel, &esp_frame(n), REPEAT);
                sent += 2 * u64::from(REPEAT);
            }
        }
        stop.store(true, Ordering::Release);
        let (taken, removals) = remover.join().unwrap();
        (sent, taken, removals)
    });
    let left: u64 = counts.counters().unwrap().values().map(|c| c.packets).sum();
    let left_esp: u64 = counts.esp().unwrap().values().map(|c| c.packets).sum();
    println!("{sent} packets, {removals} rows removed with {taken} packets");
    assert!(removals > 50, "{removals}");
    assert_eq!(taken + left + left_esp, sent);
    // What was counted meanwhile is in "other", and is no overflow.
    let state = counts.state().unwrap();
    assert_eq!((state.counters_overflow, state.esp_overflow), (0, 0));
}

#[test]
fn a_full_map_takes_new_rows_once_others_are_removed_and_always_those_of_the_agent() {
    let mut kernel = load();
    let capacity = kernel.sizes().counters;
    for vni in 1..=capacity {
        run(&mut kernel, &vxlan_frame(vni), 1);
    }
    let full = kernel.state().unwrap().counters_overflow;
    assert!(full > 0);
    // A new interface and a new network find room.
    kernel.prepare_interface(2).unwrap();
    kernel.prepare_network(1, capacity + 1).unwrap();
    run(&mut kernel, &vxlan_frame(capacity + 1), 1);
    let key = |vni| CounterKey::new(1, Direction::Rx, Encapsulation::Vxlan, vni);
    assert_eq!(kernel.counters().unwrap()[&key(capacity + 1)].packets, 1);
    // Every packet of a further network is counted as "other" …
    run(&mut kernel, &vxlan_frame(capacity + 2), 5_000);
    assert_eq!(kernel.state().unwrap().counters_overflow, full + 5_000);
    // … and its first one finds room as soon as there is any: more rows than the programs lacked.
    let keys: Vec<CounterKey> = (1..=capacity / 4).map(key).collect();
    let mut removed = 0;
    kernel.take_counters(&keys, |_, _| removed += 1).unwrap();
    assert_eq!(removed, keys.len());
    run(&mut kernel, &vxlan_frame(capacity + 2), 1);
    assert_eq!(kernel.counters().unwrap()[&key(capacity + 2)].packets, 1);
    assert_eq!(kernel.state().unwrap().counters_overflow, full + 5_000);
}

/// AH with SPI 0 has rows that can be removed, and what finds no room is counted under its own encapsulation.
#[test]
fn forged_associations_are_counted_under_their_encapsulation_and_can_be_removed() {
    let mut kernel = load();
    let capacity = kernel.sizes().esp;
    let mut frame = ethernet(0x0800, &ipv4(51, &[], &ah(0, 253, &[0; 32])));
    for source in 0..capacity + 100 {
        frame[14 + 12..14 + 16].copy_from_slice(&(0x0a00_0000 + source).to_be_bytes());
        run(&mut kernel, &frame, 1);
    }
    let mut udp_frame = ethernet(0x0800, &ipv4(17, &[], &udp(4500, 4500, &esp(7, 1))));
    udp_frame[14 + 12..14 + 16].copy_from_slice(&[10, 9, 9, 9]);
    run(&mut kernel, &udp_frame, 3);
    run(&mut kernel, &esp_frame(7), 5);
    let rows = kernel.esp().unwrap();
    let others = |encapsulation| -> u64 {
        let mine = rows
            .iter()
            .filter(|(key, _)| key.is_other() && key.encapsulation() == Some(encapsulation));
        mine.map(|(_, count)| count.packets).sum()
    };
    assert!(others(Encapsulation::Ah) >= 100);
    assert_eq!(others(Encapsulation::EspUdp), 3);
    assert_eq!(others(Encapsulation::Esp), 5);
    let keys: Vec<_> = rows.keys().filter(|key| !key.is_other()).copied().collect();
    let mut packets = 0;
    kernel
        .take_esp(&keys, |_, count| packets += count.packets)
        .unwrap();
    assert_eq!(
        packets + others(Encapsulation::Ah),
        u64::from(capacity) + 100
    );
    run(&mut kernel, &esp_frame(7), 1);
    let rows = kernel.esp().unwrap();
    let found = rows
        .iter()
        .filter(|(key, count)| key.spi == 7 && count.packets == 1);
    assert_eq!(found.count(), 1);
}

/// Networks that are described and are so no more leave the maps of the shares, however many come after them.
#[test]
fn networks_that_were_described_once_leave_room_for_others() {
    const AT_ONCE: u32 = 4_096;
    let kernel = Kernel::new(&LoadOptions {
        exposure: true,
        ..LoadOptions::default()
    })
    .unwrap();
    let counts = kernel.counts();
    let mut now = Instant::now();
    for round in 0..10 {
        let first = round * AT_ONCE;
        let described = (first..first + AT_ONCE).map(NetworkId::vni);
        // Where there is no room yet, the next steps make it.
        drop(counts.flows.describe(described));
        for _ in 0..3 {
            now += Duration::from_secs(2 * 3600);
            counts.flows.forget_quiet(now).unwrap();
        }
        counts.flows.publish().unwrap();
    }
}
