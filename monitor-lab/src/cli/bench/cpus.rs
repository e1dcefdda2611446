//! `bench cpus`: nanoseconds per packet with one CPU counting, and with two at once, on the same programs and maps.

use std::thread;
use std::time::Duration;

use super::cases::{self, Case};
use super::pin;
use super::prepared::Prepared;
use super::programs::{Hook, Programs, Reference};
use super::report::{Median, Part, Row, Unit, differences, ratios};
use crate::cli::progress::Progress;

/// Options.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; each measures every row once.
    pub(super) runs: u32,
    /// Packets in each measurement.
    pub(super) packets: u32,
}

/// Hooks that are measured.
const HOOKS: [Hook; 2] = [Hook::Xdp, Hook::Tc];
/// CPUs that count at once.
const AT_ONCE: usize = 2;

impl Plan {
    /// How long it takes on a quiet machine.
    pub(super) fn expected(&self) -> Duration {
        /// Nanoseconds of a packet in all programs, on average, alone and at once.
        const PACKET: f64 = 2000.0;
        /// Seconds to prepare all rows of a hook.
        const SET_UP: f64 = 8.0;
        let packets = f64::from(self.runs) * f64::from(self.packets);
        let rows = (HOOKS.len() * cases::on_two_cpus().len()) as f64;
        Duration::from_secs_f64(HOOKS.len() as f64 * SET_UP + rows * packets * PACKET * 1e-9)
    }
}

/// Whether this process may use two CPUs.
pub(super) fn is_possible() -> bool {
    pin::allowed().is_ok_and(|cpus| cpus.len() >= AT_ONCE)
}

/// Runs the benchmark.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let cpus = pin::allowed()?;
    anyhow::ensure!(
        cpus.len() >= AT_ONCE,
        "two CPUs are needed, and this process may use {}",
        cpus.len()
    );
    // On a thread that ends afterwards, because threads and processes inherit the pinning.
    let measured = thread::scope(|scope| scope.spawn(|| measure(plan, &cpus)).join());
    measured.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn measure(plan: &Plan, cpus: &[usize]) -> anyhow::Result<Part> {
    let (measured, others) = (cpus[0], &cpus[1..AT_ONCE]);
    pin::to(measured)?;
    let mut programs = Programs::load()?;
    let (mut rows, mut inside) = (Vec::new(), Vec::new());
    for hook in HOOKS {
        let mut benches = cases::on_two_cpus()
            .into_iter()
            .map(|case| Bench::new(case, hook, plan.packets, &mut programs))
            .collect::<Result<Vec<_>, _>>()?;
        let mut progress = Progress::new(&format!("two CPUs, {}", hook.label()), plan.runs);
        for _ in 0..plan.runs {
            for bench in &mut benches {
                bench
                    .alone
                    .measure(&mut bench.row, plan, &[], &mut programs)?;
                let share = bench
                    .at_once
                    .measure(&mut bench.row, plan, others, &mut programs)?;
                inside.push(share);
            }
            progress.step();
        }
        rows.extend(benches.iter().flat_map(Bench::rows));
    }
    Ok(Part {
        name: "cpus",
        title: "With two CPUs at once",
        method: format!(
            "Time of a packet as in the first table, in {} interleaved rounds of {} packets: on one CPU while no other \
             counts, and while a second one counts packets of the same flows, drawn by itself, on the same programs and \
             maps. The second one was in its program for {:.0} % of the time. Empty program, one look-up and three \
             look-ups run on both as well. Where both are threads of one core, they are slower at once whatever they \
             do, as the base shows.",
            plan.runs,
            plan.packets,
            100.0 * Median::of(&inside).median
        ),
        unit: Unit::AddedNanoseconds,
        rows,
    })
}

/// A case with its measurements so far.
struct Bench {
    row: Prepared,
    alone: Series,
    at_once: Series,
}

/// Nanoseconds per packet in each round.
#[derive(Default)]
struct Series {
    floor: Vec<f64>,
    look_up: Vec<f64>,
    three_hashes: Vec<f64>,
    packet: Vec<f64>,
}

impl Series {
    /// Measures once, while `others` run the same programs. Returns the least share of the time in which they did.
    fn measure(
        &mut self,
        row: &mut Prepared,
        plan: &Plan,
        others: &[usize],
        programs: &mut Programs,
    ) -> anyhow::Result<f64> {
        let mut least = 1.0f64;
        let mut note = |(took, share): (f64, f64)| {
            least = least.min(share);
            took
        };
        let mut time = |which, programs: &mut Programs| {
            row.time_beside(Some(which), plan.packets, others, programs)
                .map(&mut note)
        };
        let floor = time(Reference::Floor, programs)?;
        let look_up = time(Reference::LookUp, programs)?;
        let three_hashes = time(Reference::ThreeHashes, programs)?;
        let packet = row.time_beside(None, plan.packets, others, programs)?;
        self.packet.push(note(packet));
        self.floor.push(floor);
        self.look_up.push(look_up - floor);
        self.three_hashes.push(three_hashes - floor);
        Ok(least)
    }

    fn added(&self) -> Vec<f64> {
        differences(&self.packet, &self.floor)
    }
}

impl Bench {
    fn new(case: Case, hook: Hook, packets: u32, programs: &mut Programs) -> anyhow::Result<Bench> {
        Ok(Bench {
            row: Prepared::new(case, hook, packets, programs)?,
            alone: Series::default(),
            at_once: Series::default(),
        })
    }

    fn rows(&self) -> [Row; 2] {
        let case = &self.row.case;
        let row = |cpus: &str, series: &Series| {
            let labels = (
                format!("{}, {cpus}", case.name),
                self.row.hook.label(),
                case.features.label.to_owned(),
            );
            let added = series.added();
            Row::added(labels, &series.floor, &added, &series.look_up, None)
                .of_three_hashes(&ratios(&added, &series.three_hashes), None)
        };
        let times = ratios(&self.at_once.added(), &self.alone.added());
        [
            row("1 CPU", &self.alone),
            row("2 CPUs at once", &self.at_once).compared("1 CPU", &times, None),
        ]
    }
}
