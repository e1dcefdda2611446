//! `bench live`: nanoseconds per packet on an interface, with everything that the kernel does with it.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use monitor_lab::{Host, Lab};

use super::cases::FEATURES;
use super::packets::{self, Family, Frame};
use super::pin;
use super::programs::{Hook, Programs, Reference, Target, Variety, wire_ifindex};
use super::report::{Counted, Limit, Median, Part, Row, Unit, differences, ratios};
use super::watcher::{Setup, Watcher, Watching};
use crate::cli::progress::Progress;

/// Options.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each measures every row once.
    pub(super) runs: u32,
    /// Frames in each measurement.
    pub(super) frames: u32,
    /// Path of overlay-monitor.
    pub(super) monitor: PathBuf,
}

impl Plan {
    /// How long it takes on a quiet machine.
    pub(super) fn expected(&self) -> Duration {
        /// Nanoseconds of a frame, on average.
        const FRAME: f64 = 1000.0;
        /// Starts and stops of the watchers of a round.
        const STARTS: f64 = 3.0;
        let frames = f64::from(self.frames + WARM_UP) * (2 * LOADS.len()) as f64;
        let round = STARTS + watchers().len() as f64 * frames * FRAME * 1e-9;
        Duration::from_secs_f64(f64::from(self.runs) * round)
    }
}

/// UDP port of the frames. Not 4789, on which the lab's VXLAN devices receive: nothing must process the packets.
const PORT: u16 = 8472;
/// Payload bytes of the inner TCP segment. Small packets are the most expensive case per byte.
const PAYLOAD: usize = 18;
/// Frames sent before each measurement, so that map entries exist and caches are warm; and again until all flows have a
/// verdict.
const WARM_UP: u32 = 40_000;

/// Parts of each measurement. Its result is their median, which ignores a part during which the CPU did other work. Each
/// begins after a pause: it must be so long that caches are cold for little of it.
const PARTS: u32 = 3;

/// Flows and VNIs, and the goal of what `run` does by default: at least this share of the packets per second is left.
const LOADS: &[(Variety, f64)] = &[
    (Variety::at_random(1, 1), 0.85),
    (Variety::at_random(4096, 4096), 0.80),
];

/// One measurement.
struct Measured {
    /// Nanoseconds per frame that arrived.
    packet: f64,
    /// CPU time of the watcher's process in percent of a core.
    cpu: f64,
    /// The watcher's count against the device's, if the watcher counts.
    counted: Option<Counted>,
}

/// The measurements of a row: a watcher under a load, and no watcher right before it.
#[derive(Default)]
struct Series {
    unwatched: Vec<f64>,
    packet: Vec<f64>,
    cpu: Vec<f64>,
    counted: Option<Counted>,
}

/// Runs the benchmark.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let setup = Setup {
        monitor: plan.monitor.clone(),
        port: PORT,
    };
    let lab = Lab::builder().quiet(true).build()?;
    // With GRO on, the veth takes frames from its peer in batches (NAPI), which live frames need; with an XDP program
    // it does so anyway. GRO merges none of these packets.
    lab.node2().run("ethtool", &["-K", "eth0", "gro", "on"])?;
    let flood = Flood {
        lab: &lab,
        ifindex: wire_ifindex(lab.node1())?,
        frame: packets::vxlan(Family::V4, PORT, PAYLOAD),
        frames: plan.frames,
    };
    let watchers = watchers();
    let mut programs = Programs::load()?;
    let mut series: Vec<Vec<Series>> = watchers
        .iter()
        .map(|_| LOADS.iter().map(|_| Series::default()).collect())
        .collect();
    let mut look_up = Vec::new();
    let mut progress = Progress::new("live frames through a veth pair", plan.runs);
    for round in 0..plan.runs as usize {
        look_up.push(one_look_up(&mut programs, &flood.frame)?);
        for place in 0..watchers.len() {
            // Each round begins with another watcher, so that none is always first.
            let at = (place + round) % watchers.len();
            let unwatched = setup.start(Watcher::Nothing, lab.node2(), &mut programs)?;
            for (load, series) in LOADS.iter().zip(&mut series[at]) {
                let measured = flood.measure(&mut programs, load.0, &unwatched)?;
                series.unwatched.push(measured.packet);
            }
            unwatched.stop()?;
            let watching = setup.start(watchers[at], lab.node2(), &mut programs)?;
            for (load, series) in LOADS.iter().zip(&mut series[at]) {
                series.add(&flood.measure(&mut programs, load.0, &watching)?);
            }
            watching.stop()?;
        }
        progress.step();
    }
    Ok(Part {
        name: "live",
        title: "On an interface",
        method: format!(
            "Time that a watcher adds to each packet, in {} interleaved rounds of {} frames of {} bytes (median of \
             {PARTS} parts). One CPU sends the frames through a veth pair (live frames of BPF_PROG_TEST_RUN) and does \
             the receiving kernel's work, until the stack drops them because no one has their address; so the time of \
             each packet that arrives is the whole cost. The base is that time without a watcher, measured right \
             before. Frames are sent beforehand until `run` has a verdict on every flow. Other CPUs are free for the programs that read. The row of tcpdump has its cost on the receiving \
             CPU, not its losses. Kept: packets per second, as a share of what arrives without a watcher; with `run` it is \
             compared with what is kept with nftables and tcpdump in the same rounds. Missed: difference between the \
             counts of the device and of the monitor; the goal is 0. CPU: time of the watcher's process. One look-up, for \
             scale, took {:.1} ns.",
            plan.runs,
            plan.frames,
            flood.frame.bytes.len(),
            Median::of(&look_up).median
        ),
        unit: Unit::AddedNanoseconds,
        rows: rows(&watchers, &series, &look_up),
    })
}

