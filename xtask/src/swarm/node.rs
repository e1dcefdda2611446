//! A node: a virtual machine that runs the scripts we send it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::paths::Ctx;
use crate::proc::printable;
use crate::vm;

/// Default time that a script may take: emulation is slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// Until the guest answers.
const BOOT: Duration = Duration::from_secs(180);
/// What a node keeps of a script's output.
const PRINTED: usize = 4 << 20;

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
    control: BufReader<UnixStream>,
    machine: Option<JoinHandle<Result<u8>>>,
    scripts: u64,
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
        let (control, guest) = UnixStream::pair().context("cannot make a socket pair")?;
        let script = include_str!("node.sh");
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
            control: Some(Arc::new(guest)),
            ..vm::Job::new(&ctx.root, &["/bin/sh", "-c", script])
        };
        let ctx = ctx.clone();
        // The kernel ends QEMU when this thread ends. It owns the job, and with
        // it our copies of QEMU's ends: when both are gone we read the end.
        let machine = std::thread::spawn(move || vm::run(&ctx, &job, &mut std::io::stderr()));
        Ok(Self {
            name: plan.name,
            address: plan.address,
            control: BufReader::new(control),
            machine: Some(machine),
            scripts: 0,
            ahead: 0.0,
        })
    }

    /// Waits until the guest takes scripts, and compares the clocks.
    pub(super) fn ready(&mut self) -> Result<()> {
        let end = Instant::now() + BOOT;
        let mut line = Vec::new();
        if !self.line(&mut line, end)? || line != b"ready\n" {
            bail!("{} did not come up", self.name);
        }
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

    /// Runs a script of bash and returns what it printed, both streams
    /// together; an error if its exit code is not 0.
    pub(super) fn sh(&mut self, script: &str) -> Result<String> {
        let (code, text) = self.run(script, PATIENCE)?;
        if code != 0 {
            let first = script.trim().lines().next().unwrap_or_default();
            bail!(
                "on {} `{first}` ended with {code}: {}",
                self.name,
                printable(text.trim())
            );
        }
        Ok(text)
    }

    /// Runs a script; its exit code and what it printed.
    pub(super) fn run(&mut self, script: &str, limit: Duration) -> Result<(u8, String)> {
        self.scripts += 1;
        let end = format!("--- {} of {} ---", self.scripts, std::process::id());
        let message = format!("{end}\n{}\n{end}\n", script.trim_end());
        self.control
            .get_mut()
            .write_all(message.as_bytes())
            .with_context(|| format!("{} is gone", self.name))?;
        let deadline = Instant::now() + limit;
        let mut text = Vec::new();
        loop {
            let start = text.len();
            if !self.line(&mut text, deadline)? {
                bail!("{} went off", self.name);
            }
            let last = String::from_utf8_lossy(&text[start..]);
            if let Some(code) = last.strip_prefix(&end) {
                let code = code.trim().parse().unwrap_or(u8::MAX);
                // The newline before the end is ours.
                text.truncate(start.saturating_sub(1));
                return Ok((code, String::from_utf8_lossy(&text).into_owned()));
            }
            if text.len() > PRINTED {
                bail!("a script on {} printed too much", self.name);
            }
        }
    }

    /// Appends one line; false at the end of the port.
    fn line(&mut self, text: &mut Vec<u8>, deadline: Instant) -> Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("{} did not answer in time", self.name);
            }
            self.control.get_ref().set_read_timeout(Some(left))?;
            match self.control.read_until(b'\n', text) {
                Ok(0) => return Ok(false),
                Ok(_) if text.last() == Some(&b'\n') => return Ok(true),
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock
                            | std::io::ErrorKind::TimedOut
                            | std::io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error).with_context(|| format!("{} is gone", self.name)),
            }
        }
    }
}

impl Drop for Node {
    /// Switches the machine off.
    fn drop(&mut self) {
        self.control.get_mut().write_all(b"off\n").ok();
        let end = Instant::now() + Duration::from_secs(10);
        while let Some(machine) = &self.machine {
            if machine.is_finished() || Instant::now() > end {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
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
