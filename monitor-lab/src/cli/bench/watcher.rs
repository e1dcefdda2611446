//! What watches the wire during a measurement: nothing, the monitor, or another program for comparison.

use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use monitor_lab::{Host, Process};

use super::cases::Features;
use super::cpu;
use super::programs::{Hook, Link, Programs};
use crate::cli::agent_metrics;
use crate::cli::child_output::{Errors, Kept};
use crate::cli::monitor_program::start_run;

/// How long a program may take to start or to exit.
const PATIENCE: Duration = Duration::from_secs(30);
/// The interface that is watched.
const INTERFACE: &str = "eth0";

/// What is attached to the interface.
#[derive(Clone, Copy)]
pub(super) enum Watcher {
    /// Nothing.
    Nothing,
    /// An empty kernel program.
    Empty(Hook),
    /// `overlay-monitor run`, with this `--hook`.
    Monitor(&'static str, Features),
    /// `tcpdump -w`.
    Tcpdump,
    /// An nftables set that counts by VNI.
    Nftables,
}

impl Watcher {
    /// For tables: name, hook and features.
    pub(super) fn labels(&self) -> (String, &'static str, String) {
        let (who, hook, what) = match self {
            Watcher::Nothing => ("nothing", "", ""),
            Watcher::Empty(hook) => ("an empty program", hook_label(*hook), "nothing"),
            Watcher::Monitor(hook, features) => {
                let hook = if *hook == "xdp" { "XDP" } else { "TCX" };
                ("overlay-monitor run", hook, features.label)
            }
            Watcher::Tcpdump => ("tcpdump -w /dev/null", "socket", "keeps whole packets"),
            Watcher::Nftables => ("an nftables set", "ingress", "counts by VNI"),
        };
        (who.to_owned(), hook, what.to_owned())
    }

    /// Its name, if the monitor is to cost less.
    pub(super) const fn must_be_beaten(&self) -> Option<&'static str> {
        match self {
            Watcher::Nftables => Some("nftables"),
            Watcher::Tcpdump => Some("tcpdump"),
            Watcher::Nothing | Watcher::Empty(_) | Watcher::Monitor(..) => None,
        }
    }

    /// Whether it is a process, whose CPU time can be measured.
    pub(super) const fn is_process(&self) -> bool {
        matches!(self, Watcher::Monitor(..) | Watcher::Tcpdump)
    }
}

const fn hook_label(hook: Hook) -> &'static str {
    match hook {
        Hook::Xdp | Hook::XdpFrags => "XDP",
        Hook::Tc => "TCX",
    }
}

/// What all watchers of a benchmark have in common.
pub(super) struct Setup {
    /// Path of overlay-monitor.
    pub(super) monitor: PathBuf,
    /// UDP port of VXLAN on the wire.
    pub(super) port: u16,
}

/// A watcher that is attached. It is detached when this is dropped.
pub(super) struct Watching<'a> {
    host: &'a Host,
    watcher: Watcher,
    process: Option<Process>,
    /// Standard error of tcpdump.
    errors: Option<Kept>,
    _link: Option<Link>,
}

