//! Who watches the wire while something is measured: the monitor, others for comparison, or nobody.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use monitor_lab::{Host, Process};

use super::cases::Features;
use super::programs::{Hook, Link, Programs};
use crate::cli::demo::metrics;

/// How long a program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// The interface that is watched.
const INTERFACE: &str = "eth0";

/// One way to watch.
#[derive(Clone, Copy)]
pub(super) enum Watcher {
    /// Nothing is attached.
    Nobody,
    /// An empty program of ours.
    Empty(Hook),
    /// `overlay-monitor run`, with this `--hook`.
    Monitor(&'static str, Features),
    /// `tcpdump -w`.
    Tcpdump,
    /// A set of nftables that counts by VNI.
    Nftables,
}

impl Watcher {
    /// Who, at which hook, doing what.
    pub(super) fn labels(&self) -> (String, &'static str, String) {
        let (who, hook, what) = match self {
            Watcher::Nobody => ("nobody", "", ""),
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

    /// Whether it has a process of its own while it watches.
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

/// What watchers need to know.
pub(super) struct Setup {
    /// The monitor's program.
    pub(super) monitor: PathBuf,
    /// UDP port of VXLAN.
    pub(super) port: u16,
}

/// A watcher at work. Dropping it ends it.
pub(super) struct Watching<'a> {
    host: &'a Host,
    watcher: Watcher,
    process: Option<Process>,
    /// What a program says on standard error, all of it, when it has ended.
    said: Option<JoinHandle<String>>,
    _link: Option<Link>,
}

impl Setup {
    /// Starts watching what a host receives; when it returns, every packet is seen.
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
            said: None,
            _link: None,
        };
        match watcher {
            Watcher::Nobody => {}
            Watcher::Empty(hook) => {
                let link = host.enter(|| programs.attach_floor(hook, INTERFACE))??;
                watching._link = Some(link);
            }
            Watcher::Monitor(hook, features) => self.monitor(&mut watching, hook, features)?,
            Watcher::Tcpdump => self.tcpdump(&mut watching)?,
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

    fn monitor(
        &self,
        watching: &mut Watching<'_>,
        hook: &str,
        features: Features,
    ) -> anyhow::Result<()> {
        let host = watching.host;
        let mut command = host.command(&self.monitor.to_string_lossy())?;
        command
            .args(["run", "-i", INTERFACE, "--hook", hook])
            .args(["--listen", &metrics::ADDRESS.to_string()])
            .args(["--vxlan-port", &self.port.to_string()])
            .args(features.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = host.spawn(command)?;
        let (said, _first) = listen(&mut process)?;
        let end = Instant::now() + PATIENCE;
        while let Err(error) = metrics::get(host, "/healthz") {
            if process.child.try_wait()?.is_some() {
                bail!(
                    "overlay-monitor run ended early: {}",
                    said.join().unwrap_or_default()
                );
            }
            if Instant::now() > end {
                return Err(error.context("overlay-monitor run does not answer"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        watching.process = Some(process);
        watching.said = Some(said);
        Ok(())
    }

    fn tcpdump(&self, watching: &mut Watching<'_>) -> anyhow::Result<()> {
        let host = watching.host;
        let mut command = host.command("tcpdump")?;
        command
            .args(["-i", INTERFACE, "-n", "-Q", "in", "-Z", "root"])
            .args(["-w", "/dev/null", "udp", "port", &self.port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = host.spawn(command)?;
        let (said, first) = listen(&mut process)?;
        let line = first
            .recv_timeout(PATIENCE)
            .context("tcpdump does not say that it listens")?;
        if !line.contains("listening on") {
            bail!("tcpdump does not listen: {line}");
        }
        watching.process = Some(process);
        watching.said = Some(said);
        Ok(())
    }
}

impl Watching<'_> {
    /// VXLAN packets counted so far among those received, by those that can tell at any time.
    pub(super) fn counted(&self) -> anyhow::Result<Option<u64>> {
        match self.watcher {
            Watcher::Monitor(..) => Ok(Some(metrics::scrape(self.host)?.vxlan.rx_packets)),
            Watcher::Nobody | Watcher::Empty(_) | Watcher::Tcpdump | Watcher::Nftables => Ok(None),
        }
    }

    /// The number of its process, if it has one.
    pub(super) fn process_id(&self) -> Option<u32> {
        Some(self.process.as_ref()?.child.id())
    }

    /// CPU time that its process has used so far, to the nanosecond.
    pub(super) fn cpu(&self) -> Duration {
        let Some(process) = &self.process else {
            return Duration::ZERO;
        };
        let tasks = std::fs::read_dir(format!("/proc/{}/task", process.child.id()));
        let times = tasks.into_iter().flatten().flatten().filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(times.sum())
    }

    /// Ends it. Gives what it had to say of packets that it lost, if it says so.
    pub(super) fn stop(mut self) -> anyhow::Result<Option<Lost>> {
        if let Watcher::Nftables = self.watcher {
            self.host.run("nft", &["delete table netdev bench"])?;
        }
        let Some(mut process) = self.process.take() else {
            return Ok(None);
        };
        process
            .stop(PATIENCE)
            .with_context(|| format!("ending {}", process.name()))?;
        let said = self.said.take().map(JoinHandle::join);
        let said = said.and_then(Result::ok).unwrap_or_default();
        Ok(match self.watcher {
            Watcher::Tcpdump => Lost::parse(&said),
            _ => None,
        })
    }
}

/// What tcpdump says of itself at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// Packets that it was given.
    pub(super) received: u64,
    /// Packets that it had no room for.
    pub(super) dropped: u64,
}

impl Lost {
    fn parse(said: &str) -> Option<Lost> {
        let number = |what: &str| {
            let line = said.lines().find(|line| line.ends_with(what))?;
            line.split(' ').next()?.parse().ok()
        };
        Some(Lost {
            received: number("received by filter")?,
            dropped: number("dropped by kernel")?,
        })
    }
}

/// Reads a program's standard error to its end, the last 64 lines of it; hands on the first line.
fn listen(process: &mut Process) -> anyhow::Result<(JoinHandle<String>, mpsc::Receiver<String>)> {
    let errors = process.child.stderr.take().context("no error output")?;
    let (first, receiver) = mpsc::sync_channel(1);
    let reader = thread::spawn(move || {
        let mut all: Vec<String> = Vec::new();
        for line in BufReader::new(errors).lines().map_while(Result::ok) {
            let _ = first.try_send(line.clone());
            if all.len() == 64 {
                all.remove(0);
            }
            all.push(line);
        }
        all.join("\n")
    });
    Ok((reader, receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tcpdump_says_at_its_end() {
        let said = "tcpdump: listening on eth0\n5 packets captured\n12 packets received by filter\n7 packets dropped by kernel";
        let lost = Lost {
            received: 12,
            dropped: 7,
        };
        assert_eq!(Lost::parse(said), Some(lost));
        assert_eq!(Lost::parse("tcpdump: no such device"), None);
    }
}
