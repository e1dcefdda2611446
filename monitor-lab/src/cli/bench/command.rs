//! Options of `overlay-lab bench`; runs the benchmarks and writes the report.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::encryption::CostReport;
use super::report::{Machine, Part, Report, documents, plot, tables};
use super::{agent, classify, cpus, encryption, iperf, kernel, live, read, verdicts};
use crate::cli::monitor_program;

/// Options of `overlay-lab bench`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Rounds of each benchmark [default: 21; agent, classify, read and encryption 7]
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=1001))]
    runs: Option<u32>,
    /// Packets in each measurement (`kernel`, `cpus`)
    #[arg(long, global = true, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    packets: u32,
    /// Frames in each measurement (`live`)
    #[arg(long, global = true, default_value_t = 600_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    frames: u32,
    /// Seconds of each measurement (`iperf`)
    #[arg(long, global = true, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Size of the capture file in MiB (`read`)
    #[arg(long, global = true, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=16_384))]
    mebibytes: u64,
    /// Folder with the recorded fixtures (`classify`)
    #[arg(long, global = true, value_name = "FOLDER", default_value = classify::FIXTURES)]
    fixtures: PathBuf,
    /// Path of the overlay-monitor to measure [default: beside this program]
    #[arg(long, global = true, value_name = "PATH")]
    monitor: Option<PathBuf>,
    /// Measure only rows whose hook, packet and features, such as `XDP: IPv4 ESP; counts`, contain this (`kernel`), or whose
    /// load, such as `1000 new flows/s`, does (`agent`)
    #[arg(long, global = true, value_name = "TEXT")]
    only: Option<String>,
    /// Write JSON to a file (`-`: to standard output, instead of the tables)
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the plot to a file
    #[arg(long, global = true, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write benchmarks.md, benchmarks.svg and benchmarks.json (of `encryption`: encryption-cost.…) to a folder
    #[arg(long, global = true, value_name = "FOLDER")]
    docs: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum What {
    /// Nanoseconds per packet in the kernel programs: one hot packet, and many flows and VNIs (BPF_PROG_TEST_RUN)
    ///
    /// Each round measures every row once, and an empty program of the same type beside it. The result is the difference:
    /// its median over the rounds, with the 95 % confidence interval. Nothing is attached.
    Kernel,
    /// Nanoseconds per packet in the kernel programs while a second CPU counts too
    Cpus,
    /// Nanoseconds per packet on an interface, everything included: without the monitor, with it, and with others
    ///
    /// Sends live frames through a veth pair between two network namespaces. In turn there is nothing attached, an empty
    /// program, the monitor at TC and at XDP, nftables and tcpdump.
    Live,
    /// Share of iperf3's rate over the overlay that remains with the monitor, and with others
    ///
    /// Sends a TCP stream and a flood of small UDP packets between two containers of the lab. In turn there is nothing
    /// attached, the monitor at TC and at XDP, nftables and tcpdump, on both nodes.
    Iperf,
    /// Time of a scrape and memory of the agent with many VNIs; its CPU time while flows begin, and their verdicts
    Agent,
    /// Nanoseconds per payload of each classifier, and of all together, over the recorded fixtures
    ///
    /// Each payload is cut as in a sample of 256 bytes of the frame. Needs no root.
    Classify,
    /// Time to read a capture file, beside tcpdump and tshark; runs only if it is named
    ///
    /// Captures a conversation in the lab and repeats it with other addresses in a file in the folder for temporary
    /// files. Removes the file at the end.
    Read,
    /// What it costs to encrypt an overlay on this machine; runs only if it is named
    ///
    /// Two nodes in network namespaces, joined by plain VXLAN, by VXLAN in ESP with five algorithms and in WireGuard; and
    /// TLS inside a plain overlay. Streams of TCP and UDP, Redis and HTTP, in interleaved rounds: rate, CPU time, latency,
    /// bytes on the wire, MTU. What this kernel lacks is left out. Takes at most 15 minutes.
    ///
    /// Between two machines: --listen on one, --to HOST on the other, over their cards, in network namespaces of their own.
    /// The listener prints a token, with which the other connects.
    Encryption(Box<encryption::Options>),
}

/// Programs whose versions matter, with the option that prints it.
const PROGRAMS: &[(&str, &str)] = &[
    ("iperf3", "--version"),
    ("nft", "--version"),
    ("tcpdump", "--version"),
];

