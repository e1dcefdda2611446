//! `overlay-lab bench`: what the monitor costs.

mod agent;
mod cases;
mod classify;
mod docs;
mod iperf;
mod kernel;
mod live;
mod machine;
mod packets;
mod pin;
mod programs;
mod progress;
mod read;
mod report;
mod stats;
mod svg;
mod table;
#[expect(
    unreachable_pub,
    reason = "a file of the kernel programs, where it is public"
)]
#[path = "../../../../monitor-ebpf/src/bin/bench/varied.rs"]
mod varied;
mod watcher;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use machine::Machine;
use monitor_lab::Host;
use report::{Part, Report};

/// Options of `overlay-lab bench`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Rounds of each part [default: 21; iperf, agent, classify and read 7]
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=1001))]
    runs: Option<u32>,
    /// Packets in each measurement of `kernel`
    #[arg(long, global = true, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    packets: u32,
    /// Frames in each measurement of `live`
    #[arg(long, global = true, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    frames: u32,
    /// Seconds of each measurement of `iperf`
    #[arg(long, global = true, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Length of the capture file, in MiB (`read`)
    #[arg(long, global = true, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=16_384))]
    mebibytes: u64,
    /// Folder with the recorded fixtures (`classify`)
    #[arg(long, global = true, value_name = "FOLDER", default_value = classify::FIXTURES)]
    fixtures: PathBuf,
    /// The overlay-monitor to measure; default: the one next to this program
    #[arg(long, global = true, value_name = "PATH")]
    monitor: Option<PathBuf>,
    /// Only rows whose hook, name and features, as `XDP: IPv4 ESP; counts`, contain this (`kernel`)
    #[arg(long, global = true, value_name = "TEXT")]
    only: Option<String>,
    /// Write JSON to a file (`-`: standard output, instead of the tables)
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the plot to a file
    #[arg(long, global = true, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write benchmarks.md, benchmarks.svg and benchmarks.json into a folder
    #[arg(long, global = true, value_name = "FOLDER")]
    docs: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum What {
    /// Nanoseconds per packet in the programs: one hot packet, and many flows and VNIs (BPF_PROG_TEST_RUN)
    ///
    /// Each round measures every case once, and an empty program of the same type beside it; what is quoted is the
    /// difference, as median over the rounds with the interval that holds it in 95 of 100 tries. Nothing is attached.
    Kernel,
    /// Nanoseconds per packet on an interface, everything included, with the monitor on and off, and with others
    ///
    /// Live frames through a veth pair between two network namespaces: to nobody, an empty program, the monitor at TC
    /// and at XDP, nftables and tcpdump, in turn.
    Live,
    /// What is left of iperf3's rate over the overlay, with the monitor on and off, and with others
    ///
    /// A TCP stream and a flood of small UDP packets between two containers of the lab, with nobody, the monitor at TC
    /// and at XDP, nftables and tcpdump on both nodes, in turn.
    Iperf,
    /// Time of a scrape and memory of the agent, with many VNIs
    Agent,
    /// Nanoseconds that each classifier, and all together, take for a payload of the recorded fixtures
    ///
    /// Alone, and on a payload as a sample of 256 bytes of the frame holds it. Needs no root.
    Classify,
    /// How fast a capture file is read, beside tcpdump and tshark; only if it is named
    ///
    /// A conversation is recorded in the lab and repeated with other addresses to a file in the folder for temporary
    /// files, which is removed at the end.
    Read,
}

/// Runs a benchmark.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // Before minutes are spent.
    writable(arguments)?;
    let monitor = match arguments.what {
        Some(What::Kernel | What::Classify) => PathBuf::new(),
        Some(What::Live | What::Iperf | What::Agent | What::Read) | None => monitor(arguments)?,
    };
    let mut report = Report {
        schema: 1,
        machine: Machine::of_this_run(jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()),
        parts: Vec::new(),
    };
    let wanted = |what| arguments.what.is_none_or(|only| only == what);
    if wanted(What::Kernel) {
        report.parts.push(kernel::run(&kernel::Plan {
            runs: arguments.runs.unwrap_or(21),
            packets: arguments.packets,
            only: arguments.only.clone(),
        })?);
    }
    if wanted(What::Live) {
        report.parts.push(live::run(&live::Plan {
            runs: arguments.runs.unwrap_or(21),
            frames: arguments.frames,
            monitor: monitor.clone(),
        })?);
    }
    if wanted(What::Iperf) {
        report.parts.push(iperf::run(&iperf::Plan {
            runs: arguments.runs.unwrap_or(7),
            seconds: arguments.seconds,
            monitor: monitor.clone(),
        })?);
    }
    if wanted(What::Agent) {
        report.parts.push(agent::run(&agent::Plan {
            runs: arguments.runs.unwrap_or(7),
            monitor: monitor.clone(),
        })?);
    }
    if wanted(What::Classify) {
        report.parts.push(classify::run(&classify::Plan {
            runs: arguments.runs.unwrap_or(7),
            fixtures: arguments.fixtures.clone(),
        })?);
    }
    // Minutes of tshark, and nothing of the kernel: only where it is asked for.
    if arguments.what == Some(What::Read) {
        report.parts.push(read::run(&read::Plan {
            runs: arguments.runs.unwrap_or(7),
            mebibytes: arguments.mebibytes,
            monitor: monitor.clone(),
        })?);
    }
    write(arguments, &report)?;
    Ok(ExitCode::SUCCESS)
}

fn monitor(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    let path = match &arguments.monitor {
        Some(path) => path.clone(),
        None => super::demo::neighbour()?,
    };
    anyhow::ensure!(
        path.is_file(),
        "there is no program {}: name the overlay-monitor with --monitor PATH",
        path.display()
    );
    // Absolute: it is started from elsewhere.
    path.canonicalize()
        .with_context(|| format!("finding {}", path.display()))
}

/// Whether what is asked for can be written where it is asked for.
fn writable(arguments: &Arguments) -> anyhow::Result<()> {
    let files = [&arguments.json, &arguments.svg].into_iter().flatten();
    let folders = files
        .map(|file| file.parent().unwrap_or(file))
        .chain(arguments.docs.as_deref());
    for folder in folders.filter(|folder| !folder.as_os_str().is_empty()) {
        anyhow::ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    }
    Ok(())
}

/// Index of a host's interface on the wire.
fn ifindex(host: &Host) -> anyhow::Result<u32> {
    let interface = host.enter(|| monitor::base::interface::Interface::by_name("eth0"))?;
    Ok(interface?.index)
}

fn write(arguments: &Arguments, report: &Report) -> anyhow::Result<()> {
    if let Some(path) = &arguments.svg {
        docs::file(path, &svg::draw(report))?;
    }
    if let Some(folder) = &arguments.docs {
        docs::write(folder, report)?;
    }
    let mut out = io::stdout().lock();
    match &arguments.json {
        Some(path) if path.as_os_str() == "-" => {
            out.write_all(docs::json(report)?.as_bytes())?;
            return Ok(());
        }
        Some(path) => docs::file(path, &docs::json(report)?)?,
        None => {}
    }
    let machine = table::wrapped(&report.machine.describe());
    writeln!(out, "{machine}\n")?;
    report
        .parts
        .iter()
        .try_for_each(|part: &Part| table::text(&mut out, part))
        .context("cannot print")
}
