//! What IPsec has decrypted comes back on the interface, and is no cleartext on the wire.
//!
//! With `esp4_offload` and GRO the kernel decrypts before TC, and hands on what was inside; in tunnel mode it
//! always hands that to the interface once more (`xfrm_input` in net/xfrm/xfrm_input.c).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor_common::count::{Count, Total};
use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::agent::{Agent, rows, value};
use overlay_tests::associations::{ENDS, both_ways, carried, inside, sum, tunnel, until_silent};
use overlay_tests::attached::tc;
use overlay_tests::frame::{redis_command, vxlan};
use overlay_tests::offload::{Offload, WithoutEsp};
use overlay_tests::process::{Monitor, wait_until};
use overlay_tests::programs::kernel_version;
use overlay_tests::wire::{Pair, bound};
use serde_json::Value;

/// A network of the second traffic, which the lab's rules know nothing of.
const VNI: u32 = 99;
/// Datagrams of each traffic.
const PACKETS: u64 = 100;

/// Insists that what was inside ESP is what the security associations have carried since.
fn assert_attributed(agent: &Agent, lab: &Lab, before: [Count; 2]) {
    let now = both_ways(lab.node1(), lab.node2());
    let page = agent.metrics();
    for (index, direction) in ["rx", "tx"].into_iter().enumerate() {
        let networks = inside(&page, direction);
        assert_eq!(
            sum(&networks),
            now[index].since(before[index]),
            "{direction}: {networks:?}"
        );
        let vnis: Vec<_> = networks.keys().map(String::as_str).collect();
        assert_eq!(vnis, ["4096"], "{direction}");
    }
}

/// Counts what `eth0` of a host hands to its stack as VXLAN.
fn count_handed_on(host: &Host) {
    for line in [
        "add table netdev oracle",
        "add chain netdev oracle in { type filter hook ingress device eth0 priority 0; }",
        "add rule netdev oracle in udp dport 4789 counter",
    ] {
        host.run("nft", &[line]).unwrap();
    }
}

/// What [`count_handed_on`] has counted.
fn handed_on(host: &Host) -> u64 {
    let text = host
        .run("nft", &["list", "table", "netdev", "oracle"])
        .unwrap();
    let packets = text.split_once("counter packets ").unwrap().1;
    packets.split(' ').next().unwrap().parse().unwrap()
}

/// Packets of VXLAN that the agent has counted as cleartext.
fn cleartext(agent: &Agent) -> Vec<(String, u64)> {
    let all = rows(&agent.metrics(), "overlay_packets_total");
    let vxlan = r#"encapsulation="vxlan""#;
    all.into_iter()
        .filter(|(labels, _)| labels.contains(vxlan))
        .collect()
}

/// Packets that the agent has recognised as decrypted.
fn decrypted(agent: &Agent) -> u64 {
    value(&agent.metrics(), "overlay_decrypted_packets_total")
}

/// Sends VXLAN through a tunnel to node1, where all of it comes back on the interface.
fn send_through_tunnel(lab: &Lab) {
    let node = lab.node1();
    let peer = lab.node2().address().to_string();
    let before = handed_on(node);
    let carried_before = carried(node, &peer, "tunnel").packets;
    let socket = bound(lab.node2(), (ENDS[1], 50_000));
    let datagram = vxlan(VNI, &redis_command());
    for _ in 0..PACKETS {
        socket.send_to(&datagram, (ENDS[0], 4789)).unwrap();
    }
    wait_until("all came through the tunnel", || {
        carried(node, &peer, "tunnel").packets - carried_before == PACKETS
    });
    wait_until("all came back on the interface", || {
        handed_on(node) - before == PACKETS
    });
}

#[test]
fn generic_xdp_gives_way_to_tc_when_the_kernel_can_decrypt() {
    let _without = WithoutEsp::now();
    // As Debian's packages of kernels install it; the virtual machine has no package.
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let configuration = format!("/boot/config-{}", release.trim());
    std::fs::write(configuration, "CONFIG_INET_ESP=m\nCONFIG_INET6_ESP=m\n").unwrap();
    let lab = Lab::builder().quiet(true).build().unwrap();
    let node = lab.node1();
    count_handed_on(node);
    let mut agent = Agent::start(node, &["--hook", "xdp-generic"]);
    assert_eq!(agent.hooks(), ["xdp-generic", tc()]);
    tunnel(&lab);
    wait_until("TC has taken its place", || agent.hooks() == [tc(), tc()]);
    let said = agent.monitor.err();
    assert!(
        said.contains("no xdp-generic: the kernel can decrypt ESP"),
        "{said}"
    );
    send_through_tunnel(&lab);
    assert_eq!(cleartext(&agent), [], "switched");
    assert_eq!(decrypted(&agent), PACKETS);
    agent.monitor.stop();

    let mut agent = Agent::start(node, &["--hook", "xdp-generic"]);
    assert_eq!(agent.hooks(), [tc(), tc()]);
    send_through_tunnel(&lab);
    assert_eq!(cleartext(&agent), [], "from the start");
    assert_eq!(decrypted(&agent), PACKETS);
    agent.monitor.stop();
    assert_audit_leaves_copies_out(&lab);
}

