//! A VLAN tag that the kernel or the NIC has taken out of the frame was on the wire, and its bytes count.
//!
//! Sent frames are in `tests/vm/vlan.rs`: not every kernel has VLAN devices.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor_lab::Lab;
use overlay_tests::agent::Agent;
use overlay_tests::frame::{VNI, overlay, redis_command, tagged};
use overlay_tests::process::wait_until;
use overlay_tests::wire::Raw;

/// Frames of each kind.
const FRAMES: u64 = 50;

/// The kernel itself takes the outermost tag out of what it receives, before TC (`skb_vlan_untag` in
/// net/core/dev.c), and behind XDP.
fn received(arguments: &[&str]) {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let agent = Agent::start(lab.node1(), arguments);
    let wire = Raw::open(lab.node2(), "eth0");
    let plain = overlay(VNI, &redis_command());
    let (mut packets, mut bytes) = (0, 0);
    for frame in [
        plain.clone(),
        tagged(0x8100, 7, &plain),
        tagged(0x8100, 0, &plain),
        tagged(0x88a8, 8, &tagged(0x8100, 7, &plain)),
    ] {
        for _ in 0..FRAMES {
            wire.send(&frame);
        }
        packets += FRAMES;
        bytes += FRAMES * frame.len() as u64;
        wait_until("all frames are counted", || {
            agent.vni(VNI, "rx").0 >= packets
        });
        assert_eq!(agent.vni(VNI, "rx"), (packets, bytes), "{frame:02x?}");
    }
}

#[test]
fn tc_counts_the_tags_of_received_frames() {
    received(&[]);
}

#[test]
fn xdp_counts_the_tags_of_received_frames() {
    received(&["--hook", "xdp"]);
}
