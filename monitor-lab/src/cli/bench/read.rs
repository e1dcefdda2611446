//! `bench read`: time to read a capture file, beside tcpdump and tshark.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use monitor_lab::Lab;

use super::memory;
use super::report::{Part, Row, Unit, ratios};
use crate::cli::progress::Progress;

/// Options.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; in each, every program reads the file once.
    pub(super) runs: u32,
    /// Size of the file in MiB.
    pub(super) mebibytes: u64,
    /// Path of overlay-monitor.
    pub(super) monitor: PathBuf,
}

impl Plan {
    /// How long it takes on a quiet machine.
    pub(super) fn expected(&self) -> Duration {
        /// Of a GiB in a round: nearly all of it is tshark.
        const GIB: f64 = 60.0;
        let gib = self.mebibytes as f64 / 1024.0;
        Duration::from_secs_f64(f64::from(self.runs) * gib * GIB)
    }
}

/// Pages that are fetched for the capture: HTTP to the web app, and Redis from there.
const PAGES: usize = 20;
/// Bytes of the header of a pcap file (pcap-savefile(5)).
const FILE_HEADER: usize = 24;
/// Bytes of the header of each packet.
const PACKET_HEADER: usize = 16;
/// Offset in the frame of the inner IPv4 addresses: after Ethernet, IPv4, UDP, VXLAN, Ethernet, and 12 bytes of IPv4.
const INNER_ADDRESSES: usize = 14 + 20 + 8 + 8 + 14 + 12;

/// A file that is removed when this is dropped.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Runs the benchmark.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let folder = std::env::temp_dir();
    let file = TemporaryFile(folder.join(format!("overlay-lab-read-{}.pcap", std::process::id())));
    let captured = capture(&file.0)?;
    let packets = repeat(&captured, plan.mebibytes << 20, &file.0)?;
    let monitor = plan
        .monitor
        .to_str()
        .context("the path of overlay-monitor is not UTF-8")?;
    let path = file
        .0
        .to_str()
        .context("the path of the capture file is not UTF-8")?;
    let mut took: [Vec<f64>; 3] = Default::default();
    let mut memory = Vec::new();
    let mut progress = Progress::new("reading of capture files", plan.runs);
    // Not measured: brings the file into the page cache.
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
             discarded, beside `tcpdump -nn -r` and `tshark -r` for the same file, in turn, in {} rounds. The file is \
             a capture of the lab (HTTP and Redis in VXLAN), repeated with other inner addresses: {packets} packets.",
            plan.mebibytes, plan.runs
        ),
        unit: Unit::Value,
        rows: vec![
            Row::value(labels("seconds"), ours, None),
            Row::value(labels("million packets a second"), &rate, None),
            Row::value(
                labels("share of the time of tcpdump"),
                &ratios(ours, tcpdump),
                Some(1.0),
            ),
            Row::value(
                labels("share of the time of tshark"),
                &ratios(ours, tshark),
                Some(0.1),
            ),
            Row::value(labels("memory (RSS), MiB"), &memory, None),
        ],
    })
}

/// Captures a conversation on the lab's wire: the bytes of a pcap file of tcpdump.
fn capture(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut lab = Lab::builder().quiet(true).build()?;
    lab.start_redis()?;
    lab.start_web()?;
    let mut command = lab.node1().command("tcpdump")?;
    command
        .args(["-i", "eth0", "-U", "-s", "0", "-w"])
        .arg(path);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let tcpdump = lab.node1().spawn(command)?;
    let start = Instant::now();
    while !fs::metadata(path).is_ok_and(|meta| meta.len() != 0) {
        anyhow::ensure!(
            start.elapsed() < Duration::from_secs(30),
            "tcpdump did not start to write"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    lab.http_get(PAGES)?;
    std::thread::sleep(Duration::from_secs(1));
    drop(tcpdump);
    Ok(fs::read(path)?)
}

/// Repeats a capture, each time with other inner addresses, up to a length in bytes. Returns the number of packets.
fn repeat(captured: &[u8], length: u64, path: &Path) -> anyhow::Result<u64> {
    let (header, mut packets) = captured
        .split_at_checked(FILE_HEADER)
        .context("tcpdump captured nothing")?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(header)?;
    // Each packet with its header, whose fields are in the byte order of this machine; and whether it has an overlay's
    // addresses.
    let mut copy: Vec<(Vec<u8>, bool)> = Vec::new();
    while let Some((head, rest)) = packets.split_first_chunk::<PACKET_HEADER>() {
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
                    let at = PACKET_HEADER + INNER_ADDRESSES + end + 1;
                    packet[at] = high;
                    packet[at + 1] = low;
                }
            }
            out.write_all(packet)?;
            written += packet.len() as u64;
            count += 1;
        }
        anyhow::ensure!(!copy.is_empty(), "tcpdump captured no packet");
    }
    out.flush()?;
    Ok(count)
}

/// Runs a command with its output discarded. Returns its time in seconds and its largest resident memory in MiB.
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
        // Fails when the process has just ended.
        if let Ok(now) = memory::resident_mib(child.id()) {
            memory = memory.max(now);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let seconds = start.elapsed().as_secs_f64();
    if status.success() {
        Ok((seconds, memory))
    } else {
        Err(io::Error::other(format!("{program} exited with {status}")).into())
    }
}
