//! Someone scans VNIs.

use std::time::Duration;

use monitor_lab::Lab;
use overlay_tests::flood;
use overlay_tests::frame::{ethernet, ipv4, overlay, udp};
use overlay_tests::prometheus::{Alert, Proven, Start, Watch, scaled_for_slow_scrapes};

use super::limits::{DELIVERY, seconds};
use overlay_tests::prometheus::nodes::{agent, target};

/// Networks that are made up: more than the maps have rows for.
const SCANNED: usize = 40_000;
/// How long the scan takes.
const SCAN: Duration = Duration::from_secs(4);

pub(super) fn accidents() -> Vec<Proven> {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, stranger) = (lab.node1(), lab.node2());
    // What is silent for an hour leaves, and here for 90 seconds.
    let _agent = agent(one, &["--docker", "off", "--forget-after", "90s"]);
    let targets = [target(one)];
    // Where other labs take the CPU, scrapes of so many VNIs take longer than their limit of two seconds, one after another.
    let start = Start {
        rules: scaled_for_slow_scrapes(),
        targets: &targets,
        past: None,
    };
    let watch = Watch::start(one, &start);

    let full = ["counters", "exposure"]
        .map(|map| Alert::at("OverlayMapNearlyFull", &target(one), &[("map", map)]));
    let mut accident = watch.accident("40,000 VNIs are scanned in four seconds", full.to_vec());
    let inner = ethernet(0x0800, &ipv4(17, &[], &udp(40_000, 9_000, &[0xee; 64])));
    flood::at_a_rate(stranger, "eth0", SCANNED, SCAN, |n| {
        overlay(1_000_000 + n as u32, &inner)
    });
    // A scrape that takes too long ends a `for`, and another one begins; the last that can end before the rows leave.
    accident.fires(SCAN + seconds(90) + DELIVERY);
    // It has ended already: the rows leave.
    accident.clears(SCAN + seconds(90 + 45) + DELIVERY)
}
