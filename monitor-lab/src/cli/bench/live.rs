//! `bench live`: what a packet costs on a real interface, all that the kernel does with it included.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use monitor_lab::{Host, Lab};

use super::cases::FEATURES;
use super::packets::{self, Family, Frame};
use super::pin;
use super::programs::{Hook, Programs, Target, Variety};
use super::progress::Progress;
use super::report::{Counted, Part, Row, Unit};
use super::stats::{Median, differences, ratios};
use super::watcher::{Setup, Watcher, Watching};

/// How much of it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each measures every row once.
    pub(super) runs: u32,
    /// Frames in each measurement.
    pub(super) frames: u32,
    /// The monitor's program.
    pub(super) monitor: PathBuf,
}

/// Not 4789, which the lab's own VXLAN devices listen on: nothing shall be done with the packets.
const PORT: u16 = 8472;
/// Bytes of the inner TCP segment: small packets are the hard case.
const PAYLOAD: usize = 18;
/// Frames sent before each measurement, so that map entries and caches are as later.
const WARM_UP: u32 = 40_000;

/// Pieces that each measurement is made of; their median counts, so that a moment in which the CPU did something
/// else does not.
const PIECES: u32 = 5;

/// How many VNIs, and what that may add at TCX and at XDP: nanoseconds on the machine for which the goals were
/// set.
const LOADS: &[(Variety, f64, f64)] = &[
    (Variety { flows: 1, vnis: 1 }, 35.0, 15.0),
    (
        Variety {
            flows: 4096,
            vnis: 4096,
        },
        50.0,
        30.0,
    ),
];

/// One measurement.
struct Measured {
    /// Nanoseconds for each frame that arrived.
    packet: f64,
    /// CPU of the watcher's process, in percent of a core.
    cpu: f64,
    /// The watcher's count against the device's, if it has one.
    counted: Option<Counted>,
}

/// What a row is made of: one watcher under one load, and nobody right before it.
#[derive(Default)]
struct Series {
    nobody: Vec<f64>,
    packet: Vec<f64>,
    cpu: Vec<f64>,
    counted: Option<Counted>,
}

/// Measures.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let setup = Setup {
        monitor: plan.monitor.clone(),
        port: PORT,
    };
    let lab = Lab::builder().quiet(true).build()?;
    // Makes the veth take frames from its peer's queue in batches (NAPI), which live frames need, and which it
    // does anyway with an XDP program. No packet here is of those that GRO joins.
    lab.node2().run("ethtool", &["-K", "eth0", "gro", "on"])?;
    let flood = Flood {
        lab: &lab,
        ifindex: super::ifindex(lab.node1())?,
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
            // Another begins each round, so that nobody always comes first.
            let at = (place + round) % watchers.len();
            let nobody = setup.start(Watcher::Nobody, lab.node2(), &mut programs)?;
            for (load, series) in LOADS.iter().zip(&mut series[at]) {
                let measured = flood.measure(&mut programs, load.0, &nobody)?;
                series.nobody.push(measured.packet);
            }
            nobody.stop()?;
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
            "What each packet takes longer than with nobody watching, measured right before, in {} interleaved \
             rounds of {} frames of {} bytes (the median of five pieces). One CPU sends them through a veth pair \
             (live frames of BPF_PROG_TEST_RUN) and does all that the receiver's kernel does with them, until the \
             stack drops them, since they are for nobody; so the time for each packet that arrives is the whole \
             cost. The base is that time with nobody watching. Other CPUs are free for the programs that read. \
             tcpdump's row has what it costs the CPU that receives, not what it loses. \"Kept\" is what arrived \
             per second, of what arrives with nobody watching; missed is what arrived by the device's own counter \
             and not by the monitor's; CPU is that of the watcher's own process. One look-up, for scale, took \
             {:.1} ns.",
            plan.runs,
            plan.frames,
            flood.frame.bytes.len(),
            Median::of(&look_up).median
        ),
        unit: Unit::AddedNanoseconds,
        rows: rows(&watchers, &series, &look_up),
    })
}

/// Many frames from node1 to node2.
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
        send(WARM_UP)?;
        let (first, frames) = (received()?, self.frames / PIECES);
        let counted = watching.counted()?;
        let (cpu, start) = (watching.cpu(), Instant::now());
        let mut pieces = Vec::new();
        for _ in 0..PIECES {
            let before = received()?;
            let took = send(frames)? * f64::from(frames);
            // What each one took that arrived.
            pieces.push(took / (received()? - before).max(1) as f64);
        }
        let cpu = (watching.cpu() - cpu).as_secs_f64() / start.elapsed().as_secs_f64();
        let packets = received()? - first;
        let counted = counted.zip(watching.counted()?);
        Ok(Measured {
            packet: Median::of(&pieces).median,
            cpu: 100.0 * cpu,
            counted: counted.map(|(before, after)| Counted {
                packets,
                missed: packets.abs_diff(after - before),
            }),
        })
    }
}

impl Series {
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

/// Every watcher under every load.
fn rows(watchers: &[Watcher], series: &[Vec<Series>], look_up: &[f64]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (watcher, loads) in watchers.iter().zip(series) {
        for (load, with) in LOADS.iter().zip(loads) {
            let (who, hook, features) = watcher.labels();
            let (variety, tcx, xdp) = load;
            let s = if variety.vnis == 1 { "" } else { "s" };
            let case = format!("{who}, {} VNI{s}", variety.vnis);
            let goal = match watcher {
                Watcher::Monitor("xdp", _) => Some(*xdp),
                Watcher::Monitor(..) => Some(*tcx),
                _ => None,
            };
            let added = differences(&with.packet, &with.nobody);
            let mut row = Row::added((case, hook, features), &with.nobody, &added, look_up, goal);
            // Packets per second on one CPU are the inverse of the time of each.
            row.kept = Some(Median::of(&ratios(&with.nobody, &with.packet)));
            row.cpu_percent = watcher.is_process().then(|| Median::of(&with.cpu));
            row.counted = with.counted;
            rows.push(row);
        }
    }
    rows
}

/// Packets that a host has received so far: read until it stands still, since the kernel may have put the rest
/// off to a thread.
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
    bail!("packets still arrive, and nobody sends any")
}

/// What one look-up takes now.
fn one_look_up(programs: &mut Programs, frame: &Frame) -> anyhow::Result<f64> {
    const PACKETS: u32 = 200_000;
    let floor = programs.time(Hook::Tc, Target::Floor, frame, None, PACKETS)?;
    let reference = programs.time(Hook::Tc, Target::Reference, frame, None, PACKETS)?;
    Ok(reference - floor)
}
