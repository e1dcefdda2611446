//! Packets are pending until their flow has a verdict, are credited once, and are counted under the verdict
//! from then on: no packet is in two places, and none in no place.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod room;
mod verdicts;

use std::thread::sleep;
use std::time::{Duration, Instant};

use monitor::agent::exposure::{Account, Verdicts};
use monitor::kernel::{Entry, Kernel, LoadOptions};
use monitor::traffic::exposure_class::class;
use monitor_classify::{Confidence, Exposure, Protocol, Verdict};
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{Class, CounterKey, ExposureKey, NetworkId};
use monitor_common::link::Link;
use monitor_common::sample::{Sample, Trigger};
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

/// The flow of the packets so far.
fn only_flow(kernel: &Kernel) -> u64 {
    let flows = kernel.flows.all().unwrap();
    assert_eq!(flows.len(), 1, "{flows:?}");
    flows[0].0
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

        let flow = only_flow(&kernel);
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
        assert!(kernel.flows.all().unwrap().is_empty());
    }
}

/// The first sample of a flow, as the loop that drains the ring passes it on.
fn sample(flow: u64, direction: Direction) -> Sample<'static> {
    Sample {
        time_ns: 0,
        flow,
        ifindex: IFINDEX,
        frame_len: 100,
        direction,
        trigger: Trigger::FlowStart,
        reason: None,
        link: Link::Ethernet,
        frame: &[],
    }
}

fn plaintext() -> Verdict {
    Verdict {
        protocol: Protocol::Redis,
        exposure: Exposure::Plaintext,
        confidence: Confidence::Certain,
        ..Verdict::unknown()
    }
}

/// Such a sample is plaintext.
fn note(verdicts: &mut Verdicts, flow: u64, direction: Direction) {
    note_as(verdicts, flow, direction, &plaintext());
}

/// Such a sample has this verdict.
fn note_as(verdicts: &mut Verdicts, flow: u64, direction: Direction, verdict: &Verdict) {
    let (sample, network) = (sample(flow, direction), NetworkId::vni(VNI));
    verdicts
        .note(&sample, network, Some(VNI), 14, verdict)
        .unwrap();
}

/// A program that was about to add to a flow when its verdict came has finished after so long.
const RUNNING: Duration = Duration::from_millis(50);

/// Soon after the verdict, without a look at all flows.
#[test]
fn a_new_verdict_credits_what_was_pending_under_its_class() {
    let mut seen_early = false;
    for entry in entries() {
        let direction = direction(entry);
        let mut kernel = load(&options());
        let mut account = Account::new(kernel.counts());
        let mut verdicts = account.verdicts();
        let frame = packet(40_000);
        run(&mut kernel, entry, &frame, 5);
        let flow = only_flow(&kernel);
        let before = Instant::now();
        assert!(!account.has_new_verdict(), "nothing to credit yet");
        note(&mut verdicts, flow, direction);
        assert!(account.has_new_verdict());
        account.settle_classified().unwrap();
        let pending = books(&account, direction).pending;
        // On a busy machine the time may be over already.
        if before.elapsed() < RUNNING {
            assert_eq!(pending, 5, "{entry:?}");
            seen_early = true;
        }
        run(&mut kernel, entry, &frame, 2);
        sleep(RUNNING * 2);
        account.settle_classified().unwrap();
        let after = books(&account, direction);
        let expected = Count {
            packets: 7,
            bytes: 7 * frame.len() as u64,
        };
        assert_eq!(after.classes, [(redis(), expected)], "{entry:?}");
        assert_eq!(after.pending, 0, "{entry:?}");
        assert!(!account.has_new_verdict(), "all is credited");
        assert!(kernel.flows.all().unwrap().is_empty());
    }
    assert!(seen_early, "this machine is too slow for the test");
}

/// A connection between the same ports began before the account came to it.
#[test]
fn a_verdict_that_a_syn_has_removed_credits_nothing() {
    let entry = Entry::Tc(Direction::Rx);
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    let mut verdicts = account.verdicts();
    let frame = packet(40_000);
    run(&mut kernel, entry, &frame, 1);
    let flow = only_flow(&kernel);
    note(&mut verdicts, flow, Direction::Rx);
    run(&mut kernel, entry, &syn(&frame), 1);
    sleep(RUNNING * 2);
    account.settle_classified().unwrap();
    let after = books(&account, Direction::Rx);
    assert_eq!((after.pending, after.classes.len()), (2, 0));
}

