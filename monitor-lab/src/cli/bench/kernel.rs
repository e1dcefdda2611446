//! `bench kernel`: nanoseconds per packet in the kernel programs, by test runs.

use std::thread;

use anyhow::anyhow;
use aya::maps::{MapData, RingBuf};
use monitor::kernel::{Kernel, LoadOptions, SlotKey};
use monitor::traffic::exposure_class::class;
use monitor_classify::{Exposure, Protocol};

use super::cases::{self, Case};
use super::pin;
use super::programs::{Hook, Programs, Target};
use super::report::{Median, Part, Row, Unit, differences, ratios};
use crate::cli::progress::Progress;

/// Options.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each measures every case once.
    pub(super) runs: u32,
    /// Packets in each measurement.
    pub(super) packets: u32,
    /// Only rows whose hook, packet and features contain this.
    pub(super) only: Option<String>,
}

/// Size in bytes of a ring that holds a sample of each of `packets`, because it is read only after a run.
fn ring_bytes(packets: u32) -> u32 {
    /// Most bytes that a sample takes in the ring.
    const SAMPLE: u32 = 512;
    packets
        .saturating_mul(SAMPLE)
        .clamp(1 << 20, 1 << 28)
        .next_power_of_two()
}

/// Runs the benchmark, on one CPU.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    // On a thread that ends afterwards, because threads and processes inherit the pinning.
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
            // The median of the round: the speed of the machine, with less noise than one measurement has.
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
    anyhow::ensure!(!rows.is_empty(), "no row matches --only");
    Ok(Part {
        name: "kernel",
        title: "In the kernel programs",
        method: format!(
            "Time of a packet in the kernel programs above that in an empty program of the same type, which is measured \
             beside it in each of {} interleaved rounds of {} packets (BPF_PROG_TEST_RUN, on one CPU). \"One packet\" \
             repeats the same hot packet. The other rows write a random flow and its VNI into each packet before the \
             program is called; the empty program gets the same packets. Goals are in look-ups, because nanoseconds \
             differ from machine to machine: one look-up in a per-CPU hash, measured in the same rounds, took {}. Many \
             flows and networks wait for memory, so those rows are compared with a program that counts the same packets \
             by three look-ups in hash maps, measured beside them.",
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

/// The interface of a packet of `BPF_PROG_TEST_RUN`: the loopback device (`net/bpf/test_run.c`).
const TEST_RUN_IFINDEX: u32 = 1;
/// Attempts to give every flow a verdict before a measurement.
const ATTEMPTS: usize = 32;

/// A case with its loaded programs and its measurements so far.
struct Bench {
    case: Case,
    hook: Hook,
    kernel: Kernel,
    ring: RingBuf<MapData>,
    floor: Vec<f64>,
    three_hashes: Vec<f64>,
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
            .ok_or_else(|| anyhow!("the kernel programs have no sample ring"))?;
        let flows = case.variety.map_or(1, |variety| variety.flows);
        let mut bench = Bench {
            case,
            hook,
            kernel,
            ring,
            floor: Vec::new(),
            three_hashes: Vec::new(),
            packet: Vec::new(),
        };
        // The first packets of a flow insert map entries, which is not measured. With 15 packets a flow all but one
        // in 20,000 flows have had three. Their samples may overflow the ring, which does not matter here.
        for target in [Target::Floor, Target::Reference] {
            let (frame, variety) = (&bench.case.frame, bench.case.variety);
            programs.time(hook, target, frame, variety, 1000)?;
        }
        bench.packet(flows.saturating_mul(15).max(1000), programs)?;
        if bench.case.goals.of_three_hashes.is_some() {
            bench.three_hashes(flows.saturating_mul(15).max(1000), programs)?;
        }
        // As the agent does with the busiest associations, every few seconds.
        bench.kernel.place_associations(&bench.kernel.esp()?)?;
        if (bench.case.features.options)().exposure {
            bench.set_verdicts(flows, programs)?;
        }
        Ok(bench)
    }

    /// Sets a verdict for every flow, as the agent does within milliseconds: the measurement is of the later packets of
    /// flows.
    fn set_verdicts(&mut self, flows: u32, programs: &mut Programs) -> anyhow::Result<()> {
        let verdict = class(Protocol::Http, Exposure::Plaintext);
        for _ in 0..ATTEMPTS {
            let waiting = self.kernel.flows.all()?;
            if waiting.len() as u64 * 1000 <= u64::from(flows) {
                return Ok(());
            }
            for (flow, state) in waiting {
                self.kernel.set_verdict(flow, verdict)?;
                let place = SlotKey {
                    ifindex: TEST_RUN_IFINDEX,
                    vni: state.network().0,
                    class: verdict,
                };
                self.kernel.give_slot(flow, place);
                self.kernel.flows.take(flow)?;
            }
            self.kernel.flows.publish()?;
            self.packet(flows.saturating_mul(5).max(1000), programs)?;
        }
        anyhow::bail!("the kernel's map does not keep the verdicts of {flows} flows")
    }

    /// Measures the case once. Returns the nanoseconds of one look-up meanwhile.
    fn measure(&mut self, packets: u32, programs: &mut Programs) -> anyhow::Result<f64> {
        // One right after the other, so that a disturbance of the machine affects all three.
        let (frame, variety) = (&self.case.frame, self.case.variety);
        let floor = programs.time(self.hook, Target::Floor, frame, variety, packets)?;
        let reference = programs.time(self.hook, Target::Reference, frame, variety, packets)?;
        let lost_before = self.kernel.state()?.ring_full;
        let packet = self.packet(packets, programs)?;
        let lost = self.kernel.state()?.ring_full - lost_before;
        anyhow::ensure!(
            lost == 0,
            "{lost} samples were lost, so the result would be that of a full ring: use fewer --packets"
        );
        if self.case.goals.of_three_hashes.is_some() {
            let three_hashes = self.three_hashes(packets, programs)?;
            self.three_hashes.push(three_hashes - floor);
        }
        self.floor.push(floor);
        self.packet.push(packet);
        Ok(reference - floor)
    }

    /// Nanoseconds per packet in the program with three look-ups in hash maps.
    fn three_hashes(&self, packets: u32, programs: &mut Programs) -> anyhow::Result<f64> {
        let (frame, variety) = (&self.case.frame, self.case.variety);
        programs.time(self.hook, Target::ThreeHashes, frame, variety, packets)
    }

    /// Nanoseconds per packet in the monitor's program.
    fn packet(&mut self, packets: u32, programs: &mut Programs) -> anyhow::Result<f64> {
        let (frame, variety) = (&self.case.frame, self.case.variety);
        let target = Target::Monitor(&mut self.kernel);
        let took = programs.time(self.hook, target, frame, variety, packets)?;
        // Not timed. The ring holds the samples of a whole run.
        while self.ring.next().is_some() {}
        Ok(took)
    }

    /// The row of the table. `look_up` has the nanoseconds of one look-up in each round.
    fn row(&self, look_up: &[f64]) -> Row {
        let labels = (
            self.case.name.clone(),
            self.hook.label(),
            self.case.features.label.to_owned(),
        );
        let added = differences(&self.packet, &self.floor);
        let row = Row::added(
            labels,
            &self.floor,
            &added,
            look_up,
            self.case.goals.look_ups,
        );
        match self.case.goals.of_three_hashes {
            None => row,
            goal => row.of_three_hashes(&ratios(&added, &self.three_hashes), goal),
        }
    }
}
