//! `bench read`: how fast capture files are read, beside tcpdump and tshark.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use monitor_lab::Lab;

use super::agent;
use super::progress::Progress;
use super::report::{Part, Row, Unit};
use super::stats;

/// How much of it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each lets every reader read the file once.
    pub(super) runs: u32,
    /// Length of the file in MiB.
    pub(super) mebibytes: u64,
    /// The monitor's program.
    pub(super) monitor: PathBuf,
}

/// Pages that are fetched for the recording: HTTP to the web container, and Redis from there.
const PAGES: usize = 20;
/// Bytes of the file's header, and of each packet's.
const HEADER: usize = 24;
const RECORD: usize = 16;
/// Where the addresses of the inner IPv4 packet stand: behind Ethernet, IPv4, UDP, VXLAN and Ethernet.
const INNER_ADDRESSES: usize = 14 + 20 + 8 + 8 + 14 + 12;

/// A file that is taken away.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Measures.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let folder = std::env::temp_dir();
    let file = Removed(folder.join(format!("overlay-lab-read-{}.pcap", std::process::id())));
    let recorded = record(&file.0)?;
    let packets = repeat(&recorded, plan.mebibytes << 20, &file.0)?;
    let monitor = plan.monitor.to_str().context("the path of the monitor")?;
    let path = file.0.to_str().context("the path of the file")?;
    let mut took: [Vec<f64>; 3] = Default::default();
    let mut memory = Vec::new();
    let mut progress = Progress::new("reading of capture files", plan.runs);
    // Once before: the file is in the page cache then.
    time(monitor, &["read", "--flows", "--format", "json", path])?;
    for _ in 0..plan.runs {
        let (seconds, mebibytes) = time(monitor, &["read", "--flows", "--format", "json", path])?;
        took[0].push(seconds);
        memory.push(mebibytes);
        took[1].push(time("tcpdump", &["-nn", "-r", path])?.0);
        took[2].push(time("tshark", &["-r", path])?.0);
        progress.step();
    }
    let [ours, tcpdump, tshark] = &took;
    let labels = |what: &str| (what.to_owned(), "-", "read --flows".to_owned());
    let rate: Vec<f64> = ours
        .iter()
        .map(|seconds| packets as f64 / seconds / 1e6)
        .collect();
    Ok(Part {
        name: "read",
        title: "Reading of capture files",
        method: format!(
            "Time of `overlay-monitor read --flows --format json` for a file of {} MiB in the page cache, output \
             discarded, beside `tcpdump -nn -r` and `tshark -r` of the same file, in turn, in {} rounds. The file is \
             recorded in the lab (HTTP and Redis in VXLAN) and repeated with other inner addresses: {packets} packets.",
            plan.mebibytes, plan.runs
        ),
        unit: Unit::Value,
        rows: vec![
            Row::value(labels("seconds"), ours, None),
            Row::value(labels("million packets a second"), &rate, None),
            Row::value(
                labels("part of the time of tcpdump"),
                &stats::ratios(ours, tcpdump),
                Some(1.0),
            ),
            Row::value(
                labels("part of the time of tshark"),
                &stats::ratios(ours, tshark),
                Some(0.1),
            ),
            Row::value(labels("memory (RSS), MiB"), &memory, None),
        ],
    })
}

/// A conversation on the lab's wire, as tcpdump writes it.
fn record(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut lab = Lab::builder().quiet(true).build()?;
    lab.start_redis()?;
    lab.start_web()?;
    let mut command = lab.node1().command("tcpdump")?;
    command
        .args(["-i", "eth0", "-U", "-s", "0", "-w"])
        .arg(path);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let recording = lab.node1().spawn(command)?;
    let start = Instant::now();
    while !fs::metadata(path).is_ok_and(|meta| meta.len() != 0) {
        anyhow::ensure!(
            start.elapsed() < Duration::from_secs(30),
            "tcpdump does not begin"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    lab.http_get(PAGES)?;
    std::thread::sleep(Duration::from_secs(1));
    drop(recording);
    Ok(fs::read(path)?)
}

/// Writes a recording many times, each time with other inner addresses; gives the number of packets.
fn repeat(recorded: &[u8], length: u64, path: &Path) -> anyhow::Result<u64> {
    let (header, mut packets) = recorded
        .split_at_checked(HEADER)
        .context("tcpdump recorded nothing")?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(header)?;
    // Whole packets, in the byte order of this machine.
    let mut copy: Vec<(Vec<u8>, bool)> = Vec::new();
    while let Some((head, rest)) = packets.split_first_chunk::<RECORD>() {
        let length = u32::from_ne_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let Some((frame, rest)) = rest.split_at_checked(length) else {
            break;
        };
        // 10.0.1.x in VXLAN.
        let inside = frame.get(INNER_ADDRESSES..INNER_ADDRESSES + 8);
        let is_inner = inside.is_some_and(|inside| inside[0] == 10 && inside[4] == 10);
        copy.push(([head.as_slice(), frame].concat(), is_inner));
        packets = rest;
    }
    let (mut written, mut count, mut round) = (0_u64, 0, 0_u16);
    while written < length {
        let [high, low] = round.to_be_bytes();
        round = round.wrapping_add(1);
        for (packet, is_inner) in &mut copy {
            if *is_inner {
                for end in [0, 4] {
                    let at = RECORD + INNER_ADDRESSES + end + 1;
                    packet[at] = high;
                    packet[at + 1] = low;
                }
            }
            out.write_all(packet)?;
            written += packet.len() as u64;
            count += 1;
        }
        anyhow::ensure!(!copy.is_empty(), "tcpdump recorded no packet");
    }
    out.flush()?;
    Ok(count)
}

/// Seconds that a command takes, with its output discarded, and its most memory in MiB.
fn time(program: &str, arguments: &[&str]) -> anyhow::Result<(f64, f64)> {
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let mut memory = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // Gone again, perhaps.
        if let Ok(now) = agent::memory_mib(child.id()) {
            memory = memory.max(now);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let seconds = start.elapsed().as_secs_f64();
    if status.success() {
        Ok((seconds, memory))
    } else {
        Err(io::Error::other(format!("{program} ended with {status}")).into())
    }
}
