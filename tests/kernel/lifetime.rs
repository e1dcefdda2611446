//! How long what a first fragment was holds for later ones. A program of its own: it looks for the only map of its name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use aya::maps::{HashMap, Map};
use monitor::kernel::Kernel;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{CounterKey, FragmentState};
use monitor_common::reason::Reason;
use overlay_tests::frame::{ethernet, ipv4, redis_command, udp, vxlan};
use overlay_tests::held;
use overlay_tests::programs::{IFINDEX, counting, direction, entries, load, run};

const VNI: u32 = 7;
/// `IP_FRAG_TIME` (`include/net/ip.h`): how long Linux waits for the other fragments, in nanoseconds.
const WAITS: u64 = 30_000_000_000;

/// Makes what was seen of first fragments older by this many nanoseconds.
fn age(by: u64) {
    let map = Map::LruHashMap(held::map(std::process::id(), "FRAGMENTS"));
    let mut fragments = HashMap::<_, u64, [u8; FragmentState::SIZE]>::try_from(map).unwrap();
    let all: Vec<_> = fragments.iter().map(Result::unwrap).collect();
    assert_eq!(all.len(), 1);
    for (key, mut state) in all {
        // `FragmentState::time_ns` is the first of its fields.
        let time = u64::from_ne_bytes(state[..8].try_into().unwrap());
        state[..8].copy_from_slice(&(time - by).to_ne_bytes());
        fragments.insert(key, state, 0).unwrap();
    }
}

/// Both fragments of a datagram.
fn fragments() -> [Vec<u8>; 2] {
    let datagram = udp(49_152, 4789, &vxlan(VNI, &redis_command()));
    let (first, later) = datagram.split_at(56);
    [(first, 0x2000u16), (later, 56 / 8)].map(|(piece, place)| {
        let mut frame = ethernet(0x0800, &ipv4(17, &[], piece));
        frame[20..22].copy_from_slice(&place.to_be_bytes());
        frame
    })
}

/// Packets of the network, and fragments that were not attributed.
fn counted(kernel: &Kernel, key: &CounterKey) -> (u64, u64) {
    let reasons = kernel.reasons().unwrap();
    let of = reasons
        .iter()
        .filter(|(key, _)| key.reason() == Some(Reason::Fragment));
    (
        kernel.counters().unwrap()[key].packets,
        of.map(|(_, packets)| packets).sum(),
    )
}

#[test]
fn a_later_fragment_is_attributed_as_long_as_linux_would_wait_for_it() {
    for entry in entries() {
        let mut kernel = load(&counting());
        let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::Vxlan, VNI);
        let [first, later] = fragments();
        run(&mut kernel, entry, &first, 1);
        // A second for a slow machine.
        age(WAITS - 1_000_000_000);
        run(&mut kernel, entry, &later, 1);
        assert_eq!(counted(&kernel, &key), (2, 0), "{entry:?}");
        age(1_000_000_000);
        run(&mut kernel, entry, &later, 1);
        assert_eq!(counted(&kernel, &key), (2, 1), "{entry:?}");
    }
}
