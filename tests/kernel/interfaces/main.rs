//! Which interfaces are watched, while they appear, vanish, are renamed, and lie on top of each other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod check;
mod default;
mod glob;
mod life;
mod limit;
mod once;
mod overlay_port;
mod raw_ip;

use std::time::{Duration, Instant};

use monitor_lab::{Host, Lab};
use overlay_tests::agent::{Agent, rows};
use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::wait_until;
use overlay_tests::wire::Raw;

/// Where agents of these tests listen.
const PORT: u16 = 9469;

fn quiet() -> Lab {
    Lab::builder().quiet(true).build().unwrap()
}

fn ip(host: &Host, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    host.run("ip", &words).unwrap();
}

/// Makes a veth of which both ends are on this host, and sets both up.
fn veth(host: &Host, one: &str, two: &str) {
    ip(host, &format!("link add {one} type veth peer name {two}"));
    ip(host, &format!("link set {one} up"));
    ip(host, &format!("link set {two} up"));
    // A link that was just set up drops what it is given until its carrier is seen.
    wait_until("the link is up", || {
        let shown = host.run("ip", &["link", "show", "dev", one]).unwrap();
        shown.contains("state UP")
    });
}

/// Puts so many frames of a VXLAN network on a device.
fn send(host: &Host, device: &str, frames: usize) {
    let raw = Raw::open(host, device);
    let frame = overlay(VNI, &redis_command());
    for _ in 0..frames {
        raw.send(&frame);
    }
}

/// Packets of that network on a device.
fn packets(agent: &Agent, device: &str, direction: &str) -> u64 {
    agent.vni_on(device, VNI, direction).0
}

/// Waits until so many packets are counted, and insists that they are no more.
fn assert_received(agent: &Agent, device: &str, expected: u64) {
    wait_until("they have arrived", || {
        packets(agent, device, "rx") >= expected
    });
    assert_eq!(packets(agent, device, "rx"), expected, "{device}");
}

/// `Some(1)` while an interface is watched both ways, `Some(0)` while it should be, `None` else.
fn up(agent: &Agent, device: &str) -> Option<u64> {
    let page = agent.metrics();
    let value = |direction: &str| {
        let name = format!(r#"overlay_hook_up{{interface="{device}",direction="{direction}"}} "#);
        let line = page.lines().find_map(|line| line.strip_prefix(&name))?;
        line.parse::<u64>().ok()
    };
    let (rx, tx) = (value("rx"), value("tx"));
    assert_eq!(rx, tx, "both ways are the same here");
    rx
}

/// Waits for something that the agent must have done within a second. Asking takes its time too, on an emulated machine
/// most of it: as long as some questions take is allowed beside the second.
fn within_a_second(agent: &Agent, what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    wait_until(what, &mut is_so);
    let took = start.elapsed();
    let start = Instant::now();
    drop(agent.metrics());
    let asking = start.elapsed();
    assert!(
        took < Duration::from_secs(1) + 20 * asking,
        "{what}: took {took:?}, one question {asking:?}"
    );
}

/// Packets of that network in a direction, on whatever interface.
fn everywhere(agent: &Agent, direction: &str) -> u64 {
    let direction = format!(r#"direction="{direction}""#);
    rows(&agent.metrics(), "overlay_packets_total")
        .into_iter()
        .filter(|(labels, _)| labels.contains(&direction) && labels.contains(r#""vxlan""#))
        .map(|(_, packets)| packets)
        .sum()
}
