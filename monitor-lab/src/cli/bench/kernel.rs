//! `bench kernel`: what a packet costs in the programs, by test runs.

use std::thread;

use anyhow::anyhow;
use aya::maps::{MapData, RingBuf};
use monitor::kernel::{Kernel, LoadOptions};
use monitor::traffic::exposure_class::class;
use monitor_classify::{Exposure, Protocol};

use super::cases::{self, Case};
use super::pin;
use super::programs::{Hook, Programs, Target};
use super::progress::Progress;
use super::report::{Part, Row, Unit};
use super::stats::{Median, differences};

/// How much of it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each measures every case once.
    pub(super) runs: u32,
    /// Packets in each measurement.
    pub(super) packets: u32,
    /// Only the cases whose name or hook contains this.
    pub(super) only: Option<String>,
}

/// A ring that holds every sample of so many packets, so that none is lost while nobody reads.
fn ring_bytes(packets: u32) -> u32 {
    const RECORD: u32 = 512;
    packets
        .saturating_mul(RECORD)
        .clamp(1 << 20, 1 << 28)
        .next_power_of_two()
}

/// Measures, on one CPU.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    // A thread of its own: whoever is started later shall not be kept there.
    let measured = thread::scope(|scope| scope.spawn(|| on_one_cpu(plan)).join());
    measured.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn on_one_cpu(plan: &Plan) -> anyhow::Result<Part> {
    pin::to_one_cpu()?;
    let mut programs = Programs::load()?;
    let mut rows = Vec::new();
    let mut look_ups = Vec::new();
    for hook in Hook::ALL {
        let wanted = cases::all()
            .into_iter()
            .filter(|case| plan.wants(case, hook));
        let mut benches = wanted
            .map(|case| Bench::new(case, hook, plan.packets, &mut programs))
            .collect::<Result<Vec<_>, _>>()?;
        if benches.is_empty() {
            continue;
        }
        let mut progress = Progress::new(&format!("kernel, {}", hook.label()), plan.runs);
        let mut rounds = Vec::new();
        for _ in 0..plan.runs {
            let mut look_up = Vec::new();
            for bench in &mut benches {
                look_up.push(bench.measure(plan.packets, &mut programs)?);
            }
            // The round's own: how fast the machine was, without the noise of a single measurement.
            rounds.push(Median::of(&look_up).median);
            progress.step();
        }
        let look_up = Median::of(&rounds);
        look_ups.push(format!(
            "{:.1} ns at {} ({:.1} to {:.1})",
            look_up.median,
            hook.label(),
            look_up.low,
            look_up.high
        ));
        rows.extend(benches.iter().map(|bench| bench.row(&rounds)));
    }
    anyhow::ensure!(!rows.is_empty(), "no case has such a name");
    Ok(Part {
        name: "kernel",
        title: "In the programs",
        method: format!(
            "What a packet costs in the kernel programs above an empty program of the same type, measured beside \
             it in each of {} interleaved rounds of {} packets (BPF_PROG_TEST_RUN, on one CPU). \"One packet\" is \
             the same hot packet over and over. The others write another flow, drawn at random, and its VNI into \
             each packet before the program is called; the empty program gets the same packets. Goals are in \
             look-ups, since nanoseconds differ from machine to machine: one look-up in a per-CPU hash, measured \
             in the same rounds, took {}.",
            plan.runs,
            plan.packets,
            look_ups.join(", ")
        ),
        unit: Unit::AddedNanoseconds,
        rows,
    })
}

impl Plan {
    fn wants(&self, case: &Case, hook: Hook) -> bool {
        self.only.as_ref().is_none_or(|only| {
            format!("{}: {}; {}", hook.label(), case.name, case.features.label).contains(only)
        })
    }
}

/// How often flows without a verdict are looked for before a measurement.
const JUDGED: usize = 32;

