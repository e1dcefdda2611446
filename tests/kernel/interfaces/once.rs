//! Interfaces on top of each other: no packet counts twice.

use std::net::UdpSocket;

use super::{PORT, everywhere, ip, quiet, up};
use monitor_lab::{Host, Lab};
use overlay_tests::agent::Agent;
use overlay_tests::frame::{VNI, redis_command, vxlan};
use overlay_tests::process::wait_until;
use overlay_tests::wire::bound;

/// A second wire between the nodes; on node1 with a bridge on top, which has the address.
pub(crate) fn bridged(lab: &Lab) -> [UdpSocket; 2] {
    let (one, two) = (lab.node1(), lab.node2());
    let peer = two.namespace_path();
    ip(
        one,
        &format!("link add p0 type veth peer name p0 netns {peer}"),
    );
    ip(one, "link add b0 type bridge");
    ip(one, "link set p0 master b0");
    ip(one, "address add 10.9.0.1/24 dev b0");
    ip(two, "address add 10.9.0.2/24 dev p0");
    ip(one, "link set p0 up");
    ip(one, "link set b0 up");
    ip(two, "link set p0 up");
    wait_until("the bridge forwards", || {
        let shown = one
            .run("ip", &["-details", "link", "show", "dev", "p0"])
            .unwrap();
        shown.contains("state forwarding")
    });
    wait_until("the bridge is up", || {
        let shown = one.run("ip", &["link", "show", "dev", "b0"]).unwrap();
        shown.contains("state UP")
    });
    let socket = |host: &Host, address: &str, peer: &str| {
        let socket = bound(host, (address, 4790));
        socket
            .set_read_timeout(Some(overlay_tests::process::PATIENCE))
            .unwrap();
        socket.connect((peer, 4790)).unwrap();
        socket
    };
    [
        socket(one, "10.9.0.1", "10.9.0.2"),
        socket(two, "10.9.0.2", "10.9.0.1"),
    ]
}

/// Sends so many VXLAN datagrams each way, and waits for each.
pub(crate) fn exchange(sockets: &[UdpSocket; 2], datagrams: usize) {
    let payload = vxlan(VNI, &redis_command());
    let mut buffer = [0; 2048];
    for _ in 0..datagrams {
        for (from, to) in [(0, 1), (1, 0)] {
            sockets[from].send(&payload).unwrap();
            assert_eq!(sockets[to].recv(&mut buffer).unwrap(), payload.len());
        }
    }
}

#[test]
fn a_bridge_and_its_port_and_a_macvlan_and_what_is_below_it() {
    let lab = quiet();
    let host = lab.node1();
    let sockets = bridged(&lab);
    ip(host, "link add link eth0 name m0 type macvlan");
    let interfaces = ["b0", "p0", "m0", "eth0"].map(|name| ["-i", name]);
    let arguments = [&interfaces.concat()[..], &["--vxlan-port", "4790"]].concat();
    let mut agent = Agent::watch(host, PORT, &arguments);
    let said = agent.monitor.err();
    for note in [
        "b0 (bridge) is not watched itself; its packets are counted on p0 below it",
        "m0 (macvlan or ipvlan) is not watched itself; its packets are counted on eth0 below it",
    ] {
        assert!(said.contains(note), "{said}");
    }
    assert_eq!((up(&agent, "b0"), up(&agent, "p0")), (None, Some(1)));
    assert_eq!((up(&agent, "m0"), up(&agent, "eth0")), (None, Some(1)));
    exchange(&sockets, 10);
    assert_eq!(
        (everywhere(&agent, "rx"), everywhere(&agent, "tx")),
        (10, 10)
    );
    agent.monitor.stop();
}
