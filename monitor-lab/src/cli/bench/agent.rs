//! `bench agent`: what the agent's own process takes.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use monitor_lab::Lab;

use super::cases::DEFAULT;
use super::packets::{self, Family};
use super::pin;
use super::programs::{Programs, Variety};
use super::progress::Progress;
use super::report::{Part, Row, Unit};
use super::watcher::{Setup, Watcher};
use crate::cli::demo::metrics;

/// How much of it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each starts the agent anew.
    pub(super) runs: u32,
    /// The monitor's program.
    pub(super) monitor: PathBuf,
}

/// Not 4789, which the lab's own VXLAN devices listen on.
const PORT: u16 = 8472;
/// Each round ends with one scrape after another; their mean is the round's.
const SCRAPES: u32 = 3;

/// How many VNIs the agent has seen when it is measured, and the goals: milliseconds and MiB at most.
const LOADS: &[(u32, Option<f64>, Option<f64>)] =
    &[(1024, None, Some(30.0)), (16_384, Some(100.0), None)];

#[derive(Default)]
struct Series {
    scrape_ms: Vec<f64>,
    memory_mib: Vec<f64>,
}

/// Measures.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let setup = Setup {
        monitor: plan.monitor.clone(),
        port: PORT,
    };
    let lab = Lab::builder().quiet(true).build()?;
    lab.node2().run("ethtool", &["-K", "eth0", "gro", "on"])?;
    let ifindex = super::ifindex(lab.node1())?;
    let frame = packets::vxlan(Family::V4, PORT, 18);
    let mut programs = Programs::load()?;
    let mut all: Vec<Series> = LOADS.iter().map(|_| Series::default()).collect();
    let mut progress = Progress::new("the agent itself", plan.runs);
    for _ in 0..plan.runs {
        for ((vnis, ..), series) in LOADS.iter().zip(&mut all) {
            let watching =
                setup.start(Watcher::Monitor("tc", DEFAULT), lab.node2(), &mut programs)?;
            let variety = Variety {
                flows: *vnis,
                vnis: *vnis,
            };
            lab.node1().enter(|| {
                pin::to_one_cpu()?;
                // So many that none is left out.
                programs.send(&frame, variety, ifindex, vnis * 20)
            })??;
            let start = Instant::now();
            for _ in 0..SCRAPES {
                let page = metrics::get(lab.node2(), "/metrics")?;
                let rows = page.lines().filter(|line| {
                    line.starts_with("overlay_packets_total{")
                        && line.contains("encapsulation=\"vxlan\"")
                });
                let rows = rows.count();
                anyhow::ensure!(
                    rows >= *vnis as usize,
                    "the page has {rows} networks, and {vnis} were sent"
                );
            }
            let took = start.elapsed().as_secs_f64() * 1e3;
            series.scrape_ms.push(took / f64::from(SCRAPES));
            series
                .memory_mib
                .push(memory_mib(watching.process_id().context("no process")?)?);
            watching.stop()?;
        }
        progress.step();
    }
    let mut rows = Vec::new();
    for ((vnis, scrape, memory), series) in LOADS.iter().zip(&all) {
        let labels = |what: &str| {
            let case = format!("{what}, {vnis} VNIs seen");
            (case, "TCX", DEFAULT.label.to_owned())
        };
        rows.push(Row::value(
            labels("one scrape, ms"),
            &series.scrape_ms,
            *scrape,
        ));
        rows.push(Row::value(
            labels("memory (RSS), MiB"),
            &series.memory_mib,
            *memory,
        ));
    }
    Ok(Part {
        name: "agent",
        title: "The agent itself",
        method: format!(
            "What `overlay-monitor run` takes itself, in {} rounds: time until a page of /metrics is read whole \
             (mean of {SCRAPES}), and its resident memory after that. Maps in the kernel are not in it.",
            plan.runs
        ),
        unit: Unit::Value,
        rows,
    })
}

pub(super) fn memory_mib(process: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    rss_mib(&status).context("the kernel tells no VmRSS")
}

fn rss_mib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_as_the_kernel_prints_it() {
        assert_eq!(rss_mib("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2.0));
        assert_eq!(rss_mib("Name:\tx\n"), None);
    }
}
