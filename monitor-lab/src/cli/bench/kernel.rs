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
    #[arg(long, default_value_t = 41, value_parser = clap::value_parser!(u32).range(3..=1001))]
    runs: u32,
    /// Packets in each run of a case
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    packets: u32,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

static FLOOR: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/overlay-bench.bpf.o"));

/// A hook: the program, the empty one and the one with one look-up beside it, and what the goals, which
/// are those of XDP, are multiplied by.
struct Hook {
    name: &'static str,
    entry: Entry,
    floor: &'static str,
    reference: &'static str,
    factor: f64,
}

const HOOKS: &[Hook] = &[
    Hook {
        name: "XDP",
        entry: Entry::Xdp,
        floor: "floor_xdp",
        reference: "reference_xdp",
        factor: 1.0,
    },
    Hook {
        name: "XDP frags",
        entry: Entry::XdpFrags,
        floor: "floor_xdp",
        reference: "reference_xdp",
        factor: 1.0,
    },
    Hook {
        name: "TC",
        entry: Entry::Tc(Direction::Rx),
        floor: "floor_tc",
        reference: "reference_tc",
        factor: 1.5,
    },
];

/// What the reference look-up costs on the machine for which the goals were set, in nanoseconds. A goal in
/// look-ups means the same on every machine; one in nanoseconds does not.
const GOAL_LOOK_UP_NS: f64 = 6.0;

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    processor: String,
    runs: u32,
    packets: u32,
    /// What one look-up in a per-CPU hash costs, by hook.
    look_up_ns: Vec<(&'static str, Median)>,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    hook: &'static str,
    case: &'static str,
    floor_ns: Median,
    packet_ns: Median,
    above_floor_ns: Median,
    /// The same in look-ups in a per-CPU hash, of the same runs.
    look_ups: Median,
    goal_look_ups: Option<f64>,
    met: Option<bool>,
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut floor =
        Ebpf::load(FLOOR).context("cannot load the empty programs (this takes root)")?;
    let mut report = Report {
        kernel: read("/proc/sys/kernel/osrelease"),
        processor: processor(),
        runs: arguments.runs,
        packets: arguments.packets,
        look_up_ns: Vec::new(),
        rows: Vec::new(),
    };
    for hook in HOOKS {
        load(program(&mut floor, hook.floor)?)?;
        load(program(&mut floor, hook.reference)?)?;
        let all = cases::all().into_iter();
        let mut benches = all
            .map(|case| Bench::new(case, hook.entry))
            .collect::<Result<Vec<_>, _>>()?;
        let mut references = Vec::new();
        for _ in 0..arguments.runs {
            for bench in &mut benches {
                // Side by side, so that what disturbs the machine disturbs all three.
                let mut beside = |name| {
                    let program = program(&mut floor, name)?;
                    time(arguments.packets, &bench.case.frame, |options| {
                        test_run(program, options)
                    })
                };
                let (nothing, look_up) = (beside(hook.floor)?, beside(hook.reference)?);
                references.push(look_up - nothing);
                bench.measure(arguments.packets, nothing, look_up - nothing)?;
            }
        }
        report.look_up_ns.push((hook.name, Median::of(&references)));
        report
            .rows
            .extend(benches.iter().map(|bench| bench.row(hook)));
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
    look_up: Vec<f64>,
    packet: Vec<f64>,
}

impl Bench {
    fn new(case: Case, entry: Entry) -> anyhow::Result<Bench> {
        let mut kernel = Kernel::new(&case.options)?;
        kernel.load(entry)?;
        let ring = kernel
            .take_samples()
            .ok_or_else(|| anyhow!("no sample ring"))?;
        let mut bench = Bench {
            case,
            entry,
            kernel,
            ring,
            floor: Vec::new(),
            look_up: Vec::new(),
            packet: Vec::new(),
        };
        // The first packets make their map entries, which no later one does.
        bench.once(1000)?;
        Ok(bench)
    }

    fn measure(&mut self, packets: u32, floor: f64, look_up: f64) -> anyhow::Result<()> {
        let packet = self.once(packets)?;
        self.floor.push(floor);
        self.look_up.push(look_up);
        self.packet.push(packet);
        Ok(())
    }

    fn row(&self, hook: &Hook) -> Row {
        let above: Vec<f64> = self
            .packet
            .iter()
            .zip(&self.floor)
            .map(|(packet, floor)| packet - floor)
            .collect();
        let look_ups: Vec<f64> = above
            .iter()
            .zip(&self.look_up)
            .map(|(above, look_up)| above / look_up.max(1.0))
            .collect();
        let look_ups = Median::of(&look_ups);
        let goal_look_ups = self
            .case
            .goal
            .map(|goal| goal * hook.factor / GOAL_LOOK_UP_NS);
        Row {
            hook: hook.name,
            case: self.case.name,
            floor_ns: Median::of(&self.floor),
            packet_ns: Median::of(&self.packet),
            above_floor_ns: Median::of(&above),
            look_ups,
            goal_look_ups,
            met: goal_look_ups.map(|goal| look_ups.high <= goal),
        }
    }

    fn once(&mut self, packets: u32) -> anyhow::Result<f64> {
        let (kernel, entry) = (&mut self.kernel, self.entry);
        let took = time(packets, &self.case.frame, |options| {
            Ok(kernel.test_run(entry, options)?.duration)
        })?;
        // Not timed: the ring holds a whole run.
        while self.ring.next().is_some() {}
        let lost = self.kernel.state()?.ring_full;
        anyhow::ensure!(
            lost == 0,
            "{} samples lost: take fewer --packets, or it measures a full ring",
            lost
        );
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
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat: packets,
        ..TestRunOptions::default()
    };
    Ok(run(options)?.as_secs_f64() * 1e9)
}

fn program<'a>(floor: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Program> {
    floor
        .program_mut(name)
        .ok_or_else(|| anyhow!("the eBPF object of the benchmark has no program {name}"))
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
        "What a packet costs above an empty program of the same type: median of {} runs of {} packets, with the\n\
         interval that holds it in 95 of 100 tries. Nanoseconds differ from machine to machine, so goals are in\n\
         look-ups: one in a per-CPU hash, measured beside each run. Linux {}, {}.\n",
        report.runs, report.packets, report.kernel, report.processor
    )?;
    for (hook, look_up) in &report.look_up_ns {
        writeln!(
            out,
            "{hook}: one look-up takes {:.1} ns ({:.1} to {:.1})",
            look_up.median, look_up.low, look_up.high
        )?;
    }
    writeln!(
        out,
        "\n{:<10} {:<50} {:>9} {:>9} {:>9} {:>16} {:>5}",
        "hook", "packet", "floor ns", "above ns", "look-ups", "interval", "goal"
    )?;
    for row in &report.rows {
        let goal = row
            .goal_look_ups
            .map_or_else(String::new, |goal| format!("{goal:.2}"));
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "not met",
            None => "",
        };
        let interval = format!("{:.2} to {:.2}", row.look_ups.low, row.look_ups.high);
        writeln!(
            out,
            "{:<10} {:<50} {:>9.1} {:>9.1} {:>9.2} {:>16} {:>5} {met}",
            row.hook,
            row.case,
            row.floor_ns.median,
            row.above_floor_ns.median,
            row.look_ups.median,
            interval,
            goal
        )?;
    }
    Ok(())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn processor() -> String {
    let info = read("/proc/cpuinfo");
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or("unknown processor", |name| {
        name.trim_start_matches([' ', '\t', ':'])
    });
    format!(
        "{} x {name}",
        std::thread::available_parallelism().map_or(1, usize::from)
    )
}
