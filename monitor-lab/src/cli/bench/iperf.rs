//! `bench iperf`: throughput of an overlay while both nodes are watched.

use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use monitor_lab::{CLIENT, Host, Lab, Process, WEB};
use serde_json::Value;

use super::cases::DEFAULT;
use super::programs::Programs;
use super::report::{Counted, Median, Part, Row, Unit, ratios};
use super::watcher::{Lost, Setup, Watcher, Watching};
use crate::cli::progress::Progress;

/// Options.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each measures every row once.
    pub(super) runs: u32,
    /// Seconds of each measurement.
    pub(super) seconds: u32,
    /// Path of overlay-monitor.
    pub(super) monitor: PathBuf,
}

impl Plan {
    /// How long it takes on a quiet machine.
    pub(super) fn expected(&self) -> Duration {
        /// What a measurement takes beside the traffic.
        const START: f64 = 0.6;
        let others = (WATCHERS.len() - 1) as f64 / OTHERS_EVERY as f64;
        let each = (2 * LOADS.len()) as f64 * (f64::from(self.seconds) + START);
        Duration::from_secs_f64(f64::from(self.runs) * (1.0 + others) * each)
    }
}

/// Watchers, in turn.
const WATCHERS: &[Watcher] = &[
    Watcher::Monitor("tc", DEFAULT),
    Watcher::Monitor("xdp", DEFAULT),
    Watcher::Nftables,
    Watcher::Tcpdump,
];
/// The watcher that is measured in each round. The others are measured in one round of three.
const MEASURED_ALWAYS: usize = 0;
const OTHERS_EVERY: usize = 3;
/// Least rounds, and seconds of each measurement, with which the goal is resolved.
const ENOUGH: (u32, u32) = (21, 3);

/// How long the server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A kind of traffic.
struct Load {
    name: &'static str,
    arguments: &'static [&'static str],
    /// The receiver's rate in iperf3's JSON, in the unit of `name`.
    rate: fn(&Value) -> Option<f64>,
    /// Whether each packet on the wire is one packet in the overlay, so that the two counts can be compared.
    countable: bool,
}

const LOADS: &[Load] = &[
    Load {
        name: "TCP stream, Mbit/s",
        arguments: &[],
        rate: |end| Some(end["sum_received"]["bits_per_second"].as_f64()? / 1e6),
        countable: false,
    },
    Load {
        name: "UDP of 64 bytes, packets/s",
        arguments: &["-u", "-b", "0", "-l", "64"],
        rate: |end| {
            let sum = &end["sum"];
            let arrived = sum["packets"].as_f64()? - sum["lost_packets"].as_f64()?;
            Some(arrived / sum["seconds"].as_f64()?)
        },
        countable: true,
    },
];

/// The measurements of a row: a watcher under a load, and no watcher right before it.
#[derive(Default)]
struct Series {
    unwatched: Vec<f64>,
    rate: Vec<f64>,
    /// CPU time of one watcher in percent of a core.
    cpu: Vec<f64>,
    counted: Counted,
}

