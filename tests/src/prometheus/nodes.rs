//! Agents on the nodes of a lab, and traffic between its containers.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use monitor_lab::{Host, Lab};

use super::scaled::rules;
use super::watch::{Start, Watch};
use crate::process::Monitor;
use crate::wire::bound;

/// The network that must be encrypted, and is not.
pub const REQUIRED: &str = "4096";
/// A datagram that anyone on the path can read.
pub const SYSLOG: &[u8] = b"<34>1 2026-11-27T10:00:00Z web shop 7 - - order 4711 was paid";

/// A real agent on a node, with these arguments.
#[must_use]
pub fn agent<'a>(host: &'a Host, arguments: &[&str]) -> Monitor<'a> {
    let common = ["run", "-i", "eth0", "--listen", "0.0.0.0:9469"];
    serving(Monitor::start(host, &[&common, arguments].concat()))
}

/// Waits until an agent serves.
#[must_use]
pub fn serving(mut monitor: Monitor<'_>) -> Monitor<'_> {
    monitor.wait_for("it serves", |monitor| {
        monitor.err().contains("serving http")
    });
    monitor
}

/// A real agent on a node, for which a network must be encrypted.
#[must_use]
pub fn requiring(host: &Host) -> Monitor<'_> {
    agent(host, &["--docker", "off", "--require", REQUIRED])
}

/// The address at which the agent of a node is scraped.
#[must_use]
pub fn target(host: &Host) -> String {
    format!("{}:9469", host.address())
}

/// Prometheus with the rules as they are delivered, on node1, for the agents of both nodes.
#[must_use]
pub fn watch(lab: &Lab) -> Watch<'_> {
    let rules = std::fs::read_to_string(rules()).unwrap();
    watch_with(lab, rules, None)
}

/// Prometheus with these rules, on node1, for the agents of both nodes.
#[must_use]
pub fn watch_with(lab: &Lab, rules: String, past: Option<String>) -> Watch<'_> {
    let targets = [target(lab.node1()), target(lab.node2())];
    let start = Start {
        rules,
        targets: &targets,
        past,
    };
    Watch::start(lab.node1(), &start)
}

/// Sockets at port 514 of two containers, the first of which sends to the other.
#[must_use]
pub fn syslog(lab: &Lab, from: &str, to: &str) -> [UdpSocket; 2] {
    let [from, to] = [from, to].map(|name| {
        let host = lab.container(name).unwrap();
        bound(host, (host.address(), 514))
    });
    from.connect(to.local_addr().unwrap()).unwrap();
    [from, to]
}

/// Something that is done again and again until this is dropped.
pub struct Repeated {
    goes_on: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Repeated {
    /// Does it now, and each such time from now on.
    #[must_use]
    pub fn each(time: Duration, mut work: impl FnMut() + Send + 'static) -> Repeated {
        let goes_on = Arc::new(AtomicBool::new(true));
        let until = Arc::clone(&goes_on);
        let thread = std::thread::spawn(move || {
            while until.load(Ordering::Relaxed) {
                work();
                std::thread::sleep(time);
            }
        });
        Repeated {
            goes_on,
            thread: Some(thread),
        }
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || !matches!(ended, Some(Err(_))));
    }
}
