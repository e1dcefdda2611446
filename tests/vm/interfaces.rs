//! VLANs and bonds, which not every kernel of a developer's machine has: no packet counts twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor_lab::{Host, Lab};
use overlay_tests::agent::{Agent, rows};
use overlay_tests::frame::{VNI, redis_command, vxlan};
use overlay_tests::process::{PATIENCE, wait_until};
use overlay_tests::wire::bound;

fn ip(host: &Host, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    host.run("ip", &words).unwrap();
}

/// Sends so many VXLAN datagrams each way between these addresses, and waits for each.
fn exchange(lab: &Lab, addresses: [&str; 2], datagrams: usize) {
    let socket = |host: &Host, own: &str, peer: &str| {
        let socket = bound(host, (own, 4790));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect((peer, 4790)).unwrap();
        socket
    };
    let [one, two] = addresses;
    let sockets = [socket(lab.node1(), one, two), socket(lab.node2(), two, one)];
    let payload = vxlan(VNI, &redis_command());
    let mut buffer = [0; 2048];
    for _ in 0..datagrams {
        for (from, to) in [(0, 1), (1, 0)] {
            sockets[from].send(&payload).unwrap();
            assert_eq!(sockets[to].recv(&mut buffer).unwrap(), payload.len());
        }
    }
}

/// Insists that so many packets are counted each way, on one interface.
fn assert_counted(agent: &Agent, interface: &str, packets: u64) {
    let page = agent.metrics();
    for direction in ["rx", "tx"] {
        let found: Vec<_> = rows(&page, "overlay_packets_total")
            .into_iter()
            .filter(|(labels, _)| labels.contains(&format!(r#"direction="{direction}""#)))
            .filter(|(labels, _)| labels.contains(&format!(r#"vni="{VNI}""#)))
            .collect();
        assert!(
            found.len() == 1 && found[0].0.contains(&format!(r#"interface="{interface}""#)),
            "{found:?}"
        );
        assert_eq!(found[0].1, packets, "{direction}");
    }
}

#[test]
fn a_vlan_on_a_bond_and_all_that_is_below_it() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let peer = two.namespace_path();
    ip(
        one,
        &format!("link add p0 type veth peer name p0 netns {peer}"),
    );
    ip(
        one,
        "link add bond0 type bond mode active-backup miimon 100",
    );
    ip(one, "link set p0 master bond0");
    ip(one, "link add link bond0 name bond0.5 type vlan id 5");
    ip(two, "link add link p0 name p0.5 type vlan id 5");
    ip(one, "address add 10.9.0.1/24 dev bond0.5");
    ip(two, "address add 10.9.0.2/24 dev p0.5");
    for device in ["p0", "bond0", "bond0.5"] {
        ip(one, &format!("link set {device} up"));
    }
    for device in ["p0", "p0.5"] {
        ip(two, &format!("link set {device} up"));
    }
    wait_until("the link is up", || {
        let shown = one.run("ip", &["link", "show", "dev", "bond0.5"]).unwrap();
        shown.contains("state UP")
    });

    let arguments = ["-i", "p0", "-i", "bond0*", "--vxlan-port", "4790"];
    let mut agent = Agent::watch(one, 9469, &arguments);
    exchange(&lab, ["10.9.0.1", "10.9.0.2"], 10);
    assert_counted(&agent, "p0", 10);
    let said = agent.monitor.err();
    for note in [
        "bond0 (bond or team) is not watched itself",
        "bond0.5 (VLAN sub-interface) is not watched itself",
    ] {
        assert!(said.contains(note), "{said}");
    }
    agent.monitor.stop();

    // And the same by the default route.
    ip(one, "route add default via 10.9.0.2 dev bond0.5");
    let arguments = ["-i", "default", "--vxlan-port", "4790"];
    let mut agent = Agent::watch(one, 9469, &arguments);
    exchange(&lab, ["10.9.0.1", "10.9.0.2"], 10);
    assert_counted(&agent, "p0", 10);
    agent.monitor.stop();
}