/// Insists that an audit counts the copies nowhere, and says how many it left out.
fn assert_audit_leaves_copies_out(lab: &Lab) {
    let arguments = [
        "audit",
        "-i",
        "eth0",
        "--docker",
        "off",
        "--duration",
        "15s",
        "--format",
        "json",
    ];
    let mut audit = Monitor::start(lab.node1(), &arguments);
    audit.wait_for("it watches", |audit| audit.err().contains("watching"));
    send_through_tunnel(lab);
    let (status, _) = audit.wait();
    let out = audit.out();
    assert_eq!(status.code(), Some(0), "{out} {}", audit.err());
    let objects = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let objects: Vec<Value> = objects.collect();
    let is_of_overlay = |object: &Value| object["type"] == "exposure" && object["vni"] == VNI;
    assert!(!objects.iter().any(is_of_overlay), "{out}");
    let summary = objects.last().unwrap();
    assert_eq!(summary["type"], "audit_summary");
    assert_eq!(summary["decrypted_packets"], PACKETS);
}

#[test]
fn what_came_encrypted_is_not_counted_as_cleartext() {
    // Transport mode, as Docker's; decrypted by GRO. Before the lab, so that it goes after it.
    let _offload = Offload::load();
    let lab = Lab::builder().encrypted(true).quiet(true).build().unwrap();
    let node = lab.node1();
    count_handed_on(node);
    for node in [lab.node1(), lab.node2()] {
        node.run("ethtool", &["-K", "eth0", "gro", "on"]).unwrap();
    }
    let before = both_ways(node, lab.node2());
    let mut agent = Agent::start(node, &[]);
    let peer = lab.node2().address().to_string();
    let pair = Pair::new(
        lab.container(WEB).unwrap(),
        lab.container(CLIENT).unwrap(),
        5000,
    );
    for from in [1, 0] {
        pair.send(from, std::iter::repeat_n(100, PACKETS as usize));
    }
    assert_eq!(carried(node, &peer, "transport").packets, PACKETS);
    println!("behind GRO: {} packets of VXLAN", handed_on(node));
    // A veth joins packets only since 5.13 (`veth_set_features` in drivers/net/veth.c).
    if kernel_version() >= (5, 13) {
        assert_eq!(handed_on(node), PACKETS, "decrypted before the hook");
        assert_eq!(decrypted(&agent), PACKETS);
    }
    assert_eq!(cleartext(&agent), [], "with esp4_offload");
    until_silent(node);
    assert_attributed(&agent, &lab, before);

    // XDP is before GRO, and sees what came.
    agent.monitor.stop();
    let mut by_xdp = Agent::start(node, &["--hook", "xdp"]);
    for from in [1, 0] {
        pair.send(from, std::iter::repeat_n(100, PACKETS as usize));
    }
    let esp =
        format!(r#"overlay_esp_packets_total{{interface="eth0",direction="rx",peer="{peer}"}}"#);
    assert_eq!(value(&by_xdp.metrics(), &esp), PACKETS, "ESP at XDP");
    assert_eq!(cleartext(&by_xdp), [], "at XDP");
    by_xdp.monitor.stop();
    let transport = both_ways(node, lab.node2());
    let agent = Agent::start(node, &[]);

    // Tunnel mode, with VXLAN inside.
    tunnel(&lab);
    let before = decrypted(&agent);
    send_through_tunnel(&lab);
    assert_eq!(decrypted(&agent) - before, PACKETS);
    assert_eq!(cleartext(&agent), [], "beside a tunnel");

    // What is inside a tunnel belongs to a VPN, even VXLAN; the overlay beside it counts as before.
    for from in [1, 0] {
        pair.send(from, std::iter::repeat_n(100, PACKETS as usize));
    }
    until_silent(node);
    assert_attributed(&agent, &lab, transport);
}