/// Runs the benchmark.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let setup = Setup {
        monitor: plan.monitor.clone(),
        port: monitor_common::wire::vxlan::PORT,
    };
    let lab = Lab::builder().build()?;
    let mut programs = Programs::load()?;
    let _server = start_server(lab.container(WEB)?)?;
    let mut series: Vec<Vec<Series>> = WATCHERS
        .iter()
        .map(|_| LOADS.iter().map(|_| Series::default()).collect())
        .collect();
    let mut lost: Vec<Vec<Lost>> = WATCHERS.iter().map(|_| Vec::new()).collect();
    let mut progress = Progress::new("iperf3 over the overlay", plan.runs);
    for round in 0..plan.runs as usize {
        for place in 0..WATCHERS.len() {
            // Each round begins with another watcher, so that none is always first.
            let at = (place + round) % WATCHERS.len();
            if at != MEASURED_ALWAYS && !round.is_multiple_of(OTHERS_EVERY) {
                continue;
            }
            for (load, series) in LOADS.iter().zip(&mut series[at]) {
                let end = run_client(plan, lab.container(CLIENT)?, lab.container(WEB)?, load)?;
                series.unwatched.push(rate(load, &end)?);
            }
            let both = [lab.node1(), lab.node2()]
                .map(|node| setup.start(WATCHERS[at], node, &mut programs));
            let both = both.into_iter().collect::<Result<Vec<_>, _>>()?;
            for (load, series) in LOADS.iter().zip(&mut series[at]) {
                measure(plan, &lab, load, &both, series)?;
            }
            for watching in both {
                lost[at].extend(watching.stop()?);
            }
        }
        progress.step();
    }
    Ok(Part {
        name: "iperf",
        title: "Throughput of an overlay",
        method: format!(
            "Share of the rate that iperf3 measures between two containers in a VXLAN overlay which remains while the \
             interfaces of both nodes are watched: {} interleaved rounds of {} seconds. Each is compared with the rate \
             without a watcher, measured right before. Only the monitor at TCX is measured in each round, the others in \
             one of {OTHERS_EVERY}. Its goal is that no loss can be distinguished from the noise, in {} rounds of {} \
             seconds or more. Sender, receiver, both nodes and all watchers share {} CPUs. Missed: difference between \
             the counts of the VXLAN device and of the watcher of its node; the goal is 0. CPU: time of \
             one watcher's process, in percent of a core. Dropped: packets that tcpdump reports as dropped, under both \
             loads together.",
            plan.runs,
            plan.seconds,
            ENOUGH.0,
            ENOUGH.1,
            thread::available_parallelism().map_or(1, usize::from)
        ),
        unit: Unit::Ratio,
        rows: rows(plan, &series, &lost),
    })
}

