//! Super-packets: what segmentation takes apart behind TC, or GRO has put together before it, is counted
//! as the packets and bytes that were on the wire.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::os::fd::AsRawFd;

use monitor_lab::{CLIENT, DeviceStats, Host, Lab, WEB};
use overlay_tests::agent::Agent;
use overlay_tests::process::wait_until;
use overlay_tests::programs::kernel_version;
use overlay_tests::scale::scaled;
use overlay_tests::wire::bound;

const VNI: u32 = 4096;
/// Bytes of a TCP stream.
const STREAM: usize = 60_000_000;

/// A lab where nothing but the stream is on the wire. What containers send goes through the overlay in
/// super-packets, and the nodes' devices cannot send those, so that the kernel segments them behind TC.
fn segmenting() -> Lab {
    let lab = Lab::builder().quiet(true).build().unwrap();
    for name in [WEB, CLIENT] {
        set(lab.container(name).unwrap(), "eth0", &["gso", "tso"], true);
    }
    for sandbox in lab.overlays()[0].sandboxes() {
        for device in ["vxlan0", "br0"] {
            set(sandbox, device, &["gso", "tso"], true);
        }
    }
    for node in [lab.node1(), lab.node2()] {
        set(node, "eth0", &["gso"], true);
        let segmentation = [
            "tso",
            "tx-udp_tnl-segmentation",
            "tx-udp_tnl-csum-segmentation",
            "tx-udp-segmentation",
        ];
        set(node, "eth0", &segmentation, false);
    }
    lab
}

/// Turns offloads of a device on or off. Whether they are is seen by the packets.
fn set(host: &Host, device: &str, offloads: &[&str], on: bool) {
    for offload in offloads {
        let value = if on { "on" } else { "off" };
        // A kernel may not have one, or may not let it be changed.
        let _ = host.run("ethtool", &["-K", device, offload, value]);
    }
}

/// Counts the packets that `eth0` of a host hands to its network stack, and the larger ones than its MTU.
fn count_handed_on(host: &Host) {
    for line in [
        "add table netdev oracle",
        "add chain netdev oracle in { type filter hook ingress device eth0 priority 0; }",
        "add rule netdev oracle in counter comment \"all\"",
        "add rule netdev oracle in meta length > 1500 counter comment \"large\"",
    ] {
        host.run("nft", &[line]).unwrap();
    }
}

/// What [`count_handed_on`] has counted: all packets, and those larger than the MTU.
fn handed_on(host: &Host) -> [u64; 2] {
    let text = host
        .run("nft", &["list", "table", "netdev", "oracle"])
        .unwrap();
    ["all", "large"].map(|comment| {
        let line = text.lines().find(|line| line.contains(comment)).unwrap();
        let packets = line.split_once("counter packets ").unwrap().1;
        packets.split(' ').next().unwrap().parse().unwrap()
    })
}

/// A TCP stream from one container to another, by iperf3.
fn stream(from: &Host, to: &Host) {
    let address = to.address().to_string();
    let mut server = to.command("iperf3").unwrap();
    server.args(["-s", "-1", "-B", &address]);
    server.stdout(std::process::Stdio::null());
    let _server = to.spawn(server).unwrap();
    let bytes = scaled(STREAM).to_string();
    wait_until("iperf3 serves, and its stream has ended", || {
        let client = ["-c", &address, "-n", &bytes, "--connect-timeout", "5000"];
        match from.run("iperf3", &client) {
            Ok(_) => true,
            Err(error) => {
                let said = error.to_string();
                let early = said.contains("refused") || said.contains("unable to connect");
                assert!(early, "{said}");
                false
            }
        }
    });
}

