//! Packets are pending until their flow has a verdict, are credited once, and are counted under the verdict
//! from then on: no packet is in two places, and none in no place.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod verdicts;

use std::thread::sleep;
use std::time::{Duration, Instant};

use monitor::agent::exposure::{Account, Verdicts};
use monitor::kernel::{Caps, Entry, Kernel, LoadOptions};
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
use overlay_tests::scale::in_vm;

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
    let (sample, network) = (sample(flow, direction), NetworkId::vni(VNI));
    verdicts
        .note(&sample, network, Some(VNI), 14, &plaintext())
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

/// Packets of flows that had to give way, or found no room.
fn evicted(kernel: &Kernel, account: &Account) -> u64 {
    account.evicted() + kernel.state().unwrap().flows_refused
}

/// A received packet of so many flows of a network, one after the other.
fn flood(kernel: &mut Kernel, vni: u32, flows: std::ops::Range<u32>) {
    flood_in(kernel, Direction::Rx, vni, flows);
}

fn flood_in(kernel: &mut Kernel, direction: Direction, vni: u32, flows: std::ops::Range<u32>) {
    let mut frame = packet(40_000);
    frame[46..50].copy_from_slice(&(vni << 8).to_be_bytes());
    for flow in flows {
        // The inner source address.
        frame[76..80].copy_from_slice(&flow.to_be_bytes());
        run(kernel, Entry::Tc(direction), &frame, 1);
    }
}

/// Flows of a network that wait for a verdict.
fn waiting(kernel: &Kernel, vni: u32) -> u32 {
    let flows = kernel.flows.all().unwrap().into_iter();
    let of_vni = flows.filter(|(_, state)| state.network() == NetworkId::vni(vni));
    u32::try_from(of_vni.count()).unwrap()
}

/// More flows than a network may have in the map: what is refused is reported, and what is taken out makes room.
#[test]
fn what_finds_no_room_is_unknown_and_reported() {
    for direction in Direction::ALL {
        refused_then_evicted(direction);
    }
}

fn refused_then_evicted(direction: Direction) {
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    let flows = kernel.sizes().flows;
    flood_in(&mut kernel, direction, VNI, 0..flows);
    let held = waiting(&kernel, VNI);
    assert!((flows / 3..flows / 2).contains(&held), "{held} of {flows}");
    let refused = evicted(&kernel, &account);
    assert_eq!(refused, u64::from(flows - held));
    let (after, total) = (books(&account, direction), u64::from(flows));
    assert_eq!(after.pending, u64::from(held));
    assert_eq!(after.classes[0].1.packets, refused);
    assert!(account.is_crowded().unwrap());
    // Silent for so long that no packet can be on its way, and the network wants the room.
    account.settle(later(10)).unwrap();
    assert_eq!(waiting(&kernel, VNI), 0);
    assert_eq!(evicted(&kernel, &account), total);
    assert!(!account.is_crowded().unwrap());
    flood_in(&mut kernel, direction, VNI, 0..100);
    assert_eq!(waiting(&kernel, VNI), 100);
    // No other flow needs their room: they wait until they are idle.
    account.settle(later(10)).unwrap();
    assert_eq!(waiting(&kernel, VNI), 100);
    account.settle(later(100)).unwrap();
    let after = books(&account, direction);
    let counted: u64 = after.classes.iter().map(|(_, count)| count.packets).sum();
    assert_eq!((after.pending, counted), (0, total + 100));
    assert_eq!(evicted(&kernel, &account), total, "idle is not evicted");
}

/// Faster than any machine: the agent does nothing meanwhile.
#[test]
fn a_flood_takes_no_room_from_other_networks() {
    let (described, other) = (VNI + 1, VNI + 2);
    for crowd in [VNI, described] {
        let mut kernel = load(&options());
        kernel.flows.describe([NetworkId::vni(described)]).unwrap();
        let flows = kernel.sizes().flows;
        flood(&mut kernel, crowd, 0..flows);
        let held = waiting(&kernel, crowd);
        for vni in [VNI, described, other] {
            if vni != crowd {
                flood(&mut kernel, vni, flows..flows + 500);
                assert_eq!(waiting(&kernel, vni), 500, "{vni} beside {crowd}");
            }
        }
        assert_eq!(waiting(&kernel, crowd), held, "nothing is evicted");
    }
}

/// The same with a network for every few packets.
#[test]
fn forged_networks_take_no_room_from_others() {
    const MADE_UP: u32 = 2_000;
    let (described, other) = (VNI + 1, VNI + 2);
    let mut kernel = load(&options());
    kernel.flows.describe([NetworkId::vni(described)]).unwrap();
    flood(&mut kernel, other, 0..1);
    let each = if in_vm() { 16 } else { 40 };
    for flow in 0..each {
        for vni in 0..MADE_UP {
            flood(&mut kernel, 100_000 + vni, flow..flow + 1);
        }
    }
    flood(&mut kernel, described, 0..500);
    assert_eq!(waiting(&kernel, described), 500);
    // Half of the map, shared by all networks that are not described.
    let share = kernel.sizes().flows / 2 / (MADE_UP + 1);
    flood(&mut kernel, other, 1..100);
    let held = waiting(&kernel, other);
    assert!(
        held > share / 2,
        "{held}, where {share} is the share of each"
    );
    assert!(waiting(&kernel, 100_000) <= share + 1);
}

/// What the agent takes out is free for the network that had it, to the last flow, and again and again.
#[test]
fn room_is_given_back_exactly() {
    let mut kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    let described = NetworkId::vni(VNI);
    for round in 0..4u32 {
        // Flows count in the group in which they were made.
        kernel
            .flows
            .describe((round % 2 == 0).then_some(described))
            .unwrap();
        flood(&mut kernel, VNI, round * 1000..round * 1000 + 900);
        let half_way = round * 1000 + 450;
        kernel
            .flows
            .describe((round % 2 == 1).then_some(described))
            .unwrap();
        flood(&mut kernel, VNI, half_way..half_way + 500);
        assert_eq!(waiting(&kernel, VNI), 950);
        account.settle(later(100)).unwrap();
        assert_eq!(waiting(&kernel, VNI), 0);
    }
    kernel.flows.describe([]).unwrap();
    let flows = kernel.sizes().flows;
    flood(&mut kernel, VNI, 0..flows);
    let mut fresh = load(&options());
    flood(&mut fresh, VNI, 0..flows);
    assert_eq!(waiting(&kernel, VNI), waiting(&fresh, VNI));
}

#[test]
fn a_verdict_is_in_use_when_packets_are_counted_under_it() {
    for entry in entries() {
        let mut kernel = load(&options());
        let frame = packet(40_000);
        run(&mut kernel, entry, &frame, 1);
        let flow = only_flow(&kernel);
        let in_use = |kernel: &Kernel| kernel.verdict_in_use(flow).unwrap();
        assert_eq!(in_use(&kernel), None);
        // Nothing is set where there is nothing.
        kernel.rest_verdict(flow, redis()).unwrap();
        assert_eq!(in_use(&kernel), None);
        kernel.set_verdict(flow, redis()).unwrap();
        assert_eq!(in_use(&kernel), Some((redis(), false)));
        run(&mut kernel, entry, &frame, 1);
        assert_eq!(in_use(&kernel), Some((redis(), true)));
        kernel.rest_verdict(flow, redis()).unwrap();
        assert_eq!(in_use(&kernel), Some((redis(), false)));
        kernel.remove_verdict(flow).unwrap();
        assert_eq!(in_use(&kernel), None);
    }
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
