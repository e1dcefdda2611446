//! `bench agent`: time of a scrape, and memory of the agent.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use monitor_lab::Lab;

use super::cases::DEFAULT;
use super::packets::{self, Family};
use super::programs::{Programs, Variety, wire_ifindex};
use super::report::{Part, Row, Unit};
use super::watcher::{Setup, Watcher};
use super::{memory, pin};
use crate::cli::agent_metrics;
use crate::cli::progress::Progress;

/// Options.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each starts a new agent.
    pub(super) runs: u32,
    /// Path of overlay-monitor.
    pub(super) monitor: PathBuf,
}

/// UDP port of the frames. Not 4789, on which the lab's VXLAN devices receive.
const PORT: u16 = 8472;
/// Scrapes in each round; their mean is its result.
const SCRAPES: u32 = 3;

/// Number of VNIs that the agent has counted, and the goals: at most so many milliseconds and MiB.
const LOADS: &[(u32, Option<f64>, Option<f64>)] =
    &[(1024, None, Some(30.0)), (16_384, Some(10.0), None)];

#[derive(Default)]
struct Series {
    scrape_ms: Vec<f64>,
    memory_mib: Vec<f64>,
}

/// Runs the benchmark.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let setup = Setup {
        monitor: plan.monitor.clone(),
        port: PORT,
    };
    let lab = Lab::builder().quiet(true).build()?;
    lab.node2().run("ethtool", &["-K", "eth0", "gro", "on"])?;
    let ifindex = wire_ifindex(lab.node1())?;
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
                // 20 frames for each VNI, so that none is left out.
                programs.send(&frame, variety, ifindex, vnis * 20)
            })??;
            let start = Instant::now();
            for _ in 0..SCRAPES {
                let page = agent_metrics::get(lab.node2(), "/metrics")?;
                // Of most networks only the sum has a series.
                let rows = agent_metrics::value(&page, "overlay_map_entries{map=\"counters\"}")
                    .context("/metrics does not have the entries of COUNTERS")?;
                anyhow::ensure!(
                    rows >= u64::from(*vnis),
                    "{rows} networks are counted, but frames of {vnis} were sent"
                );
            }
            let took = start.elapsed().as_secs_f64() * 1e3;
            series.scrape_ms.push(took / f64::from(SCRAPES));
            series.memory_mib.push(memory::resident_mib(
                watching.process_id().context("the agent has no process")?,
            )?);
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
            "Time and memory of the process `overlay-monitor run`, in {} rounds: time until /metrics is read completely \
             (mean of {SCRAPES}), and resident memory after that, without the kernel's maps.",
            plan.runs
        ),
        unit: Unit::Value,
        rows,
    })
}