fn measure(
    plan: &Plan,
    lab: &Lab,
    load: &Load,
    both: &[Watching<'_>],
    series: &mut Series,
) -> anyhow::Result<()> {
    let server = lab.container(WEB)?;
    let receiver = &lab.overlays()[0].sandboxes()[0];
    let delivered = || quiet(receiver);
    let counted = || both[0].counted();
    let cpu = || both.iter().map(Watching::cpu).sum::<Duration>();
    // Each is read when nothing arrives, so that both are of the same packets.
    let (delivered_before, counted_before) = (delivered()?, counted()?);
    let (cpu_before, start) = (cpu(), Instant::now());
    let end = run_client(plan, lab.container(CLIENT)?, server, load)?;
    let used = (cpu() - cpu_before).as_secs_f64() / both.len() as f64;
    series
        .cpu
        .push(100.0 * used / start.elapsed().as_secs_f64());
    series.rate.push(rate(load, &end)?);
    let delivered = delivered()? - delivered_before;
    if let (true, Some(before), Some(after)) = (load.countable, counted_before, counted()?) {
        series.counted.packets += delivered;
        series.counted.missed += delivered.abs_diff(after - before);
    }
    Ok(())
}

/// Packets that a VXLAN device has delivered so far, read until the number no longer changes.
fn quiet(host: &Host) -> anyhow::Result<u64> {
    const PAUSE: Duration = Duration::from_millis(100);
    let end = Instant::now() + PATIENCE;
    let mut last = host.device_stats("vxlan0")?.rx_packets;
    while Instant::now() < end {
        thread::sleep(PAUSE);
        let now = host.device_stats("vxlan0")?.rx_packets;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    bail!("packets keep arriving although iperf3 has ended")
}

fn rate(load: &Load, end: &Value) -> anyhow::Result<f64> {
    (load.rate)(end).context("the output of iperf3 has no rate")
}

fn rows(plan: &Plan, series: &[Vec<Series>], lost: &[Vec<Lost>]) -> Vec<Row> {
    let is_enough = plan.runs >= ENOUGH.0 && plan.seconds >= ENOUGH.1;
    let mut rows = Vec::new();
    for (at, watcher) in WATCHERS.iter().enumerate() {
        for (number, load) in LOADS.iter().enumerate() {
            let with = &series[at][number];
            let (who, hook, features) = watcher.labels();
            let ours = matches!(watcher, Watcher::Monitor(..));
            let labels = (format!("{who}, {}", load.name), hook, features);
            let kept = ratios(&with.rate, &with.unwatched);
            let row = if at == MEASURED_ALWAYS {
                Row::without_loss(labels, &with.unwatched, &kept, is_enough)
            } else {
                Row::kept(labels, &with.unwatched, &kept, None)
            };
            let mut row = row.with_counted((ours && load.countable).then_some(with.counted));
            row.cpu_percent = watcher.is_process().then(|| Median::of(&with.cpu));
            row.dropped_percent = dropped_percent(&lost[at]);
            rows.push(row);
        }
    }
    rows
}

/// Share of packets that a watcher reports as dropped, in percent, over all loads; `None` if it reports nothing.
fn dropped_percent(lost: &[Lost]) -> Option<f64> {
    let dropped: u64 = lost.iter().map(|lost| lost.dropped).sum();
    let received: u64 = lost.iter().map(|lost| lost.received).sum();
    (received > 0).then(|| 100.0 * dropped as f64 / received as f64)
}

/// Starts the server and waits until it listens.
fn start_server(host: &Host) -> anyhow::Result<Process> {
    let mut command = host.command("iperf3")?;
    command
        .args(["-s", "--forceflush"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = host.spawn(command)?;
    let end = Instant::now() + PATIENCE;
    // Port 5201 and state TCP_LISTEN, in hexadecimal (proc(5), include/net/tcp_states.h).
    let listens = |table: &str| {
        table
            .lines()
            .any(|line| line.contains(":1451 ") && line.contains(" 0A "))
    };
    while !["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"]
        .iter()
        .any(|path| matches!(host.enter(|| std::fs::read_to_string(path)), Ok(Ok(table)) if listens(&table)))
    {
        if Instant::now() > end {
            bail!("iperf3 did not listen within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(process)
}

/// Runs the client to its end; returns the part `end` of its JSON.
fn run_client(plan: &Plan, host: &Host, server: &Host, load: &Load) -> anyhow::Result<Value> {
    let address = server.address().to_string();
    let seconds = plan.seconds.to_string();
    let mut arguments = vec![
        "-J",
        "-c",
        &address,
        "-t",
        &seconds,
        "--connect-timeout",
        "5000",
    ];
    arguments.extend(load.arguments);
    // Several attempts: right after a test the server may still be closing it.
    let mut last = None;
    for _ in 0..5 {
        match host.run("iperf3", &arguments) {
            Ok(text) => {
                let mut all: Value =
                    serde_json::from_str(&text).context("the output of iperf3 is not JSON")?;
                return Ok(all["end"].take());
            }
            Err(error) => last = Some(error),
        }
        thread::sleep(Duration::from_millis(200));
    }
    Err(last.context("iperf3 was not run")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_receiver() {
        let tcp = serde_json::json!({"sum_received": {"bits_per_second": 2.5e9}});
        assert_eq!((LOADS[0].rate)(&tcp), Some(2500.0));
        let udp = serde_json::json!({"sum": {"packets": 300, "lost_packets": 100, "seconds": 2.0}});
        assert_eq!((LOADS[1].rate)(&udp), Some(100.0));
        assert_eq!((LOADS[0].rate)(&serde_json::json!({})), None);
    }

    #[test]
    fn losses_of_all_rounds_are_summed() {
        let lost = |received, dropped| Lost { received, dropped };
        assert_eq!(dropped_percent(&[lost(100, 50), lost(300, 50)]), Some(25.0));
        assert_eq!(dropped_percent(&[]), None);
    }
}
