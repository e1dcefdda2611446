//! Cleartext of networks that must be encrypted is counted by the other node, at every entry point and in every shape; and of
//! no other network.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor::base::hash::HashMap;

use monitor::kernel::{Kernel, LoadOptions};
use monitor_common::address::Addresses;
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{PeerCount, PeerKey};
use overlay_tests::frame::{
    ah, esp, esp_null, ethernet, geneve, ipv4, ipv6, redis_command, tagged, udp, vxlan, vxlan_gpe,
};
use overlay_tests::programs::{counting, direction, entries, load, run};

/// A network that must be encrypted, and one that need not.
const REQUIRED: u32 = 4096;
const OPTIONAL: u32 = 4097;

fn options() -> LoadOptions {
    LoadOptions {
        policy: true,
        ..counting()
    }
}

/// Addresses of the test frames, as the map has them: source, destination.
fn nodes(version: u8) -> [[u64; 2]; 2] {
    let frame = match version {
        4 => ethernet(0x0800, &ipv4(17, &[], &[])),
        _ => ethernet(0x86dd, &ipv6(17, &[])),
    };
    let addresses = if version == 4 {
        let word = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        Addresses::v4(word(14 + 12), word(14 + 16))
    } else {
        let bytes = |at: usize| frame[at..at + 16].try_into().unwrap();
        Addresses::v6(bytes(14 + 8), bytes(14 + 24))
    };
    [addresses.source, addresses.destination]
}

fn peers(kernel: &Kernel) -> HashMap<PeerKey, PeerCount> {
    let mut all = kernel.peers.read().unwrap();
    all.retain(|_, count| count.packets != 0);
    all
}

/// Cleartext overlay packets of a VNI in all shapes: frame, version of the outer IP.
fn shapes(vni: u32) -> Vec<(&'static str, Vec<u8>, u8)> {
    let inside = vxlan(vni, &redis_command());
    let plain = ethernet(0x0800, &ipv4(17, &[], &udp(40_000, 4789, &inside)));
    // Ethernet inside: EtherType 0x6558 (RFC 8926, 3.4), next protocol 3 of VXLAN-GPE.
    let geneve = udp(40_000, 6081, &geneve(vni, 0x6558, &[], &redis_command()));
    let gpe = udp(40_000, 4790, &vxlan_gpe(vni, 3, &redis_command()));
    let authenticated = ah(7, 17, &udp(40_000, 4789, &inside));
    let null = |vector, check| esp_null(9, &udp(40_000, 4789, &inside), vector, check);
    let mut fragment = plain.clone();
    // More fragments.
    fragment[20] |= 0x20;
    vec![
        ("usual, IPv4", plain.clone(), 4),
        (
            "usual, IPv6",
            ethernet(0x86dd, &ipv6(17, &udp(40_000, 4789, &inside))),
            6,
        ),
        (
            "IPv4 options",
            ethernet(0x0800, &ipv4(17, &[1; 8], &udp(40_000, 4789, &inside))),
            4,
        ),
        ("VLAN tag", tagged(0x8100, 9, &plain), 4),
        ("first fragment", fragment, 4),
        ("Geneve", ethernet(0x0800, &ipv4(17, &[], &geneve)), 4),
        ("VXLAN-GPE", ethernet(0x0800, &ipv4(17, &[], &gpe)), 4),
        (
            "in ESP of the NULL cipher",
            ethernet(0x0800, &ipv4(50, &[], &null(0, 12))),
            4,
        ),
        (
            "the same with GMAC, IPv6",
            ethernet(0x86dd, &ipv6(50, &null(8, 16))),
            6,
        ),
        (
            "the same in UDP",
            ethernet(0x0800, &ipv4(17, &[], &udp(4500, 4500, &null(0, 12)))),
            4,
        ),
        ("in AH", ethernet(0x0800, &ipv4(51, &[], &authenticated)), 4),
    ]
}

