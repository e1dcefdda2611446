//! Networks as Docker's own daemon describes them, and daemons that are none.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod daemon;
mod strangers;

use monitor_lab::{Host, Lab};
use overlay_tests::agent::Agent;

fn quiet() -> Lab {
    Lab::builder().quiet(true).build().unwrap()
}

/// The agent on `eth0`, asking at this socket.
fn agent<'a>(host: &'a Host, socket: &str) -> Agent<'a> {
    Agent::start(host, &["--docker", socket])
}

/// Waits until the log says something.
fn says(agent: &mut Agent, what: &str) {
    agent
        .monitor
        .wait_for(what, |monitor| monitor.err().contains(what));
}

/// How often the log says something.
fn times(agent: &Agent, what: &str) -> usize {
    agent.monitor.err().matches(what).count()
}

/// `overlay_docker_up`; `None` where it is not exported.
fn up(agent: &Agent) -> Option<u64> {
    let page = agent.metrics();
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix("overlay_docker_up "))?;
    Some(value.parse().unwrap())
}
