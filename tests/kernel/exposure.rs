//! Packets are pending until their flow is judged, are credited once, and are counted under the verdict
//! from then on: no packet is in two places, and none in no place.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor::agent::exposure::Account;
use monitor::kernel::{Caps, Entry, Kernel, LoadOptions};
use monitor::traffic::exposure_class::class;
use monitor_classify::{Exposure, Protocol};
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{Class, CounterKey, ExposureKey, NetworkId};
use overlay_tests::frame::{ethernet, ipv4, overlay, redis_command, tcp};
use overlay_tests::programs::{IFINDEX, direction, entries, load, run};

const VNI: u32 = 4096;

fn options() -> LoadOptions {
    LoadOptions {
        exposure: true,
        sample_every: 0,
        ..LoadOptions::default()
    }
}

/// A packet of a flow of its own.
fn packet(source_port: u16) -> Vec<u8> {
    let segment = tcp(source_port, 6379, b"*1\r\n$4\r\nPING\r\n");
    overlay(VNI, &ethernet(0x0800, &ipv4(6, &[], &segment)))
}

/// Later than any flow of this test, in the account's own units.
fn later(seconds: u32) -> u32 {
    monitor::agent::exposure::now() + seconds
}

/// Packets under each class, and those that are pending, of the network of these tests.
struct Books {
    classes: Vec<(Class, Count)>,
    pending: u64,
}

fn books(account: &Account, direction: Direction) -> Books {
    let (exposed, pending, _) = account.read().unwrap();
    let network = NetworkId::vni(VNI);
    Books {
        classes: exposed
            .iter()
            .filter(|row| row.key.network() == network && row.key.direction() == direction)
            .map(|row| (row.key.class(), row.count))
            .collect(),
        pending: pending
            .iter()
            .find(|row| row.network == network)
            .map_or(0, |row| row.packets),
    }
}

fn counted(kernel: &Kernel, direction: Direction) -> Count {
    let key = CounterKey::new(IFINDEX, direction, Encapsulation::Vxlan, VNI);
    kernel.counters().unwrap()[&key]
}

fn redis() -> Class {
    class(Protocol::Redis, Exposure::Plaintext)
}

#[test]
fn pending_then_credited_once_then_counted_under_the_verdict() {
    for entry in entries() {
        let direction = direction(entry);
        let mut kernel = load(&options());
        let mut account = Account::new(kernel.counts());
        let frame = packet(40_000);
        let bytes = frame.len() as u64;
        run(&mut kernel, entry, &frame, 5);
        let before = books(&account, direction);
        assert_eq!((before.pending, before.classes.len()), (5, 0), "{entry:?}");

        let [(flow, _)] = kernel.flows().unwrap()[..] else {
            panic!("one flow: {:?}", kernel.flows());
        };
        kernel.set_verdict(flow, redis()).unwrap();
        run(&mut kernel, entry, &frame, 7);
        // Not before no program can be about to add to the flow any more.
        account.settle(later(0)).unwrap();
        assert_eq!(books(&account, direction).pending, 5);
        for _ in 0..2 {
            account.settle(later(10)).unwrap();
            let after = books(&account, direction);
            let expected = Count {
                packets: 12,
                bytes: 12 * bytes,
            };
            assert_eq!(after.classes, [(redis(), expected)], "{entry:?}");
            assert_eq!(after.pending, 0);
        }
        assert_eq!(counted(&kernel, direction).packets, 12);
        assert!(kernel.flows().unwrap().is_empty());
    }
}

/// Ports come again, and what the last connection between them spoke says nothing of the next one.
#[test]
fn a_new_connection_has_no_verdict_yet() {
    for entry in entries() {
        let direction = direction(entry);
        let mut kernel = load(&options());
        let account = Account::new(kernel.counts());
        let frame = packet(40_000);
        run(&mut kernel, entry, &frame, 1);
        let [(flow, _)] = kernel.flows().unwrap()[..] else {
            panic!("one flow: {:?}", kernel.flows());
        };
        kernel.set_verdict(flow, redis()).unwrap();
        run(&mut kernel, entry, &frame, 1);
        assert_eq!(books(&account, direction).pending, 1, "{entry:?}");
        // Behind the inner TCP header's data offset: SYN.
        let mut syn = frame.clone();
        syn[50 + 14 + 20 + 13] = 2;
        let sent = kernel.state().unwrap().sent;
        run(&mut kernel, entry, &syn, 1);
        assert_eq!(kernel.verdict(flow).unwrap(), None, "{entry:?}");
        run(&mut kernel, entry, &frame, 1);
        assert_eq!(books(&account, direction).pending, 3, "{entry:?}");
        // The SYN of these frames has a payload, too.
        assert_eq!(kernel.state().unwrap().sent, sent + 2, "{entry:?}");
    }
}