#[test]
fn every_shape_is_counted_by_the_other_node_at_every_entry_point() {
    for entry in entries() {
        let mut kernel = load(&options());
        kernel.peers.require(REQUIRED, true).unwrap();
        let direction = direction(entry);
        for (shape, frame, version) in shapes(REQUIRED) {
            let before = peers(&kernel);
            run(&mut kernel, entry, &frame, 3);
            let [source, destination] = nodes(version);
            let node = match direction {
                Direction::Rx => source,
                Direction::Tx => destination,
            };
            let key = PeerKey::new(direction, REQUIRED, node);
            let (was, is) = (
                before.get(&key).copied().unwrap_or_default(),
                peers(&kernel)[&key],
            );
            assert_eq!(is.packets - was.packets, 3, "{entry:?}: {shape}");
            assert_eq!(
                is.bytes - was.bytes,
                3 * frame.len() as u64,
                "{entry:?}: {shape}"
            );
            assert!(is.first_ns != 0 && is.first_ns <= is.last_ns && is.last_ns >= was.last_ns);
        }
        // Two versions of IP, two nodes, and nothing else.
        assert_eq!(peers(&kernel).len(), 2, "{entry:?}: {:?}", peers(&kernel));
        // The same packets as those counted under the VNI.
        let counted = kernel.counters().unwrap();
        let all: u64 = counted
            .iter()
            .filter(|(key, _)| key.vni() == Some(REQUIRED))
            .map(|(_, count)| count.packets)
            .sum();
        let by_node: u64 = peers(&kernel).values().map(|count| count.packets).sum();
        assert_eq!(by_node, all);
    }
}

#[test]
fn other_networks_and_esp_are_not_counted_there_and_a_requirement_can_be_taken_back() {
    for entry in entries() {
        let mut kernel = load(&options());
        kernel.peers.require(REQUIRED, true).unwrap();
        for (_, frame, _) in shapes(OPTIONAL) {
            run(&mut kernel, entry, &frame, 1);
        }
        // A neighbour in the same word of bits, and the same bit of another word.
        for vni in [REQUIRED + 1, REQUIRED + 64, REQUIRED - 1, 0, 0xff_ffff] {
            run(&mut kernel, entry, &shapes(vni)[0].1, 1);
        }
        run(
            &mut kernel,
            entry,
            &ethernet(0x0800, &ipv4(50, &[], &esp(9, 1))),
            1,
        );
        assert_eq!(peers(&kernel), HashMap::default(), "{entry:?}");
        for (required, packets) in [(true, 1), (false, 1), (true, 2)] {
            kernel.peers.require(REQUIRED, required).unwrap();
            run(&mut kernel, entry, &shapes(REQUIRED)[0].1, 1);
            let sum: u64 = peers(&kernel).values().map(|count| count.packets).sum();
            assert_eq!(sum, packets, "{entry:?}");
        }
    }
}

#[test]
fn without_policy_nothing_is_counted_there() {
    for entry in entries() {
        let mut kernel = load(&counting());
        run(&mut kernel, entry, &shapes(REQUIRED)[0].1, 1);
        assert_eq!(peers(&kernel), HashMap::default());
        assert!(kernel.peers.require(REQUIRED, true).is_err());
    }
}

/// Forged nodes fill the map: what finds no room is counted as "other", to the packet.
#[test]
fn a_flood_of_forged_nodes_loses_no_packet() {
    for entry in entries()
        .into_iter()
        .filter(|at| direction(*at) == Direction::Rx)
    {
        let mut kernel = load(&options());
        kernel.peers.require(REQUIRED, true).unwrap();
        let capacity = kernel.sizes().peers;
        let mut frame = shapes(REQUIRED)[0].1.clone();
        let sent = u64::from(capacity) + 500;
        for node in 0..sent as u32 {
            frame[14 + 12..14 + 16].copy_from_slice(&(0x0a00_0000 + node).to_be_bytes());
            run(&mut kernel, entry, &frame, 1);
        }
        let rows = peers(&kernel);
        let sum: u64 = rows.values().map(|count| count.packets).sum();
        let other = rows[&PeerKey::other(Direction::Rx, REQUIRED)];
        assert_eq!(sum, sent, "{entry:?}");
        assert_eq!(kernel.state().unwrap().peers_overflow, other.packets);
        assert!(other.packets >= 500);
        // And its own count is not in the way of the network's.
        let counted: HashMap<_, Count> = kernel.counters().unwrap();
        let vxlan = |key: &monitor_common::key::CounterKey| {
            key.vni() == Some(REQUIRED) && key.encapsulation() == Some(Encapsulation::Vxlan)
        };
        let packets: u64 = counted
            .iter()
            .filter(|(key, _)| vxlan(key))
            .map(|(_, count)| count.packets)
            .sum();
        assert_eq!(packets, sent);
        // A row is taken out with what it holds.
        let (key, count) = rows.iter().find(|(key, _)| !key.is_other()).unwrap();
        let take = || {
            let mut taken = Vec::new();
            let take = |key, count| taken.push((key, count));
            kernel.peers.take(&[*key], take).unwrap();
            taken
        };
        assert_eq!(take(), [(*key, *count)]);
        assert_eq!(take(), []);
    }
}