/// A case, loaded, with what was measured so far.
struct Bench {
    case: Case,
    hook: Hook,
    kernel: Kernel,
    ring: RingBuf<MapData>,
    floor: Vec<f64>,
    packet: Vec<f64>,
}

impl Bench {
    fn new(case: Case, hook: Hook, packets: u32, programs: &mut Programs) -> anyhow::Result<Bench> {
        let options = (case.features.options)();
        let samples_all = options.sample_every == 1;
        let mut kernel = Kernel::new(&LoadOptions {
            ring_bytes: ring_bytes(if samples_all { packets } else { 0 }),
            ..options
        })?;
        let ring = kernel
            .take_samples()
            .ok_or_else(|| anyhow!("no sample ring"))?;
        let flows = case.variety.map_or(1, |variety| variety.flows);
        let mut bench = Bench {
            case,
            hook,
            kernel,
            ring,
            floor: Vec::new(),
            packet: Vec::new(),
        };
        // The first packets make their map entries, which no later one does: so often that all but one flow
        // in 20,000 came three times. Its samples find the ring full, which is no matter here.
        for target in [Target::Floor, Target::Reference] {
            let (frame, variety) = (&bench.case.frame, bench.case.variety);
            programs.time(hook, target, frame, variety, 1000)?;
        }
        bench.packet(flows.saturating_mul(15).max(1000), programs)?;
        if (bench.case.features.options)().exposure {
            bench.judge(flows, programs)?;
        }
        Ok(bench)
    }

    /// Gives every flow its verdict, as the agent does within milliseconds: what is measured is what a flow
    /// costs for the rest of its life.
    fn judge(&mut self, flows: u32, programs: &mut Programs) -> anyhow::Result<()> {
        let verdict = class(Protocol::Http, Exposure::Plaintext);
        for _ in 0..JUDGED {
            let waiting = self.kernel.flows()?;
            if waiting.len() as u64 * 1000 <= u64::from(flows) {
                return Ok(());
            }
            for (flow, _) in waiting {
                self.kernel.set_verdict(flow, verdict)?;
                self.kernel.take_flow(flow)?;
            }
            self.packet(flows.saturating_mul(5).max(1000), programs)?;
        }
        anyhow::bail!("the verdicts on {flows} flows do not stay in the kernel's map")
    }

    /// Gives what one look-up took meanwhile.
    fn measure(&mut self, packets: u32, programs: &mut Programs) -> anyhow::Result<f64> {
        // Side by side, so that what disturbs the machine disturbs all three.
        let (frame, variety) = (&self.case.frame, self.case.variety);
        let floor = programs.time(self.hook, Target::Floor, frame, variety, packets)?;
        let reference = programs.time(self.hook, Target::Reference, frame, variety, packets)?;
        let lost_before = self.kernel.state()?.ring_full;
        let packet = self.packet(packets, programs)?;
        let lost = self.kernel.state()?.ring_full - lost_before;
        anyhow::ensure!(
            lost == 0,
            "{lost} samples lost: take fewer --packets, or it measures a full ring"
        );
        self.floor.push(floor);
        self.packet.push(packet);
        Ok(reference - floor)
    }

    fn packet(&mut self, packets: u32, programs: &mut Programs) -> anyhow::Result<f64> {
        let (frame, variety) = (&self.case.frame, self.case.variety);
        let target = Target::Real(&mut self.kernel);
        let took = programs.time(self.hook, target, frame, variety, packets)?;
        // Not timed: the ring holds a whole run.
        while self.ring.next().is_some() {}
        Ok(took)
    }

    /// `look_up`: nanoseconds of one look-up in each round.
    fn row(&self, look_up: &[f64]) -> Row {
        let labels = (
            self.case.name.clone(),
            self.hook.label(),
            self.case.features.label.to_owned(),
        );
        let goal = self.case.goal.map(|goal| goal * self.hook.allowance());
        let added = differences(&self.packet, &self.floor);
        Row::added(labels, &self.floor, &added, look_up, goal)
    }
}