impl Setup {
    /// Attaches a watcher to the interface of a host. When this returns, it sees every received packet.
    pub(super) fn start<'a>(
        &self,
        watcher: Watcher,
        host: &'a Host,
        programs: &mut Programs,
    ) -> anyhow::Result<Watching<'a>> {
        let mut watching = Watching {
            host,
            watcher,
            process: None,
            errors: None,
            _link: None,
        };
        match watcher {
            Watcher::Nothing => {}
            Watcher::Empty(hook) => {
                let link = host.enter(|| programs.attach_floor(hook, INTERFACE))??;
                watching._link = Some(link);
            }
            Watcher::Monitor(hook, features) => {
                let port = self.port.to_string();
                let mut arguments = vec!["--hook", hook, "--vxlan-port", &port];
                arguments.extend(features.arguments);
                watching.process = Some(start_run(&self.monitor, host, INTERFACE, &arguments)?);
            }
            Watcher::Tcpdump => self.start_tcpdump(&mut watching)?,
            Watcher::Nftables => {
                let port = self.port;
                let table = format!(
                    "table netdev bench {{ set vnis {{ typeof @th,96,24; flags dynamic; size 65536; counter; }}\n\
                     chain wire {{ type filter hook ingress device {INTERFACE} priority 0; \
                     udp dport {port} update @vnis {{ @th,96,24 }}; }}\n}}"
                );
                host.run("nft", &[&table])?;
            }
        }
        Ok(watching)
    }

    fn start_tcpdump(&self, watching: &mut Watching<'_>) -> anyhow::Result<()> {
        let host = watching.host;
        let mut command = host.command("tcpdump")?;
        command
            .args(["-i", INTERFACE, "-n", "-Q", "in", "-Z", "root"])
            .args(["-w", "/dev/null", "udp", "port", &self.port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = host.spawn(command)?;
        let is_capturing = |line: &str| line.contains("listening on");
        let errors = Errors::of(&mut process)?;
        watching.errors = Some(errors.wait_for("tcpdump", PATIENCE, is_capturing)?);
        watching.process = Some(process);
        Ok(())
    }
}

impl Watching<'_> {
    /// Received VXLAN packets that it has counted so far. Only the monitor's count can be read while it runs.
    pub(super) fn counted(&self) -> anyhow::Result<Option<u64>> {
        match self.watcher {
            Watcher::Monitor(..) => Ok(Some(agent_metrics::scrape(self.host)?.vxlan.rx_packets)),
            Watcher::Nothing | Watcher::Empty(_) | Watcher::Tcpdump | Watcher::Nftables => Ok(None),
        }
    }

    /// Sends packets of all flows, once, and where verdicts are given again until each flow has one.
    pub(super) fn until_flows_are_known(
        &self,
        mut send: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        /// After the last packet the agent has credited the flows with a new verdict in this time.
        const CREDITED: Duration = Duration::from_millis(300);
        /// Samples are limited by CPU and network, and an inconclusive flow takes several.
        const ATTEMPTS: u32 = 100;
        let gives_verdicts =
            matches!(self.watcher, Watcher::Monitor(_, features) if features.by_flow);
        send()?;
        if !gives_verdicts {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            thread::sleep(CREDITED);
            let page = agent_metrics::get(self.host, "/metrics")?;
            if agent_metrics::sum(&page, "overlay_exposure_pending_packets", |_| true) == 0 {
                return Ok(());
            }
            send()?;
        }
        bail!("after {ATTEMPTS} attempts some flows still have no verdict")
    }

    /// Its process id, if it is a process.
    pub(super) fn process_id(&self) -> Option<u32> {
        Some(self.process.as_ref()?.child.id())
    }

    /// CPU time of its process so far, with that of threads that have ended; 0 without a process.
    pub(super) fn cpu(&self) -> Duration {
        let Some(process) = &self.process else {
            return Duration::ZERO;
        };
        cpu::of_process(process.child.id())
    }

    /// Detaches it. Returns the losses that tcpdump reports; `None` for the others.
    pub(super) fn stop(mut self) -> anyhow::Result<Option<Lost>> {
        if let Watcher::Nftables = self.watcher {
            self.host.run("nft", &["delete table netdev bench"])?;
        }
        let Some(mut process) = self.process.take() else {
            return Ok(None);
        };
        process
            .stop(PATIENCE)
            .with_context(|| format!("stopping {}", process.name()))?;
        Ok(self
            .errors
            .take()
            .and_then(|errors| Lost::parse(&errors.lines())))
    }
}

/// Losses that tcpdump reports when it exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// Packets that passed its filter.
    pub(super) received: u64,
    /// Packets that did not fit into its buffer.
    pub(super) dropped: u64,
}

impl Lost {
    fn parse(lines: &[String]) -> Option<Lost> {
        let number = |what: &str| {
            let line = lines.iter().find(|line| line.ends_with(what))?;
            line.split(' ').next()?.parse().ok()
        };
        Some(Lost {
            received: number("received by filter")?,
            dropped: number("dropped by kernel")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_read_from_what_tcpdump_prints() {
        let parse = |printed: &str| {
            let lines: Vec<String> = printed.lines().map(str::to_owned).collect();
            Lost::parse(&lines)
        };
        let lost = Lost {
            received: 12,
            dropped: 7,
        };
        let printed = "tcpdump: listening on eth0\n5 packets captured\n12 packets received by filter\n7 packets dropped by kernel";
        assert_eq!(parse(printed), Some(lost));
        assert_eq!(parse("tcpdump: no such device"), None);
    }
}
