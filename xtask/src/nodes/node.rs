//! A node: a virtual machine with a card on the wire.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::clock::now;
use super::wire::Wire;
use crate::paths::Ctx;
use crate::vm;
use crate::vm::remote::Remote;

/// What distinguishes one node from the other.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) address: &'static str,
    pub(crate) mac: &'static str,
}

/// What both nodes have in common.
pub(crate) struct Machine {
    pub(crate) kernel: String,
    /// MB of memory.
    pub(crate) memory: u32,
    /// Folders that lie over its root.
    pub(crate) trees: Vec<PathBuf>,
    /// Modules to load, beside that of the card.
    pub(crate) load: &'static [&'static str],
    /// After so long it is switched off.
    pub(crate) timeout: Duration,
}

/// The nodes; in a Swarm the first is the manager.
pub(crate) const NODES: [Plan; 2] = [
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
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) address: &'static str,
    remote: Remote,
    /// Seconds that the guest's clock is ahead of ours.
    ahead: f64,
}

impl Node {
    /// Starts the machine; [`Node::ready`] waits for it.
    fn boot(ctx: &Ctx, plan: &Plan, wire: UnixStream, machine: &Machine) -> Result<Self> {
        let load = ["virtio_net"].iter().chain(machine.load);
        let job = vm::Job {
            kernel: machine.kernel.clone(),
            memory: machine.memory,
            cpus: 1,
            timeout: machine.timeout,
            name: plan.name.to_owned(),
            trees: machine.trees.clone(),
            load: load.map(|name| (*name).to_owned()).collect(),
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
    pub(crate) fn ready(&mut self) -> Result<()> {
        self.remote.ready()?;
        self.compare_clocks()
    }

    /// Finds out how far the guest's clock is ahead.
    pub(crate) fn compare_clocks(&mut self) -> Result<()> {
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
    pub(crate) fn our_time(&self, theirs: f64) -> f64 {
        theirs - self.ahead
    }

    /// Runs a script as [`Remote::sh`] does.
    pub(crate) fn sh(&mut self, script: &str) -> Result<String> {
        self.remote.sh(script)
    }

    /// Runs a script as [`Remote::run`] does.
    pub(crate) fn run(&mut self, script: &str, limit: Duration) -> Result<(u8, String)> {
        self.remote.run(script, limit)
    }
}

/// Boots both nodes with a wire between them, which records to `tape`.
pub(crate) fn boot(ctx: &Ctx, machine: &Machine, tape: &Path) -> Result<([Node; 2], Wire)> {
    let (wire, [first, second]) = Wire::new(tape)?;
    let nodes = [
        Node::boot(ctx, &NODES[0], first, machine)?,
        Node::boot(ctx, &NODES[1], second, machine)?,
    ];
    Ok((nodes, wire))
}

/// Does the same on both nodes at once.
pub(crate) fn both<T: Send>(
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
