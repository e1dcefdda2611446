//! Helpers of the lab's tests.

#![allow(dead_code, reason = "not every test uses all of it")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows only functions marked #[test] as tests, not their helpers"
)]

use std::time::Duration;

use monitor_lab::{DeviceStats, Host, Lab};

/// Reads the counters of a device until they no longer change.
pub(crate) fn idle_counters(host: &Host, device: &str) -> DeviceStats {
    let mut last = host.device_stats(device).unwrap();
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let now = host.device_stats(device).unwrap();
        if now == last {
            return now;
        }
        last = now;
    }
}

/// A quiet lab with Redis and the web app.
pub(crate) fn running(encrypted: bool) -> Lab {
    let mut lab = Lab::builder()
        .encrypted(encrypted)
        .quiet(true)
        .build()
        .unwrap();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    lab
}

/// nftables rules that count received datagrams on the wire: VXLAN of VNI 4096, and ESP. They share no code with the lab.
const ORACLE: &str = "table netdev oracle { chain wire { type filter hook ingress device eth0 priority 0; \
    udp dport 4789 @th,96,24 4096 counter; ip protocol esp counter; }\n}";

/// Attaches the oracle to a host's wire.
pub(crate) fn attach_oracle(host: &Host) {
    host.run("nft", &[ORACLE]).unwrap();
}

/// Packets that the oracle has counted: VXLAN of VNI 4096, ESP.
pub(crate) fn oracle_counts(host: &Host) -> [u64; 2] {
    let rules = host
        .run("nft", &["list", "table", "netdev", "oracle"])
        .unwrap();
    let mut counts = rules
        .split("counter packets ")
        .skip(1)
        .map(|rest| rest.split_whitespace().next().unwrap().parse().unwrap());
    [counts.next().unwrap(), counts.next().unwrap()]
}
