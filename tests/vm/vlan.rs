//! A VLAN tag that stands beside a frame to be sent will be on the wire, and its bytes count.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor_lab::Lab;
use overlay_tests::agent::Agent;
use overlay_tests::frame::{VNI, redis_command, vxlan};
use overlay_tests::process::wait_until;
use overlay_tests::wire::bound;

/// Frames sent.
const FRAMES: u64 = 50;

/// A VLAN device hands its tag to the device below beside the frame, if that can put it in.
#[test]
fn tc_counts_the_tags_of_sent_frames() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let node = lab.node1();
    for line in [
        "link add link eth0 name vlan7 type vlan id 7",
        "addr add 192.168.78.1/24 dev vlan7",
        "link set vlan7 up",
        "neigh replace 192.168.78.2 lladdr 02:00:c0:a8:4d:02 dev vlan7 nud permanent",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        node.run("ip", &words).unwrap();
    }
    let agent = Agent::start(node, &[]);
    let socket = bound(node, "192.168.78.1:50000");
    let datagram = vxlan(VNI, &redis_command());
    for _ in 0..FRAMES {
        socket.send_to(&datagram, "192.168.78.2:4789").unwrap();
    }
    wait_until("all frames are counted", || {
        agent.vni(VNI, "tx").0 >= FRAMES
    });
    let frame = 14 + 4 + 20 + 8 + datagram.len() as u64;
    assert_eq!(agent.vni(VNI, "tx"), (FRAMES, FRAMES * frame));
}
