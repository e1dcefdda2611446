//! Attachment: the hook that the kernel has, other programs left alone, and nothing left behind.
//!
//! Kernels with TCX (Linux 6.6) and without behave differently where the tests say so, by version.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod frames;
mod life;
mod order;
mod others;

use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::agent::Agent;
use overlay_tests::attached::attached;
use overlay_tests::process::wait_until;
use overlay_tests::wire::Pair;

const VNI: u32 = 4096;
const PAYLOAD: usize = 100;
/// Length of such a datagram's frame on the wire, outer headers included.
const FRAME: u64 = PAYLOAD as u64 + (14 + 20 + 8) + (14 + 20 + 8 + 8);

fn quiet() -> Lab {
    Lab::builder().quiet(true).build().unwrap()
}

/// Sends so many datagrams each way through the overlay.
fn exchange(lab: &Lab, packets: usize) {
    let pair = Pair::new(
        lab.container(WEB).unwrap(),
        lab.container(CLIENT).unwrap(),
        5000,
    );
    for from in [0, 1] {
        pair.send(from, std::iter::repeat_n(PAYLOAD, packets));
    }
}

/// Insists that an agent has counted so many datagrams each way since it started.
fn assert_counted(agent: &Agent, packets: u64) {
    wait_until("the last packet is counted", || {
        agent.vni(VNI, "rx").0 >= packets
    });
    for direction in ["rx", "tx"] {
        assert_eq!(
            agent.vni(VNI, direction),
            (packets, packets * FRAME),
            "{direction}"
        );
    }
}

/// What is attached to `eth0`, with `ours` in place of the names of our programs and filters.
fn shape(host: &Host) -> Vec<String> {
    let all = attached(host)
        .into_iter()
        .map(|line| match line.rsplit_once(' ') {
            Some((hook, name))
                if name.starts_with("overlay-monitor/") || name.starts_with("overlay_tc_") =>
            {
                format!("{hook} ours")
            }
            _ => line,
        });
    all.collect()
}
