//! Counts are equal, to the packet and byte, to what was sent and to the kernel's own device counters.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use monitor_lab::{CLIENT, DeviceStats, Host, Lab, WEB};
use overlay_tests::agent::{Agent, rows, seconds, value};
use overlay_tests::attached::tc;
use overlay_tests::flood;
use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::wait_until;
use overlay_tests::wire::Pair;

/// Docker's first overlay and a second one.
const VNIS: [u32; 2] = [4096, 70_000];
/// Datagrams each way in each of them.
const PACKETS: [u64; 2] = [10_000, 2_000];
/// Ethernet, IPv4 and UDP headers inside the overlay.
const INNER: u64 = 14 + 20 + 8;
/// Outer Ethernet, IPv4, UDP and VXLAN headers (RFC 7348, section 5).
const OUTER: u64 = 14 + 20 + 8 + 8;

/// Payload lengths: a stride through all that fit.
fn lengths(network: usize, towards: usize) -> impl Iterator<Item = usize> {
    let most = 1450 - 20 - 8;
    (0..PACKETS[network] as usize).map(move |n| (n * 37 + towards * 500 + network) % (most + 1))
}

/// Packets, and bytes inside the overlay, one way.
fn sent(network: usize, towards: usize) -> (u64, u64) {
    let bytes = lengths(network, towards)
        .map(|length| length as u64 + INNER)
        .sum();
    (PACKETS[network], bytes)
}

fn on_the_wire((packets, bytes): (u64, u64)) -> (u64, u64) {
    (packets, bytes + OUTER * packets)
}

/// (packets, bytes) received and sent.
fn both(stats: DeviceStats) -> [(u64, u64); 2] {
    assert_eq!((stats.rx_dropped, stats.tx_dropped), (0, 0));
    [
        (stats.rx_packets, stats.rx_bytes),
        (stats.tx_packets, stats.tx_bytes),
    ]
}

/// Waits until a device has counted as much since `before`: the receiving side may add to its counters
/// after it has handed the packets on.
fn counted(host: &Host, device: &str, before: DeviceStats, expected: [(u64, u64); 2]) {
    let now = || both(host.device_stats(device).unwrap() - before);
    let mut last = now();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while last != expected && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
        last = now();
    }
    assert_eq!(last, expected, "{device} on {}", host.name());
}

fn counts_are_exact(arguments: &[&str], hooks: [&str; 2]) {
    let lab = Lab::builder()
        .quiet(true)
        .overlay("app2-network", VNIS[1], false)
        .build()
        .unwrap();
    let agent = Agent::start(lab.node1(), arguments);
    assert_eq!(agent.hooks(), hooks);
    assert_eq!(rows(&agent.metrics(), "overlay_packets_total"), []);
    let wire = lab.node1().device_stats("eth0").unwrap();
    let vxlan = [0, 1].map(|n| {
        lab.overlays()[n].sandboxes()[0]
            .device_stats("vxlan0")
            .unwrap()
    });

    let ends = [[WEB, CLIENT], ["app2-network.1", "app2-network.2"]];
    let ends = ends.map(|names| names.map(|name| lab.container(name).unwrap()));
    // All four at once, so that the networks and directions mix.
    std::thread::scope(|scope| {
        for (network, [one, two]) in ends.into_iter().enumerate() {
            for (from, port) in [(0, 5000), (1, 5001)] {
                let pair = Pair::new(one, two, port);
                scope.spawn(move || pair.send(from, lengths(network, from)));
            }
        }
    });

    for network in [0, 1] {
        // Sent by node1's container, and received by it.
        let (tx, rx) = (sent(network, 0), sent(network, 1));
        wait_until("the last packets are counted", || {
            agent.vni(VNIS[network], "rx").0 >= rx.0
        });
        assert_eq!(agent.vni(VNIS[network], "tx"), on_the_wire(tx));
        assert_eq!(agent.vni(VNIS[network], "rx"), on_the_wire(rx));
        // The device counts what is inside its own layer-2 header in both directions (`iptunnel_xmit` in
        // net/ipv4/ip_tunnel_core.c, `vxlan_rcv` in drivers/net/vxlan/vxlan_core.c).
        let inside = |(packets, bytes): (u64, u64)| (packets, bytes - 14 * packets);
        let sandbox = &lab.overlays()[network].sandboxes()[0];
        counted(sandbox, "vxlan0", vxlan[network], [inside(rx), inside(tx)]);
    }
    let sum = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
    let mut all =
        [1, 0].map(|towards| sum(on_the_wire(sent(0, towards)), on_the_wire(sent(1, towards))));
    if hooks[0] == "xdp" {
        // With XDP a veth itself counts what it receives from behind the Ethernet header on
        // (`veth_xdp_rcv` in drivers/net/veth.c).
        all[0].1 -= 14 * all[0].0;
    }
    counted(lab.node1(), "eth0", wire, all);
    let page = agent.metrics();
    assert_eq!(
        rows(&page, "overlay_packets_total").len(),
        4,
        "nothing else was counted: {page}"
    );
    assert_eq!(rows(&page, "overlay_unparsed_packets_total"), []);
    assert_eq!(rows(&page, "overlay_map_overflow_packets_total"), []);
}

#[test]
fn tc_counts_every_packet_and_byte_of_each_vni() {
    counts_are_exact(&[], [tc(), tc()]);
}

#[test]
fn xdp_counts_every_packet_and_byte_of_each_vni() {
    counts_are_exact(&["--hook", "xdp"], ["xdp", tc()]);
}

#[test]
fn the_runs_of_the_programs_and_their_time_are_exported() {
    const FRAMES: usize = 500;
    let lab = Lab::builder().quiet(true).build().unwrap();
    let received = || lab.node1().device_stats("eth0").unwrap().rx_packets;
    let before = received();
    let agent = Agent::start(lab.node1(), &["--hook", "tc", "--program-stats"]);
    let frame = |_| overlay(VNI, &redis_command());
    flood::at_a_rate(lab.node2(), "eth0", FRAMES, Duration::from_secs(1), frame);
    let program = r#"{program="overlay_tc_ingress"}"#;
    wait_until("a run for each frame", || {
        let runs = value(
            &agent.metrics(),
            &format!("overlay_program_runs_total{program}"),
        );
        runs >= FRAMES as u64 && runs == received() - before
    });
    let page = agent.metrics();
    let time = seconds(
        &page,
        &format!("overlay_program_run_seconds_total{program}"),
    )
    .unwrap();
    // Far from zero and from a second: nanoseconds were not taken for another unit.
    assert!((1e-8..1e-3).contains(&(time / FRAMES as f64)), "{time} s");
}