/// Datagrams that the kernel sends as super-packets (`UDP_SEGMENT`, Linux 4.18).
fn datagrams(from: &Host, to: &Host) {
    let segment: libc::c_int = 1_000;
    let bind = |host: &Host| bound(host, (host.address(), 5_000));
    let (socket, receiver) = (bind(from), bind(to));
    socket.connect(receiver.local_addr().unwrap()).unwrap();
    // SAFETY: an option of one int, which is only read.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const segment).cast(),
            size_of_val(&segment) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    for n in 0..scaled(2_000) {
        // Two to forty segments, the last of them mostly shorter.
        let len = 1_500 + n * 1_237 % 38_500;
        socket.send(&vec![0x2e; len]).unwrap();
        if n % 8 == 0 {
            std::thread::yield_now();
        }
    }
}

/// Waits until the wire is silent, and gives what `eth0` of both nodes has counted since then.
fn silent(lab: &Lab, before: [DeviceStats; 2]) -> [DeviceStats; 2] {
    let now = || {
        [
            lab.node1().device_stats("eth0").unwrap() - before[0],
            lab.node2().device_stats("eth0").unwrap() - before[1],
        ]
    };
    let mut last = now();
    wait_until("the wire is silent", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        std::mem::replace(&mut last, now()) == now()
    });
    last
}

fn start(lab: &Lab) -> [DeviceStats; 2] {
    [lab.node1(), lab.node2()].map(|node| node.device_stats("eth0").unwrap())
}

/// What node1 sends is counted as what reaches node2's wire.
fn sent_in_super_packets(traffic: impl FnOnce(&Host, &Host)) {
    let lab = segmenting();
    let [web, client] = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    let sandbox = &lab.overlays()[0].sandboxes()[0];
    count_handed_on(lab.node2());
    let agent = Agent::start(lab.node1(), &[]);
    let (before, inside) = (start(&lab), sandbox.device_stats("vxlan0").unwrap());
    traffic(web, client);
    let [node, peer] = silent(&lab, before);
    let inside = sandbox.device_stats("vxlan0").unwrap() - inside;
    println!("node1 {node:?}\nnode2 {peer:?}\nvxlan0 of node1 {inside:?}");

    assert_eq!((node.tx_dropped, peer.rx_dropped), (0, 0));
    assert_eq!(handed_on(lab.node2()), [peer.rx_packets, 0], "all single");
    assert!(
        inside.tx_packets * 2 < peer.rx_packets,
        "hardly any super-packets: {inside:?} became {peer:?}"
    );
    assert_eq!(agent.vni(VNI, "tx"), (peer.rx_packets, peer.rx_bytes));
    assert_eq!(agent.vni(VNI, "rx"), (peer.tx_packets, peer.tx_bytes));
}

#[test]
fn a_tcp_stream_is_counted_as_its_segments_before_they_are_made() {
    sent_in_super_packets(stream);
}

#[test]
fn udp_super_packets_are_counted_as_their_datagrams() {
    sent_in_super_packets(datagrams);
}

#[test]
fn a_tcp_stream_joined_by_gro_is_counted_as_what_was_on_the_wire() {
    let lab = segmenting();
    let [web, client] = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    count_handed_on(lab.node1());
    set(lab.node1(), "eth0", &["gro"], true);
    let agent = Agent::start(lab.node1(), &["--hook", "tc"]);
    let before = start(&lab);
    stream(client, web);
    let [node, peer] = silent(&lab, before);
    let [joined, large] = handed_on(lab.node1());
    println!("node1 {node:?}\nnode2 {peer:?}\n{joined} packets behind GRO, {large} large");

    assert_eq!((peer.tx_dropped, node.rx_dropped), (0, 0));
    // A veth joins packets only since 5.13, unless XDP is there (`veth_set_features` in drivers/net/veth.c).
    if kernel_version() < (5, 13) {
        assert_eq!(agent.vni(VNI, "rx"), (node.rx_packets, node.rx_bytes));
        return;
    }
    assert!(
        joined * 2 < node.rx_packets && large > 0,
        "hardly any joined: {joined} of {node:?}"
    );
    // A veth that joins packets counts what it receives from behind the Ethernet header on
    // (`veth_xdp_rcv` in drivers/net/veth.c).
    let bytes = node.rx_bytes + 14 * node.rx_packets;
    assert_eq!(agent.vni(VNI, "rx"), (node.rx_packets, bytes));
}
