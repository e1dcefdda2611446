//! Options of `bench encryption`; runs the rounds within their time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use monitor_lab::WIRE_MTU;

use super::load::Load;
use super::measured::Measured;
use super::report::{CostReport, LeftOut, Series, WayFacts};
use super::requests::Clients;
use super::stage::{SetUp, Stage};
use super::way::Way;
use super::{crypto, sizes, streams};
use crate::cli::bench::report::Machine;
use crate::cli::progress::Progress;

/// Programs whose versions matter, with the option that prints it.
const PROGRAMS: &[(&str, &str)] = &[
    ("nginx", "-v"),
    ("openssl", "version"),
    ("redis-server", "--version"),
    ("wg", "--version"),
    ("wrk", "-v"),
];

/// How long is measured again where nothing arrived.
const LONGER: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(40);

/// Options of its own.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::bench) struct Options {
    /// Measure in 3 minutes instead of 15: 3 rounds instead of 7, shorter ones, and only one stream
    #[arg(long)]
    quick: bool,
    /// Milliseconds of each measurement [default: 600, with --quick 300]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(50..=10_000))]
    milliseconds: Option<u64>,
    /// Leave GRO, GSO and TSO of the devices on; then bytes and frames of the wire are not exact
    #[arg(long)]
    offloads: bool,
}

impl Options {
    fn rounds(self) -> u32 {
        if self.quick { 3 } else { 7 }
    }

    fn duration(self) -> Duration {
        let default = if self.quick { 300 } else { 600 };
        Duration::from_millis(self.milliseconds.unwrap_or(default))
    }

    /// No round begins that would end later than this.
    fn limit(self) -> Duration {
        let minutes = if self.quick { 3 } else { 15 };
        Duration::from_secs(60 * minutes)
    }
}

/// Runs the benchmark. `runs` replaces the number of rounds.
pub(in crate::cli::bench) fn run(
    options: Options,
    runs: Option<u32>,
    date: String,
) -> anyhow::Result<CostReport> {
    let start = Instant::now();
    let machine = Machine::of_this_run(date, PROGRAMS);
    let (mut stages, mut ways, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for way in Way::ALL {
        match Stage::build(way, options.offloads)? {
            SetUp::Ready(stage) => {
                ways.push(facts(&stage, options.offloads)?);
                stages.push(*stage);
            }
            SetUp::LeftOut(why) => {
                eprintln!("left out: {}: {why}", way.label());
                left_out.push(LeftOut::new(way, why));
            }
        }
    }
    let rounds = runs.unwrap_or(options.rounds());
    let mut rows: Vec<Series> = Vec::new();
    for load in Load::list(options.quick) {
        let ways = stages.iter().map(|stage| stage.way);
        rows.extend(
            ways.filter(|way| load.applies_to(*way))
                .map(|way| Series::new(way, load)),
        );
    }
    let clients = Clients::new()?;
    let mut progress = Progress::new("ways to cross the wire", rounds);
    let mut longest = Duration::ZERO;
    let mut done = 0;
    for round in 0..rounds as usize {
        if round > 0 && start.elapsed() + longest > options.limit() {
            eprintln!("no time for another round: {done} of {rounds} were measured");
            break;
        }
        let began = Instant::now();
        measure_round(&stages, &mut rows, &clients, options.duration(), round)?;
        longest = longest.max(began.elapsed());
        done += 1;
        progress.step();
    }
    Ok(CostReport {
        schema: 1,
        machine,
        quick: options.quick,
        rounds: done,
        milliseconds: options.duration().as_millis().try_into()?,
        seconds: start.elapsed().as_secs_f64(),
        wire_mtu: WIRE_MTU,
        offloads: options.offloads,
        aes_instructions: crypto::aes_instructions(),
        rows: rows.iter().map(|series| series.row(&rows)).collect(),
        ways,
        left_out,
    })
}

/// Measures each load in each way once. Each round begins with another way, so that none is always first.
fn measure_round(
    stages: &[Stage],
    rows: &mut [Series],
    clients: &Clients,
    duration: Duration,
    round: usize,
) -> anyhow::Result<()> {
    let by_way: HashMap<&str, &Stage> = stages
        .iter()
        .map(|stage| (stage.way.name(), stage))
        .collect();
    for same_load in rows.chunk_by_mut(|one, next| one.load == next.load) {
        for place in 0..same_load.len() {
            let at = (place + round) % same_load.len();
            let series = &mut same_load[at];
            let Some(stage) = by_way.get(series.way.name()) else {
                continue;
            };
            let measured = measure_something(stage, series, clients, duration)?;
            series.push(measured);
        }
    }
    Ok(())
}

/// Measures for longer if nothing arrived: on an emulated machine the handshakes alone of TLS can take seconds.
fn measure_something(
    stage: &Stage,
    series: &Series,
    clients: &Clients,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let durations = [duration, LONGER, LONGEST];
    for duration in durations {
        let measured = measure(stage, series.load, clients, duration, series.last_rate())?;
        if !measured.is_empty() {
            return Ok(measured);
        }
    }
    bail!(
        "{}, {}: nothing arrived",
        series.way.label(),
        series.load.label()
    )
}

fn measure(
    stage: &Stage,
    load: Load,
    clients: &Clients,
    duration: Duration,
    rate: Option<f64>,
) -> anyhow::Result<Measured> {
    match load {
        Load::Tcp { streams } => streams::tcp(stage, streams, duration),
        Load::Udp { payload, streams } => streams::udp(stage, payload, streams, duration),
        Load::Redis | Load::Http | Load::Connections => clients.run(stage, load, duration, rate),
    }
}

fn facts(stage: &Stage, offloads: bool) -> anyhow::Result<WayFacts> {
    sizes::warm_up(stage)?;
    let chosen = crypto::chosen(stage.way);
    let (algorithm, driver) = chosen.map_or((None, None), |chosen| {
        (Some(chosen.algorithm), chosen.driver)
    });
    Ok(WayFacts {
        way: stage.way.name(),
        label: stage.way.label(),
        algorithm,
        driver,
        esp_offload: crypto::esp_offload(stage),
        mtu: stage.way.carrier().mtu(WIRE_MTU),
        // With offloads a frame of a device is not one of the wire.
        frames_around_the_mtu: if offloads {
            None
        } else {
            Some(sizes::frames_around_the_mtu(stage)?)
        },
        sizes: if offloads {
            Vec::new()
        } else {
            sizes::measure(stage)?
        },
    })
}
