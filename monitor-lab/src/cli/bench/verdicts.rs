//! `bench agent`, second part: CPU time of the agent while flows begin, and what their packets are counted under.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use monitor_lab::Lab;

use super::cases::DEFAULT;
use super::new_flows::{self, NewFlows, Rate, Sent, TICK, VNIS};
use super::programs::Programs;
use super::report::{Part, Row, Unit};
use super::watcher::{Setup, Watcher, Watching};
use crate::cli::agent_metrics;
use crate::cli::progress::Progress;

/// Options.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each starts an agent for each rate.
    pub(super) runs: u32,
    /// Path of overlay-monitor.
    pub(super) monitor: PathBuf,
    /// Only rates whose name, such as `1000 new flows/s of 3 packets`, contains this.
    pub(super) only: Option<String>,
}

/// UDP port of the frames. Not 4789, on which the lab's VXLAN devices receive.
const PORT: u16 = 8472;
/// How long flows begin, after as many end as begin.
const SECONDS: u32 = 3;
/// After the last packet the agent has looked at all flows once in this time.
const SETTLED: Duration = Duration::from_secs(3);
/// An agent that has started is given this time to become idle.
const IDLE: Duration = Duration::from_secs(1);
/// The goal: at most so many percent of a core at [`GOAL_RATE`].
const GOAL: f64 = 1.0;
const GOAL_RATE: u32 = 1000;

/// What is sent. Flows of 100 packets at more than 1,000 a second are more packets than a machine of two CPUs can send.
const RATES: &[Rate] = &[
    Rate::new(1000, 3),
    Rate::new(1000, 10),
    Rate::new(1000, 100),
    Rate::new(10_000, 3),
    Rate::new(10_000, 10),
    Rate::new(50_000, 3),
    Rate::new(50_000, 10),
];

impl Plan {
    fn rates(&self) -> Vec<Rate> {
        let wanted = |rate: &&Rate| {
            let only = self.only.as_deref().unwrap_or_default();
            rate.to_string().contains(only)
        };
        RATES.iter().filter(wanted).copied().collect()
    }

    /// How long it takes on a quiet machine.
    pub(super) fn expected(&self) -> Duration {
        /// Start and end of an agent.
        const START: Duration = Duration::from_millis(700);
        let idle = IDLE + Duration::from_secs(SECONDS.into()) + START;
        let rates = self.rates();
        let each = rates
            .iter()
            .map(|rate| idle + SETTLED + TICK * (2 * rate.packets));
        (each.sum::<Duration>() + idle) * self.runs
    }
}

/// The measurements of a rate.
#[derive(Default)]
struct Series {
    /// CPU time of the agent in percent of a core.
    cpu: Vec<f64>,
    /// Percent of the packets under a verdict, pending, and unknown.
    shares: [Vec<f64>; 3],
}

/// Runs the benchmark.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let setup = Setup {
        monitor: plan.monitor.clone(),
        port: PORT,
    };
    let lab = Lab::builder().quiet(true).build()?;
    let mut programs = Programs::load()?;
    let mut flows = NewFlows::new(lab.node1(), PORT)?;
    let mut idle = Vec::new();
    let rates = plan.rates();
    let mut all: Vec<Series> = rates.iter().map(|_| Series::default()).collect();
    let mut late = 0;
    let mut progress = Progress::new("verdicts on new flows", plan.runs);
    for _ in 0..plan.runs {
        let mut start = || {
            let watching = setup.start(Watcher::Monitor("tc", DEFAULT), lab.node2(), &mut programs);
            thread::sleep(IDLE);
            watching
        };
        let watching = start()?;
        let mut cpu = CpuUse::default();
        cpu.read(&watching);
        thread::sleep(Duration::from_secs(SECONDS.into()));
        cpu.read(&watching);
        idle.push(cpu.percent());
        watching.stop()?;
        for (rate, series) in rates.iter().zip(&mut all) {
            let watching = start()?;
            let sent = series.measure(*rate, &lab, &mut flows, &watching)?;
            late += u32::from(!sent.in_time);
            watching.stop()?;
        }
        progress.step();
    }
    Ok(Part {
        name: "verdicts",
        title: "Verdicts on new flows",
        method: format!(
            "CPU time of the process `overlay-monitor run`, in percent of one core, while TCP flows begin at a given rate \
             in {VNIS} networks, for {SECONDS} s after as many end as begin, in {} rounds. A flow is SYN, a request of \
             HTTP, its body, FIN: its packets are {} ms apart, sent by a packet socket through a veth pair. Then the share \
             of their packets that is counted under a verdict (as sampled, or credited with it), is pending, or is \
             unknown, {} s after the last one. Every packet is counted in one of the three. {late} of {} measurements are \
             left out because the machine could not send at that rate. One core sends; the agent has the others, and \
             shares that one.",
            plan.runs,
            TICK.as_millis(),
            SETTLED.as_secs(),
            plan.runs as usize * rates.len(),
        ),
        unit: Unit::Value,
        rows: rows(&idle, &rates, &all),
    })
}

