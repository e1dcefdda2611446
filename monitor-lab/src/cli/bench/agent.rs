//! `bench agent`: time of a scrape, and memory of the agent.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use monitor_lab::{Host, Lab};

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
    /// Only numbers of VNIs whose name, such as `1024 VNIs seen`, contains this.
    pub(super) only: Option<String>,
}

impl Plan {
    fn loads(&self) -> Vec<Load> {
        let only = self.only.as_deref().unwrap_or_default();
        let wanted = |(vnis, ..): &&Load| format!("{vnis} VNIs seen").contains(only);
        LOADS.iter().filter(wanted).copied().collect()
    }

    /// How long it takes on a quiet machine.
    pub(super) fn expected(&self) -> Duration {
        /// Of a round.
        const ROUND: Duration = Duration::from_secs(9);
        ROUND * self.runs
    }
}

/// UDP port of the frames. Not 4789, on which the lab's VXLAN devices receive.
const PORT: u16 = 8472;
/// Scrapes in each round; their mean is its result.
const SCRAPES: u32 = 3;
/// After the last packet the agent has settled all flows in this time.
const SETTLED: Duration = Duration::from_secs(3);

/// Number of VNIs that the agent has counted, and the goals: at most so many milliseconds and MiB.
const LOADS: &[Load] = &[(1024, None, Some(30.0)), (16_384, Some(10.0), None)];
type Load = (u32, Option<f64>, Option<f64>);

#[derive(Default)]
struct Series {
    busy_ms: Vec<f64>,
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
    let loads = plan.loads();
    let mut all: Vec<Series> = loads.iter().map(|_| Series::default()).collect();
    let mut progress = Progress::new("the agent itself", plan.runs);
    for _ in 0..plan.runs {
        for ((vnis, ..), series) in loads.iter().zip(&mut all) {
            let watching =
                setup.start(Watcher::Monitor("tc", DEFAULT), lab.node2(), &mut programs)?;
            let variety = Variety::at_random(*vnis, *vnis);
            lab.node1().enter(|| {
                pin::to_one_cpu()?;
                // 20 frames for each VNI, so that none is left out.
                programs.send(&frame, variety, ifindex, vnis * 20)
            })??;
            series.busy_ms.push(scrape(lab.node2(), *vnis)?);
            thread::sleep(SETTLED);
            series.scrape_ms.push(scrape(lab.node2(), *vnis)?);
            series.memory_mib.push(memory::resident_mib(
                watching.process_id().context("the agent has no process")?,
            )?);
            watching.stop()?;
        }
        progress.step();
    }
    let mut rows = Vec::new();
    for ((vnis, scrape, memory), series) in loads.iter().zip(&all) {
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
            labels("one scrape right after the first packets, ms"),
            &series.busy_ms,
            None,
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
             (mean of {SCRAPES}), {} s after the last packet, and right after the first packets of all networks, while the \
             agent gives verdicts on their flows; and resident memory after that, without the kernel's maps.",
            plan.runs,
            SETTLED.as_secs()
        ),
        unit: Unit::Value,
        rows,
    })
}

/// Milliseconds of a scrape of the agent on a host, which has counted so many networks.
fn scrape(host: &Host, vnis: u32) -> anyhow::Result<f64> {
    let start = Instant::now();
    for _ in 0..SCRAPES {
        let page = agent_metrics::get(host, "/metrics")?;
        // Of most networks only the sum has a series.
        let rows = agent_metrics::value(&page, "overlay_map_entries{map=\"counters\"}")
            .context("/metrics does not have the entries of COUNTERS")?;
        anyhow::ensure!(
            rows >= u64::from(vnis),
            "{rows} networks are counted, but frames of {vnis} were sent"
        );
    }
    Ok(start.elapsed().as_secs_f64() * 1e3 / f64::from(SCRAPES))
}