/// A flood of frames from node1 to node2.
struct Flood<'a> {
    lab: &'a Lab,
    ifindex: u32,
    frame: Frame,
    frames: u32,
}

impl Flood<'_> {
    fn measure(
        &self,
        programs: &mut Programs,
        variety: Variety,
        watching: &Watching<'_>,
    ) -> anyhow::Result<Measured> {
        let mut send = |frames| {
            self.lab.node1().enter(|| {
                pin::to_one_cpu()?;
                programs.send(&self.frame, variety, self.ifindex, frames)
            })?
        };
        let received = || arrived(self.lab.node2());
        // What is measured is the later packets of flows, as in `bench kernel`; `bench agent` measures their first ones.
        watching.until_flows_are_known(|| send(WARM_UP).map(drop))?;
        let (first, frames) = (received()?, self.frames / PARTS);
        let counted = watching.counted()?;
        let (cpu, start) = (watching.cpu(), Instant::now());
        let mut parts = Vec::new();
        for _ in 0..PARTS {
            let before = received()?;
            let took = send(frames)? * f64::from(frames);
            // Per frame that arrived, not per frame that was sent.
            parts.push(took / (received()? - before).max(1) as f64);
        }
        let cpu = (watching.cpu() - cpu).as_secs_f64() / start.elapsed().as_secs_f64();
        let packets = received()? - first;
        let counted = counted.zip(watching.counted()?);
        Ok(Measured {
            packet: Median::of(&parts).median,
            cpu: 100.0 * cpu,
            counted: counted.map(|(before, after)| Counted {
                packets,
                missed: packets.abs_diff(after - before),
            }),
        })
    }
}

impl Series {
    /// What is left of the packets per second in each round. On one CPU they are the inverse of the time of each.
    fn kept(&self) -> Vec<f64> {
        ratios(&self.unwatched, &self.packet)
    }

    fn add(&mut self, measured: &Measured) {
        self.packet.push(measured.packet);
        self.cpu.push(measured.cpu);
        if let Some(more) = measured.counted {
            let all = self.counted.get_or_insert_default();
            all.packets += more.packets;
            all.missed += more.missed;
        }
    }
}

fn watchers() -> Vec<Watcher> {
    let mut all = vec![Watcher::Empty(Hook::Tc)];
    all.extend(
        FEATURES
            .iter()
            .map(|features| Watcher::Monitor("tc", *features)),
    );
    all.push(Watcher::Empty(Hook::XdpFrags));
    all.extend(
        FEATURES
            .iter()
            .map(|features| Watcher::Monitor("xdp", *features)),
    );
    all.extend([Watcher::Nftables, Watcher::Tcpdump]);
    all
}

/// The rows of the table: each watcher under each load.
fn rows(watchers: &[Watcher], series: &[Vec<Series>], look_up: &[f64]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (watcher, loads) in watchers.iter().zip(series) {
        for (number, (load, with)) in LOADS.iter().zip(loads).enumerate() {
            let (who, hook, features) = watcher.labels();
            let (variety, kept) = load;
            let s = if variety.vnis == 1 { "" } else { "s" };
            let case = format!("{who}, {} VNI{s}", variety.vnis);
            let is_run = matches!(watcher, Watcher::Monitor(_, features) if features.by_flow);
            let added = differences(&with.packet, &with.unwatched);
            let labels = (case, hook, features);
            let mut row = Row::added(labels, &with.unwatched, &added, look_up, None)
                .with_kept(&with.kept(), is_run.then_some(*kept))
                .with_counted(with.counted);
            if is_run {
                for (other, loads) in watchers.iter().zip(series) {
                    let Some(name) = other.must_be_beaten() else {
                        continue;
                    };
                    let times = ratios(&with.kept(), &loads[number].kept());
                    row = row.compared(name, &times, Some(Limit::AtLeast(1.0)));
                }
            }
            row.cpu_percent = watcher.is_process().then(|| Median::of(&with.cpu));
            rows.push(row);
        }
    }
    rows
}

/// Packets that a host has received so far. Reads until the counter no longer changes, because the kernel may have left
/// the rest to a thread.
fn arrived(host: &Host) -> anyhow::Result<u64> {
    const PAUSE: Duration = Duration::from_millis(2);
    let mut last = host.device_stats("eth0")?.rx_packets;
    for _ in 0..500 {
        thread::sleep(PAUSE);
        let now = host.device_stats("eth0")?.rx_packets;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    bail!("packets keep arriving although none are sent")
}

/// Nanoseconds of one look-up at this moment.
fn one_look_up(programs: &mut Programs, frame: &Frame) -> anyhow::Result<f64> {
    const PACKETS: u32 = 200_000;
    let floor = programs.time(
        Hook::Tc,
        Target::Reference(Reference::Floor),
        frame,
        None,
        PACKETS,
    )?;
    let reference = programs.time(
        Hook::Tc,
        Target::Reference(Reference::LookUp),
        frame,
        None,
        PACKETS,
    )?;
    Ok(reference - floor)
}
