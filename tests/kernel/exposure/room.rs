//! Room for flows without a verdict: shared out by network, given back, and what finds none is unknown and reported.

use monitor::agent::exposure::Account;
use monitor::kernel::{Caps, Entry, Kernel, LoadOptions};
use monitor_common::direction::Direction;
use monitor_common::key::{Class, ExposureKey, NetworkId};
use overlay_tests::programs::{load, run};
use overlay_tests::scale::in_vm;

use super::{VNI, books, later, options, packet};

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
