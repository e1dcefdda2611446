//! Interfaces without an Ethernet header.

use std::net::UdpSocket;

use super::{PORT, packets, quiet, up};
use crate::check::raw_ip;
use overlay_tests::agent::{Agent, rows};
use overlay_tests::frame::{VNI, redis_command, vxlan};
use overlay_tests::process::wait_until;

#[test]
fn packets_without_an_ethernet_header_are_counted() {
    let lab = quiet();
    let host = lab.node1();
    let device = raw_ip(host);
    super::ip(host, &format!("address add 10.8.0.1/24 dev {device}"));
    super::ip(host, &format!("link set {device} up"));
    let arguments = ["-i", device, "--hook", "xdp", "--sample-every", "1"];
    let mut agent = Agent::watch(host, PORT, &arguments);
    assert_eq!(up(&agent, device), Some(1));
    let said = agent.monitor.err();
    assert!(
        said.contains("no xdp: its frames have no Ethernet header"),
        "{said}"
    );

    let payload = vxlan(VNI, &redis_command());
    let socket = host
        .enter(|| UdpSocket::bind("10.8.0.1:0"))
        .unwrap()
        .unwrap();
    for _ in 0..10 {
        socket.send_to(&payload, "10.8.0.2:4789").unwrap();
    }
    wait_until("they are sent", || packets(&agent, device, "tx") >= 10);
    // From the IP header on.
    let bytes = 10 * (20 + 8 + payload.len() as u64);
    assert_eq!(agent.vni_on(device, VNI, "tx"), (10, bytes));
    assert_eq!(rows(&agent.metrics(), "overlay_unparsed_packets_total"), []);
    agent.monitor.stop();
}
