//! Few rows are looked up by their known keys, and not walked to. A program of its own: it looks for the only map of its name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use aya::maps::{Map, PerCpuHashMap, PerCpuValues};
use aya::util::nr_cpus;
use monitor::kernel::{Entry, Kernel};
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::CounterKey;
use overlay_tests::frame::{ethernet, ipv4, redis_command, udp, vxlan};
use overlay_tests::held;
use overlay_tests::programs::{IFINDEX, counting, load, run};

fn key(vni: u32) -> CounterKey {
    CounterKey::new(IFINDEX, Direction::Rx, Encapsulation::Vxlan, vni)
}

fn count(kernel: &mut Kernel, vni: u32, times: u32) {
    let datagram = udp(49_152, 4789, &vxlan(vni, &redis_command()));
    let frame = ethernet(0x0800, &ipv4(17, &[], &datagram));
    run(kernel, Entry::Tc(Direction::Rx), &frame, times);
}

fn packets(kernel: &Kernel, vni: u32) -> u64 {
    let rows = kernel.counters().unwrap();
    rows.get(&key(vni)).map_or(0, |count| count.packets)
}

/// Reads until the keys are known: twice, with time between.
fn let_it_know(kernel: &Kernel) {
    for _ in 0..2 {
        packets(kernel, 0);
        std::thread::sleep(Duration::from_millis(60));
    }
    packets(kernel, 0);
}

/// Inserts a row as no program does: it is not counted as inserted. So a reading by known keys does not have it.
fn smuggle(vni: u32) {
    let data = held::map(std::process::id(), "COUNTERS");
    let map = Map::PerCpuHashMap(data);
    let mut map = PerCpuHashMap::<_, [u32; 2], [u64; 2]>::try_from(map).unwrap();
    let values = vec![[1, 100]; nr_cpus().unwrap()];
    let CounterKey { ifindex, packed } = key(vni);
    map.insert(
        [ifindex, packed],
        PerCpuValues::try_from(values).unwrap(),
        0,
    )
    .unwrap();
}

#[test]
fn few_rows_are_looked_up_until_one_comes_or_goes() {
    let mut kernel = load(&counting());
    count(&mut kernel, 1, 1);
    let_it_know(&kernel);
    smuggle(9);
    assert_eq!(packets(&kernel, 9), 0, "no walk");
    count(&mut kernel, 1, 2);
    assert_eq!(packets(&kernel, 1), 3, "a row of a known key");
    assert_eq!(packets(&kernel, 9), 0, "still no walk");

    count(&mut kernel, 2, 4);
    assert_eq!(packets(&kernel, 2), 4, "a program has inserted a row");
    assert_ne!(packets(&kernel, 9), 0, "by a walk");

    let_it_know(&kernel);
    let mut taken = Vec::new();
    let take = |_, count: Count| taken.push(count.packets);
    kernel.counts().take_counters(&[key(2)], take).unwrap();
    assert_eq!((taken, packets(&kernel, 2)), (vec![4], 0));
    count(&mut kernel, 2, 5);
    assert_eq!(packets(&kernel, 2), 5, "it begins anew");

    let_it_know(&kernel);
    kernel.counts().prepare_network(IFINDEX, 3).unwrap();
    assert!(
        kernel.counters().unwrap().contains_key(&key(3)),
        "a row of the agent's"
    );
}