impl Series {
    fn measure(
        &mut self,
        rate: Rate,
        lab: &Lab,
        flows: &mut NewFlows,
        watching: &Watching<'_>,
    ) -> anyhow::Result<Sent> {
        let mut cpu = CpuUse::default();
        let sent = new_flows::on_one_cpu(|| {
            flows.send(rate, SECONDS, || {
                cpu.read(watching);
                Ok(())
            })
        })?;
        if !sent.in_time {
            return Ok(sent);
        }
        self.cpu.push(cpu.percent());
        thread::sleep(SETTLED);
        let page = agent_metrics::get(lab.node2(), "/metrics")?;
        let exposed = |unknown| {
            agent_metrics::sum(&page, "overlay_exposure_packets_total", |labels| {
                labels.contains("direction=\"rx\"")
                    && labels.contains("exposure=\"unknown\"") == unknown
            })
        };
        let pending = agent_metrics::sum(&page, "overlay_exposure_pending_packets", |_| true);
        let counts = [exposed(false), pending, exposed(true)];
        let counted: u64 = counts.iter().sum();
        anyhow::ensure!(
            counted == sent.frames,
            "{} packets were sent, and {counted} are counted: {counts:?}",
            sent.frames
        );
        for (shares, count) in self.shares.iter_mut().zip(counts) {
            shares.push(100.0 * count as f64 / counted as f64);
        }
        Ok(sent)
    }
}

/// CPU time of a process between two readings.
#[derive(Default)]
struct CpuUse(Vec<(Instant, Duration)>);

impl CpuUse {
    fn read(&mut self, watching: &Watching<'_>) {
        self.0.push((Instant::now(), watching.cpu()));
    }

    /// In percent of a core; 0 without two readings.
    fn percent(&self) -> f64 {
        let [first, .., last] = self.0.as_slice() else {
            return 0.0;
        };
        100.0 * (last.1 - first.1).as_secs_f64() / (last.0 - first.0).as_secs_f64()
    }
}

fn rows(idle: &[f64], rates: &[Rate], all: &[Series]) -> Vec<Row> {
    let labels = |what: String| (what, "TCX", DEFAULT.label.to_owned());
    let mut rows = vec![Row::value(
        labels("agent's CPU, % of a core, no packets".to_owned()),
        idle,
        Some(GOAL),
    )];
    let measured = rates.iter().zip(all);
    for (rate, series) in measured.filter(|(_, series)| !series.cpu.is_empty()) {
        let goal = (rate.flows == GOAL_RATE).then_some(GOAL);
        rows.push(Row::value(
            labels(format!("agent's CPU, % of a core, {rate}")),
            &series.cpu,
            goal,
        ));
        let names = ["under a verdict", "pending", "unknown"];
        for (name, shares) in names.into_iter().zip(&series.shares) {
            let what = format!("packets {name}, %, {rate}");
            rows.push(Row::value(labels(what), shares, None));
        }
    }
    rows
}
