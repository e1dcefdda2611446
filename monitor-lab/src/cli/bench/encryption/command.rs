//! Options of `bench encryption`, and which of its three forms runs: both ends here, or one of them.

use std::time::{Duration, Instant};

use clap::Args;
use monitor_lab::Cipher;

use super::collected::Collected;
use super::report::{CostReport, Run};
use super::rounds;
use super::stage::{SetUp, Stage};
use super::two_machines::{self, Part, Plan};
use super::way::Way;
use crate::cli::bench::report::Machine;

/// Programs whose versions matter, with the option that prints it.
const PROGRAMS: &[(&str, &str)] = &[
    ("nginx", "-v"),
    ("openssl", "version"),
    ("redis-server", "--version"),
    ("wg", "--version"),
    ("wrk", "-v"),
];

/// Options of its own.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
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
    /// Measure only these ways, separated by commas: direct, vxlan, esp-aes-128-gcm, wireguard, tls, … as in the JSON
    #[arg(long, value_name = "WAYS", value_delimiter = ',', value_parser = Way::parse)]
    ways: Vec<Way>,
    /// Measure only what shows how good `overlay-monitor forecast` is: UDP in plain VXLAN and in ESP as Docker makes it, of the
    /// sizes that the forecast is fitted to and of others, which it must forecast
    #[arg(long, conflicts_with_all = ["quick", "ways"])]
    check_forecast: bool,
    #[command(flatten)]
    two_machines: two_machines::PairOptions,
}

impl Options {
    /// What is measured. `runs` replaces the number of rounds.
    fn run(&self, runs: Option<u32>) -> Run {
        Run {
            quick: self.quick,
            rounds: runs.unwrap_or(if self.quick { 3 } else { 7 }),
            milliseconds: self
                .milliseconds
                .unwrap_or(if self.quick { 300 } else { 600 }),
            offloads: self.offloads,
            check_forecast: self.check_forecast,
        }
    }

    /// The ways that are wanted, in the order of the report.
    fn ways(&self) -> impl Iterator<Item = Way> {
        let of_forecast = [Way::Vxlan, Way::Esp(Cipher::AesGcm128)];
        let wanted = move |way: &Way| match self.check_forecast {
            true => of_forecast.contains(way),
            false => self.ways.is_empty() || self.ways.contains(way),
        };
        Way::ALL.into_iter().filter(wanted)
    }

    /// No round begins that would end later than so many minutes, unless a limit is given.
    fn minutes(&self) -> u64 {
        if self.quick { 3 } else { 15 }
    }
}

/// Runs the benchmark. `runs` replaces the number of rounds.
pub(in crate::cli::bench) fn run(
    options: &Options,
    runs: Option<u32>,
    date: String,
) -> anyhow::Result<CostReport> {
    let machine = Machine::of_this_run(date, PROGRAMS);
    let two_machines = &options.two_machines;
    match two_machines.part()? {
        None => on_this_machine(options, runs, machine),
        Some(Part::Listen(address)) => two_machines::listen(two_machines, address, machine),
        Some(Part::Connect(host)) => {
            let plan = Plan {
                run: options.run(runs),
                ways: options.ways().collect(),
                time: Duration::from_secs(60 * options.minutes()),
            };
            two_machines::connect(two_machines, host, &plan, machine)
        }
    }
}

fn on_this_machine(
    options: &Options,
    runs: Option<u32>,
    machine: Machine,
) -> anyhow::Result<CostReport> {
    let start = Instant::now();
    let run = options.run(runs);
    let mut collected = Collected::new(run);
    let mut stages = Vec::new();
    for way in options.ways() {
        match Stage::on_this_machine(way, options.offloads)? {
            SetUp::Ready(stage) => {
                collected.add(way, rounds::facts(&stage, options.offloads, None)?)?;
                stages.push(stage);
            }
            SetUp::LeftOut(why) => collected.leave_out(way, why),
        }
    }
    let within = (start, options.two_machines.limit_or(options.minutes()));
    let done = rounds::measure(&stages, &mut collected, &run, within, &mut |_, _, _| Ok(()))?;
    Ok(collected.report(machine, None, done, start.elapsed().as_secs_f64()))
}
