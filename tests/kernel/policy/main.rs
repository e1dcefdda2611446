//! Networks that must be encrypted, and whether they are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod audits;
mod states;
mod violations;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use monitor_lab::{CLIENT, Lab, WEB};
use overlay_tests::agent::{Agent, rows, seconds, state_seconds, value};
use overlay_tests::frame::{ethernet, ip_between, redis_command, udp, vxlan};
use overlay_tests::process::{Monitor, run, wait_until};
use overlay_tests::wire::{Pair, Raw};

/// The network that must be encrypted, and one that need not.
const REQUIRED: u32 = 4096;
const OPTIONAL: u32 = 70_000;
/// A violation is in the log this long after its first packet, at most.
const LOGGED_WITHIN: Duration = Duration::from_secs(2);
/// Headers inside and outside: Ethernet, IPv4, UDP; Ethernet, IPv4, UDP, VXLAN.
const HEADERS: u64 = 14 + 20 + 8 + 14 + 20 + 8 + 8;

/// A configuration file of one test, removed in the end.
struct Config(PathBuf);

impl Config {
    fn new(name: &str, text: &str) -> Config {
        let name = format!("overlay-monitor-{name}-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Config(path)
    }

    fn arguments(&self) -> [&str; 4] {
        // Docker of this machine, if there is one, is none of these tests' business.
        ["--docker", "off", "--config", self.0.to_str().unwrap()]
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// One network that must be encrypted under a hostile name, one that need not.
fn networks(name: &str) -> Config {
    let text = format!(
        "window = 15\n\
         [[network]]\nvni = {REQUIRED}\nname = \"app1\\u001b[2J\\n\"\nencrypted = \"required\"\n\
         [[network]]\nvni = {OPTIONAL}\nname = \"app2\"\nencrypted = \"optional\"\n"
    );
    Config::new(name, &text)
}

fn lab() -> Lab {
    Lab::builder()
        .quiet(true)
        .overlay("app2-network", OPTIONAL, false)
        .build()
        .unwrap()
}

/// Sockets in the containers of the required network, node1's first.
fn required(lab: &Lab) -> Pair {
    Pair::new(
        lab.container(WEB).unwrap(),
        lab.container(CLIENT).unwrap(),
        5000,
    )
}

fn state(page: &str, vni: u32) -> String {
    let name = format!("overlay_network_state{{vni=\"{vni}\",state=\"");
    let mut found = page
        .lines()
        .filter_map(|line| line.strip_prefix(&name)?.strip_suffix("\"} 1"));
    let state = found
        .next()
        .unwrap_or_else(|| panic!("no state of {vni} in\n{page}"));
    assert_eq!(found.next(), None, "one state at a time");
    state.to_owned()
}

/// Packets and bytes of a violation, and whether it goes on.
fn violation(page: &str, vni: u32, direction: &str) -> (u64, u64, u64) {
    let labels = format!("{{vni=\"{vni}\",direction=\"{direction}\"}}");
    let metric = |name: &str| value(page, &format!("overlay_violation_{name}{labels}"));
    (
        metric("packets_total"),
        metric("bytes_total"),
        metric("active"),
    )
}

fn line<'a>(said: &'a str, parts: &[&str]) -> Option<&'a str> {
    said.lines()
        .find(|line| parts.iter().all(|part| line.contains(part)))
}