/// A later sample shows more before the account comes to the flow.
#[test]
fn a_verdict_that_was_replaced_credits_nothing_under_the_old_one() {
    let entry = Entry::Tc(Direction::Rx);
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    let mut verdicts = account.verdicts();
    let frame = packet(40_000);
    run(&mut kernel, entry, &frame, 3);
    let flow = only_flow(&kernel);
    let text = Verdict {
        protocol: Protocol::Unknown,
        confidence: Confidence::Likely,
        ..plaintext()
    };
    note_as(&mut verdicts, flow, Direction::Rx, &text);
    let old = kernel.verdict(flow).unwrap();
    note(&mut verdicts, flow, Direction::Rx);
    assert_ne!(kernel.verdict(flow).unwrap(), old, "it was replaced");
    sleep(RUNNING * 2);
    account.settle_classified().unwrap();
    let after = books(&account, Direction::Rx);
    let credited = after
        .classes
        .iter()
        .map(|(class, count)| (*class, count.packets));
    let credited: Vec<_> = credited.collect();
    assert_eq!((after.pending, credited), (0, vec![(redis(), 3)]));
}

/// The same frame as the first of a connection.
fn syn(frame: &[u8]) -> Vec<u8> {
    let mut syn = frame.to_vec();
    // The flags of the inner TCP header.
    syn[50 + 14 + 20 + 13] = 2;
    syn
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
        let flow = only_flow(&kernel);
        kernel.set_verdict(flow, redis()).unwrap();
        run(&mut kernel, entry, &frame, 1);
        assert_eq!(books(&account, direction).pending, 1, "{entry:?}");
        let sent = kernel.state().unwrap().sent;
        run(&mut kernel, entry, &syn(&frame), 1);
        assert_eq!(kernel.verdict(flow).unwrap(), None, "{entry:?}");
        run(&mut kernel, entry, &frame, 1);
        assert_eq!(books(&account, direction).pending, 3, "{entry:?}");
        // The SYN of these frames has a payload, too.
        assert_eq!(kernel.state().unwrap().sent, sent + 2, "{entry:?}");
    }
}

#[test]
fn an_idle_flow_without_a_verdict_becomes_unknown() {
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
fn what_another_process_had_counted_goes_on() {
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    let network = NetworkId::vni(VNI);
    let count = |packets| Count {
        packets,
        bytes: packets * 100,
    };
    let of = |class| ExposureKey::new(Direction::Tx, network, class);
    let left = [
        (of(redis()), count(5)),
        (of(Class::PENDING), count(2)),
        (of(class(Protocol::Http, Exposure::Plaintext)), Count::ZERO),
    ];
    account.inherit(&left.into_iter().collect(), 3);
    assert_eq!(account.evicted(), 3);
    run(&mut kernel, Entry::Tc(Direction::Tx), &packet(40_000), 1);
    let books = books(&account, Direction::Tx);
    assert_eq!(books.pending, 1, "those of its own");
    let mut classes = books.classes;
    classes.sort_by_key(|(class, _)| class.0);
    assert_eq!(classes, [(Class::UNKNOWN, count(2)), (redis(), count(5))]);
}

#[test]
fn what_was_pending_and_is_in_no_flow_any_more_is_unknown() {
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    run(&mut kernel, Entry::Tc(Direction::Tx), &packet(40_000), 3);
    // As what a program adds to a flow while that is taken out.
    let flow = only_flow(&kernel);
    assert!(kernel.flows.take(flow).unwrap().is_some());
    account.settle(later(0)).unwrap();
    let books = books(&account, Direction::Tx);
    assert_eq!(books.pending, 0);
    assert_eq!(books.classes[0].0, Class::UNKNOWN);
    assert_eq!(books.classes[0].1.packets, 3);
    assert_eq!(account.evicted(), 3);
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
