//! `overlay-lab bench kernel`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use aya::maps::{MapData, RingBuf};
use aya::programs::{Program, ProgramError, TestRun, TestRunOptions};
use aya::{Ebpf, include_bytes_aligned};
use clap::Args;
use monitor::kernel::{Entry, Kernel};
use monitor_common::label::Direction;
use serde::Serialize;

use super::cases::{self, Case};
use super::stats::Median;

/// Options of `overlay-lab bench kernel`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Runs of every case
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(3..=1001))]
    runs: u32,
    /// Packets in each run of a case
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    packets: u32,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

static FLOOR: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/overlay-bench.bpf.o"));

/// A hook, the empty program beside it, and what the goal is multiplied by.
const HOOKS: &[(&str, Entry, &str, f64)] = &[
    ("XDP", Entry::Xdp, "floor_xdp", 1.0),
    ("XDP frags", Entry::XdpFrags, "floor_xdp", 1.0),
    ("TC", Entry::Tc(Direction::Rx), "floor_tc", 1.5),
];

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    processor: String,
    runs: u32,
    packets: u32,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    hook: &'static str,
    case: &'static str,
    floor_ns: Median,
    packet_ns: Median,
    above_floor_ns: Median,
    goal_ns: Option<f64>,
    met: Option<bool>,
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut floor = Ebpf::load(FLOOR).context("cannot load the empty programs (this takes root)")?;
    let mut report = Report {
        kernel: read("/proc/sys/kernel/osrelease"),
        processor: processor(),
        runs: arguments.runs,
        packets: arguments.packets,
        rows: Vec::new(),
    };
    for (hook, entry, floor_name, factor) in HOOKS {
        let program = floor.program_mut(floor_name).ok_or_else(|| anyhow!("no program {floor_name}"))?;
        load(program)?;
        let mut benches = cases::all().into_iter().map(|case| Bench::new(case, *entry)).collect::<Result<Vec<_>, _>>()?;
        for _ in 0..arguments.runs {
            for bench in &mut benches {
                // Side by side, so that what disturbs the machine disturbs both.
                let nothing = time(arguments.packets, &bench.case.frame, |options| test_run(program, options))?;
                bench.measure(arguments.packets, nothing)?;
            }
        }
        for bench in benches {
            let goal_ns = bench.case.goal.map(|goal| goal * factor);
            let above: Vec<f64> = bench.packet.iter().zip(&bench.floor).map(|(packet, floor)| packet - floor).collect();
            let above_floor_ns = Median::of(&above);
            report.rows.push(Row {
                hook,
                case: bench.case.name,
                floor_ns: Median::of(&bench.floor),
                packet_ns: Median::of(&bench.packet),
                above_floor_ns,
                goal_ns,
                met: goal_ns.map(|goal| above_floor_ns.high <= goal),
            });
        }
    }
    let mut out = io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        table(&mut out, &report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A case, loaded, with what was measured so far.
struct Bench {
    case: Case,
    entry: Entry,
    kernel: Kernel,
    ring: RingBuf<MapData>,
    floor: Vec<f64>,
    packet: Vec<f64>,
}

impl Bench {
    fn new(case: Case, entry: Entry) -> anyhow::Result<Bench> {
        let mut kernel = Kernel::new(&case.options)?;
        kernel.load(entry)?;
        let ring = kernel.take_samples().ok_or_else(|| anyhow!("no sample ring"))?;
        let mut bench = Bench { case, entry, kernel, ring, floor: Vec::new(), packet: Vec::new() };
        // The first packets make their map entries, which no later one does.
        bench.once(1000)?;
        Ok(bench)
    }

    fn measure(&mut self, packets: u32, floor: f64) -> anyhow::Result<()> {
        let packet = self.once(packets)?;
        self.floor.push(floor);
        self.packet.push(packet);
        Ok(())
    }

    fn once(&mut self, packets: u32) -> anyhow::Result<f64> {
        let (kernel, entry) = (&mut self.kernel, self.entry);
        let took = time(packets, &self.case.frame, |options| Ok(kernel.test_run(entry, options)?.duration))?;
        // Not timed: the ring holds a whole run.
        while self.ring.next().is_some() {}
        let lost = self.kernel.state()?.ring_full;
        anyhow::ensure!(lost == 0, "{} samples lost: take fewer --packets, or it measures a full ring", lost);
        Ok(took)
    }
}

/// Nanoseconds per packet, by the kernel's own clock around its loop: whole nanoseconds. (Ours would also
/// measure how a run is set up, which takes milliseconds for XDP.)
fn time(
    packets: u32,
    frame: &[u8],
    run: impl FnOnce(TestRunOptions<'_>) -> anyhow::Result<Duration>,
) -> anyhow::Result<f64> {
    let options = TestRunOptions { data_in: Some(frame), repeat: packets, ..TestRunOptions::default() };
    Ok(run(options)?.as_secs_f64() * 1e9)
}

fn load(program: &mut Program) -> anyhow::Result<()> {
    let loaded = match program {
        Program::Xdp(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        _ => return Err(anyhow!("an empty program of an unexpected type")),
    };
    match loaded {
        // Two hooks share the empty XDP program.
        Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn test_run(program: &Program, options: TestRunOptions<'_>) -> anyhow::Result<Duration> {
    let result = match program {
        Program::Xdp(program) => program.test_run(options)?,
        Program::SchedClassifier(program) => program.test_run(options)?,
        _ => return Err(anyhow!("an empty program of an unexpected type")),
    };
    Ok(result.duration)
}

fn table(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(
        out,
        "Nanoseconds per packet above an empty program of the same type: median of {} runs of {} packets, with the\n\
         interval that holds it in 95 of 100 tries. Linux {}, {}.\n",
        report.runs, report.packets, report.kernel, report.processor
    )?;
    writeln!(out, "{:<10} {:<50} {:>7} {:>9} {:>16} {:>6}", "hook", "packet", "floor", "above", "interval", "goal")?;
    for row in &report.rows {
        let goal = row.goal_ns.map_or_else(String::new, |goal| format!("{goal}"));
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "not met",
            None => "",
        };
        let interval = format!("{:.1} to {:.1}", row.above_floor_ns.low, row.above_floor_ns.high);
        writeln!(
            out,
            "{:<10} {:<50} {:>7.1} {:>9.1} {:>16} {:>6} {met}",
            row.hook, row.case, row.floor_ns.median, row.above_floor_ns.median, interval, goal
        )?;
    }
    Ok(())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn processor() -> String {
    let info = read("/proc/cpuinfo");
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or("unknown processor", |name| name.trim_start_matches([' ', '\t', ':']));
    format!("{} x {name}", std::thread::available_parallelism().map_or(1, usize::from))
}
