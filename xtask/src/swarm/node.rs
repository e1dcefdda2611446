//! A node: a virtual machine with a card on the wire.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::paths::Ctx;
use crate::vm;
use crate::vm::remote::Remote;

/// Modules that Docker's engine looks for before it uses them.
const LOAD: &[&str] = &[
    "virtio_net",
    "overlay",
    "bridge",
    "br_netfilter",
    "ip_vs",
    "xt_u32",
    "nf_conntrack",
];

/// What makes a node.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    pub(super) mac: &'static str,
}

/// The nodes; the first is the manager.
pub(super) const NODES: [Plan; 2] = [
    Plan {
        name: "node1",
        address: "192.168.77.1",
        mac: "52:54:00:4d:00:01",
    },
    Plan {
        name: "node2",
        address: "192.168.77.2",
        mac: "52:54:00:4d:00:02",
    },
];

/// A virtual machine that runs.
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    remote: Remote,
    /// Seconds that the guest's clock is ahead of ours.
    ahead: f64,
}

impl Node {
    /// Starts the machine; [`Node::ready`] waits for it.
    pub(super) fn boot(
        ctx: &Ctx,
        plan: &Plan,
        wire: UnixStream,
        trees: &[PathBuf],
        timeout: Duration,
    ) -> Result<Self> {
        let job = vm::Job {
            memory: 3072,
            cpus: 1,
            timeout,
            name: plan.name.to_owned(),
            trees: trees.to_vec(),
            load: LOAD.iter().map(|name| (*name).to_owned()).collect(),
            wire: Some(vm::Wire {
                end: Arc::new(wire),
                mac: plan.mac.to_owned(),
            }),
            ..vm::Job::new(&ctx.root, &[])
        };
        Ok(Self {
            name: plan.name,
            address: plan.address,
            remote: Remote::boot(ctx, job)?,
            ahead: 0.0,
        })
    }

    /// Waits until the guest takes scripts, and compares the clocks.
    pub(super) fn ready(&mut self) -> Result<()> {
        self.remote.ready()?;
        self.compare_clocks()
    }

    /// Finds out how far the guest's clock is ahead.
    pub(super) fn compare_clocks(&mut self) -> Result<()> {
        // The shortest of some round trips says most.
        let mut best = f64::MAX;
        for _ in 0..5 {
            let before = now();
            let text = self.sh("date +%s.%N")?;
            let after = now();
            if after - before < best {
                best = after - before;
                let theirs: f64 = text.trim().parse().context("date(1) printed no number")?;
                self.ahead = theirs - f64::midpoint(before, after);
            }
        }
        Ok(())
    }

    /// Seconds since 1970 on our clock, of a moment on the guest's.
    pub(super) fn our_time(&self, theirs: f64) -> f64 {
        theirs - self.ahead
    }

    /// Runs a script as [`Remote::sh`] does.
    pub(super) fn sh(&mut self, script: &str) -> Result<String> {
        self.remote.sh(script)
    }

    /// Runs a script as [`Remote::run`] does.
    pub(super) fn run(&mut self, script: &str, limit: Duration) -> Result<(u8, String)> {
        self.remote.run(script, limit)
    }
}

/// Does the same on both nodes at once.
pub(super) fn both<T: Send>(
    nodes: &mut [Node; 2],
    act: impl Fn(&mut Node) -> Result<T> + Sync,
) -> Result<[T; 2]> {
    let [first, second] = nodes;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| act(second));
        let ours = act(first);
        let theirs = other
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok([ours?, theirs?])
    })
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
