//! `bench kernel`: nanoseconds per packet in the kernel programs, by test runs.

use std::thread;
use std::time::Duration;

use super::cases::{self, Case};
use super::packets::Family;
use super::pin;
use super::prepared::Prepared;
use super::programs::{Hook, Programs, Reference};
use super::report::{Limit, Median, Part, Row, Unit, differences, ratios};
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

impl Plan {
    /// How long it takes on a quiet machine.
    pub(super) fn expected(&self) -> Duration {
        /// Nanoseconds of a packet in all programs that are measured beside each other, on average.
        const PACKET: f64 = 700.0;
        /// Seconds for the verdicts of a row, for each flow.
        const VERDICT: f64 = 40e-6;
        let mut seconds = 0.0;
        for hook in Hook::ALL {
            for case in cases::all().iter().filter(|case| self.wants(case, hook)) {
                let flows = case.variety.map_or(1, |variety| variety.flows);
                let packets = f64::from(self.runs) * f64::from(self.packets);
                seconds += packets * PACKET * 1e-9 + f64::from(flows) * VERDICT;
            }
        }
        Duration::from_secs_f64(seconds)
    }
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
        rows.extend(benches.iter().map(|bench| {
            let mut others = benches.iter();
            bench.row(&rounds, others.find(|other| bench.is_beside(other)))
        }));
    }
    anyhow::ensure!(!rows.is_empty(), "no row matches --only");
    Ok(Part {
        name: "kernel",
        title: "In the kernel programs",
        method: format!(
            "Time of a packet in the kernel programs above that in an empty program of the same type, which is measured \
             beside it in each of {} interleaved rounds of {} packets (BPF_PROG_TEST_RUN, on one CPU). \"One packet\" \
             repeats the same hot packet. The other rows write a random flow and its VNI into each packet before the \
             program is called, or, in bursts, into every eighth, and the same into the next seven; the empty program \
             gets the same packets. Goals are in look-ups, because nanoseconds \
             differ from machine to machine: one look-up in a per-CPU hash, measured in the same rounds, took {}. Many \
             flows and networks wait for memory, so those rows are compared with a program that counts the same packets \
             by three look-ups in hash maps, measured beside them. Rows of IPv6 are compared with the same row of IPv4, \
             measured right before in each round.",
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

/// A case with its measurements so far.
struct Bench {
    row: Prepared,
    floor: Vec<f64>,
    three_hashes: Vec<f64>,
    packet: Vec<f64>,
}

impl Bench {
    fn new(case: Case, hook: Hook, packets: u32, programs: &mut Programs) -> anyhow::Result<Bench> {
        Ok(Bench {
            row: Prepared::new(case, hook, packets, programs)?,
            floor: Vec::new(),
            three_hashes: Vec::new(),
            packet: Vec::new(),
        })
    }

    /// Measures the case once. Returns the nanoseconds of one look-up meanwhile.
    fn measure(&mut self, packets: u32, programs: &mut Programs) -> anyhow::Result<f64> {
        // One right after the other, so that a disturbance of the machine affects all of them.
        let floor = self.row.time(Reference::Floor, packets, programs)?;
        let look_up = self.row.time(Reference::LookUp, packets, programs)?;
        let lost_before = self.row.lost()?;
        let packet = self.row.packet(packets, programs)?;
        let lost = self.row.lost()? - lost_before;
        anyhow::ensure!(
            lost == 0,
            "{lost} samples were lost, so the result would be that of a full ring: use fewer --packets"
        );
        if self.row.has_three_hashes() {
            let three_hashes = self.row.time(Reference::ThreeHashes, packets, programs)?;
            self.three_hashes.push(three_hashes - floor);
        }
        self.floor.push(floor);
        self.packet.push(packet);
        Ok(look_up - floor)
    }

    /// Whether `other` is the same row with IPv4, with which it is compared.
    fn is_beside(&self, other: &Bench) -> bool {
        let (case, other) = (&self.row.case, &other.row.case);
        case.goals.of_ipv4.is_some()
            && other.family == Family::V4
            && other.variety == case.variety
            && other.features.label == case.features.label
    }

    /// The row of the table. `look_up` has the nanoseconds of one look-up in each round.
    fn row(&self, look_up: &[f64], with_ipv4: Option<&Bench>) -> Row {
        let case = &self.row.case;
        let labels = (
            case.name.clone(),
            self.row.hook.label(),
            case.features.label.to_owned(),
        );
        let goals = case.goals;
        let added = differences(&self.packet, &self.floor);
        let mut row = Row::added(labels, &self.floor, &added, look_up, goals.look_ups);
        if self.row.has_three_hashes() {
            let shares = ratios(&added, &self.three_hashes);
            row = row.of_three_hashes(&shares, goals.of_three_hashes);
        }
        if let Some(other) = with_ipv4 {
            let times = ratios(&added, &differences(&other.packet, &other.floor));
            row = row.compared("IPv4", &times, goals.of_ipv4.map(Limit::AtMost));
        }
        row
    }
}