/// Runs the benchmarks.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // First, because the measurements take minutes.
    check_outputs(arguments)?;
    let monitor = match &arguments.what {
        Some(What::Kernel | What::Cpus | What::Classify | What::Encryption(_)) => PathBuf::new(),
        Some(What::Live | What::Iperf | What::Agent | What::Read) | None => {
            monitor_program::find(arguments.monitor.as_deref())?
        }
    };
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    if let Some(What::Encryption(options)) = &arguments.what {
        let report = encryption::run(options, arguments.runs, today)?;
        write_costs(arguments, &report)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = Report {
        schema: 1,
        machine: Machine::of_this_run(today, PROGRAMS),
        parts: Vec::new(),
    };
    let jobs = jobs(arguments, &monitor);
    announce(&jobs, &report.machine);
    // What was measured is written whatever becomes of the rest: it took minutes.
    let mut failure: Option<anyhow::Error> = None;
    for job in jobs {
        match (job.run)() {
            Ok(part) => report.parts.push(part),
            Err(error) => {
                let error = error.context(format!("bench {}", job.name));
                if let Some(earlier) = failure.replace(error) {
                    eprintln!("{earlier:#}");
                }
            }
        }
    }
    if !report.parts.is_empty() {
        write(arguments, &report)?;
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// A benchmark that is to be run.
struct Job {
    name: &'static str,
    /// How long it takes on a quiet machine.
    expected: Duration,
    run: Box<dyn FnOnce() -> anyhow::Result<Part>>,
}

/// The benchmarks that are wanted.
fn jobs(arguments: &Arguments, monitor: &Path) -> Vec<Job> {
    let wanted = |what| arguments.what.as_ref().is_none_or(|only| *only == what);
    let mut jobs = Vec::new();
    let mut add = |name, expected, run| {
        jobs.push(Job {
            name,
            expected,
            run,
        });
    };
    let monitor = || monitor.to_owned();
    let runs = |default| arguments.runs.unwrap_or(default);
    if wanted(What::Kernel) {
        let plan = kernel::Plan {
            runs: runs(21),
            packets: arguments.packets,
            only: arguments.only.clone(),
        };
        add(
            "kernel",
            plan.expected(),
            Box::new(move || kernel::run(&plan)),
        );
    }
    // One CPU alone has no second one.
    if arguments.what == Some(What::Cpus) || wanted(What::Cpus) && cpus::is_possible() {
        let plan = cpus::Plan {
            runs: runs(21),
            packets: arguments.packets,
        };
        add("cpus", plan.expected(), Box::new(move || cpus::run(&plan)));
    }
    if wanted(What::Live) {
        let plan = live::Plan {
            runs: runs(21),
            frames: arguments.frames,
            monitor: monitor(),
        };
        add("live", plan.expected(), Box::new(move || live::run(&plan)));
    }
    if wanted(What::Iperf) {
        let plan = iperf::Plan {
            runs: runs(21),
            seconds: arguments.seconds,
            monitor: monitor(),
        };
        add(
            "iperf",
            plan.expected(),
            Box::new(move || iperf::run(&plan)),
        );
    }
    if wanted(What::Agent) {
        let plan = agent::Plan {
            runs: runs(7),
            monitor: monitor(),
            only: arguments.only.clone(),
        };
        add(
            "agent",
            plan.expected(),
            Box::new(move || agent::run(&plan)),
        );
        let plan = verdicts::Plan {
            runs: runs(7),
            monitor: monitor(),
            only: arguments.only.clone(),
        };
        let expected = plan.expected();
        add("verdicts", expected, Box::new(move || verdicts::run(&plan)));
    }
    if wanted(What::Classify) {
        let plan = classify::Plan {
            runs: runs(7),
            fixtures: arguments.fixtures.clone(),
        };
        let expected = plan.expected();
        add("classify", expected, Box::new(move || classify::run(&plan)));
    }
    // Only if it is named, because tshark takes minutes and nothing of the kernel is measured.
    if arguments.what == Some(What::Read) {
        let plan = read::Plan {
            runs: runs(7),
            mebibytes: arguments.mebibytes,
            monitor: monitor(),
        };
        add("read", plan.expected(), Box::new(move || read::run(&plan)));
    }
    jobs
}

/// Prints how long it will take, and warns of a machine that is not quiet.
fn announce(jobs: &[Job], machine: &Machine) {
    let minutes = |time: Duration| format!("{:.1} min", time.as_secs_f64() / 60.0);
    let each: Vec<String> = jobs
        .iter()
        .map(|job| format!("{} {}", job.name, minutes(job.expected)))
        .collect();
    eprintln!(
        "On a quiet machine this takes about {}: {}",
        minutes(jobs.iter().map(|job| job.expected).sum()),
        each.join(", ")
    );
    if let Some(warning) = machine.warning() {
        eprintln!("{warning}");
    }
}

/// Fails if a folder for the output does not exist.
fn check_outputs(arguments: &Arguments) -> anyhow::Result<()> {
    let files = [&arguments.json, &arguments.svg].into_iter().flatten();
    let folders = files
        .map(|file| file.parent().unwrap_or(file))
        .chain(arguments.docs.as_deref());
    for folder in folders.filter(|folder| !folder.as_os_str().is_empty()) {
        anyhow::ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    }
    Ok(())
}

/// Writes the report of `encryption` in the same forms.
fn write_costs(arguments: &Arguments, report: &CostReport) -> anyhow::Result<()> {
    encryption::write_files(report, arguments.docs.as_deref(), arguments.svg.as_deref())?;
    match &arguments.json {
        Some(path) if path == Path::new("-") => {
            return io::stdout()
                .lock()
                .write_all(documents::json(report)?.as_bytes())
                .context("cannot write to standard output");
        }
        Some(path) => documents::write_file(path, &documents::json(report)?)?,
        None => {}
    }
    encryption::write_text(report)
}

fn write(arguments: &Arguments, report: &Report) -> anyhow::Result<()> {
    if let Some(path) = &arguments.svg {
        documents::write_file(path, &plot::draw(report))?;
    }
    if let Some(folder) = &arguments.docs {
        documents::write(folder, report)?;
    }
    let mut out = io::stdout().lock();
    match &arguments.json {
        Some(path) if path == Path::new("-") => {
            out.write_all(documents::json(report)?.as_bytes())?;
            return Ok(());
        }
        Some(path) => documents::write_file(path, &documents::json(report)?)?,
        None => {}
    }
    let machine = tables::wrapped(&report.machine.describe());
    writeln!(out, "{machine}\n")?;
    if let Some(warning) = report.machine.warning() {
        writeln!(out, "{}\n", tables::wrapped(&warning))?;
    }
    report
        .parts
        .iter()
        .try_for_each(|part: &Part| out.write_all(tables::text(part).as_bytes()))
        .context("cannot write to standard output")
}