#[test]
fn a_flow_that_nobody_judges_becomes_unknown_when_it_is_idle() {
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    run(&mut kernel, Entry::Tc(Direction::Tx), &packet(40_000), 3);
    account.settle(later(10)).unwrap();
    assert_eq!(books(&account, Direction::Tx).pending, 3);
    account.settle(later(100)).unwrap();
    let books = books(&account, Direction::Tx);
    assert_eq!((books.pending, books.classes[0].1.packets), (0, 3));
    assert_eq!(books.classes[0].0, Class::UNKNOWN);
    assert_eq!(account.evicted(), 0);
}

#[test]
fn what_has_no_flow_is_unknown_at_once() {
    let mut kernel = load(&options());
    let account = Account::new(kernel.counts());
    let entry = Entry::Tc(Direction::Rx);
    let arp = overlay(VNI, &ethernet(0x0806, &[0; 28]));
    let cut = overlay(VNI, &redis_command()[..20]);
    run(&mut kernel, entry, &arp, 2);
    run(&mut kernel, entry, &cut, 3);
    let books = books(&account, Direction::Rx);
    assert_eq!(books.pending, 0);
    assert_eq!(books.classes.len(), 1);
    assert_eq!(books.classes[0].1.packets, 5);
}

/// More flows than the map holds: it forgets some, and says how much.
#[test]
fn what_the_map_forgets_is_unknown_and_said() {
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    let entry = Entry::Tc(Direction::Rx);
    let flows = kernel.sizes().flows + kernel.sizes().flows / 4;
    let mut frame = packet(40_000);
    for flow in 0..flows {
        // The inner source address.
        frame[76..80].copy_from_slice(&flow.to_be_bytes());
        run(&mut kernel, entry, &frame, 1);
    }
    account.settle(later(10)).unwrap();
    let evicted = account.evicted();
    assert!(evicted >= u64::from(flows / 5), "{evicted} of {flows}");
    account.settle(later(100)).unwrap();
    let books = books(&account, Direction::Rx);
    let total: u64 = books.classes.iter().map(|(_, count)| count.packets).sum();
    assert_eq!((books.pending, total), (0, u64::from(flows)));
    assert_eq!(account.evicted(), evicted, "idle is not evicted");
}

#[test]
fn networks_that_find_no_room_take_no_flows_and_no_samples() {
    let mut kernel = load(&options());
    let account = Account::new(kernel.counts());
    let entry = Entry::Tc(Direction::Rx);
    let mut frame = packet(40_000);
    let networks = kernel.sizes().counters + 500;
    for vni in 0..networks {
        frame[46..50].copy_from_slice(&(vni << 8).to_be_bytes());
        run(&mut kernel, entry, &frame, 1);
    }
    let (exposed, pending, _) = account.read().unwrap();
    let exposed: u64 = exposed.iter().map(|row| row.count.packets).sum();
    let pending: u64 = pending.iter().map(|row| row.packets).sum();
    assert_eq!(exposed + pending, u64::from(networks), "each once");
    let state = kernel.state().unwrap();
    assert!(state.counters_overflow >= 500);
    let other = ExposureKey::new(Direction::Rx, NetworkId::OTHER, Class::UNKNOWN);
    let other = kernel.exposure().unwrap()[&other].packets;
    assert!(other >= state.counters_overflow);
    let chosen = state.sent + state.ring_full;
    assert!(chosen <= u64::from(networks) - state.counters_overflow);
}

#[test]
fn a_cap_holds_for_one_network_and_leaves_room_for_the_others() {
    let capped = LoadOptions {
        caps: Caps {
            cpu: 60_000,
            network: 15_000,
        },
        ring_bytes: 16 << 20,
        ..options()
    };
    let mut kernel = load(&capped);
    let entry = Entry::Tc(Direction::Rx);
    let mut frame = packet(40_000);
    for flow in 0..10_000u32 {
        frame[76..80].copy_from_slice(&flow.to_be_bytes());
        run(&mut kernel, entry, &frame, 1);
    }
    let flood = kernel.state().unwrap();
    assert!(flood.capped > 0, "{flood:?}");
    assert_eq!(flood.sent + flood.capped, 10_000, "{flood:?}");
    frame[46..50].copy_from_slice(&(7u32 << 8).to_be_bytes());
    run(&mut kernel, entry, &frame, 1);
    let after = kernel.state().unwrap();
    assert_eq!(after.sent, flood.sent + 1, "the other network is sampled");
}
