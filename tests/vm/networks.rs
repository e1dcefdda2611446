//! ESP by network: the sum over networks is what the kernel's security associations have counted, and what
//! was on the wire, to the packet and the byte.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::ops::Sub;
use std::thread;
use std::time::Duration;

use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::agent::{Agent, rows, value};
use overlay_tests::process::wait_until;
use overlay_tests::wire::Pair;

/// VNIs of the lab's networks.
const NETWORKS: [u32; 2] = [4096, 4097];

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    packets: u64,
    bytes: u64,
}

impl Sub for Count {
    type Output = Count;

    fn sub(self, other: Count) -> Count {
        Count {
            packets: self.packets - other.packets,
            bytes: self.bytes - other.bytes,
        }
    }
}

/// What the security associations of transport mode with this source have counted (`ip -s xfrm state`).
fn carried(host: &Host, source: &str) -> Count {
    let text = host.run("ip", &["-s", "xfrm", "state"]).unwrap();
    let mut total = Count::default();
    for state in format!("\n{text}").split("\nsrc ").skip(1) {
        if !state.starts_with(&format!("{source} ")) || !state.contains("mode transport") {
            continue;
        }
        let lifetime = state.split_once("lifetime current:").unwrap().1;
        let (bytes, rest) = lifetime.trim().split_once("(bytes), ").unwrap();
        total.bytes += bytes.parse::<u64>().unwrap();
        total.packets += rest.split_once('(').unwrap().0.parse::<u64>().unwrap();
    }
    total
}

/// Both directions of a node: what it received from its peer, what it sent.
fn both(node: &Host, peer: &Host) -> [Count; 2] {
    [peer, node].map(|from| carried(node, &from.address().to_string()))
}

/// What the agent has counted inside ESP, by network.
fn attributed(page: &str, direction: &str) -> BTreeMap<String, Count> {
    let mut all = BTreeMap::<String, Count>::new();
    let start = format!(r#"direction="{direction}",vni=""#);
    let of = |metric: &str| {
        let rows = rows(page, metric).into_iter();
        let mine = rows.filter_map(|(labels, value)| {
            let vni = labels.strip_prefix(&start)?.strip_suffix('"')?;
            Some((vni.to_owned(), value))
        });
        mine.collect::<Vec<_>>()
    };
    for (vni, packets) in of("overlay_esp_network_packets_total") {
        all.entry(vni).or_default().packets = packets;
    }
    for (vni, bytes) in of("overlay_esp_network_bytes_total") {
        all.entry(vni).or_default().bytes = bytes;
    }
    all
}

/// ESP packets on the wire, as the agent has counted them.
fn on_the_wire(page: &str, direction: &str) -> u64 {
    let start = format!(r#"interface="eth0",direction="{direction}""#);
    let rows = rows(page, "overlay_esp_packets_total").into_iter();
    rows.filter(|(labels, _)| labels.starts_with(&start))
        .map(|(_, packets)| packets)
        .sum()
}

fn sum(networks: &BTreeMap<String, Count>) -> Count {
    let mut total = Count::default();
    for count in networks.values() {
        total.packets += count.packets;
        total.bytes += count.bytes;
    }
    total
}

/// Waits until nobody sends any more.
fn until_silent(node: &Host) {
    let wire = || node.device_stats("eth0").unwrap();
    let mut last = wire();
    wait_until("the wire is silent", || {
        thread::sleep(Duration::from_millis(400));
        let now = wire();
        let silent = now == last;
        last = now;
        silent
    });
}

#[test]
fn two_networks_under_one_pair_of_associations_are_told_apart() {
    let lab = Lab::builder()
        .encrypted(true)
        .overlay("app2-network", NETWORKS[1], true)
        .quiet(true)
        .build()
        .unwrap();
    let node = lab.node1();
    let before = both(node, lab.node2());
    let mut agent = Agent::start(node, &[]);
    assert_eq!(
        value(&agent.metrics(), "overlay_esp_attribution"),
        1,
        "{}",
        agent.monitor.err()
    );
    let container = |name: &str| lab.container(name).unwrap();
    let pairs = [
        Pair::new(container(WEB), container(CLIENT), 5000),
        Pair::new(
            container("app2-network.1"),
            container("app2-network.2"),
            5000,
        ),
    ];
    // To and fro, different numbers, lengths from nothing to what just fits.
    for (pair, sizes) in pairs.iter().zip([[40, 70], [90, 20]]) {
        for (from, packets) in sizes.into_iter().enumerate() {
            pair.send(from, (0..packets).map(|n| n * 1396 / packets));
        }
    }
    until_silent(node);
    let page = agent.metrics();
    let after = both(node, lab.node2());
    for (index, (direction, packets)) in
        [("rx", [70, 20]), ("tx", [40, 90])].into_iter().enumerate()
    {
        let networks = attributed(&page, direction);
        let expected = NETWORKS.map(|vni| vni.to_string());
        assert_eq!(networks.keys().cloned().collect::<Vec<_>>(), expected);
        assert_eq!(
            networks.values().map(|one| one.packets).collect::<Vec<_>>(),
            packets,
            "{direction}"
        );
        let states = after[index] - before[index];
        assert_eq!(sum(&networks), states, "{direction}: the kernel's states");
        assert_eq!(on_the_wire(&page, direction), states.packets, "{direction}");
    }
    agent.monitor.stop();
}
