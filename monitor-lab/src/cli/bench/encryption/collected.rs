//! What has been measured so far, by way and load.

use anyhow::{Context, ensure};
use monitor_lab::WIRE_MTU;

use super::crypto;
use super::load::Load;
use super::measured::Measured;
use super::report::{CostReport, Facts, LeftOut, Run, Series, TwoMachines, WayFacts};
use super::way::Way;
use crate::cli::bench::report::Machine;

/// Most rounds: as of `--runs`.
const ROUNDS: usize = 1001;

/// The result so far.
pub(super) struct Collected {
    run: Run,
    ways: Vec<(Way, WayFacts)>,
    left_out: Vec<LeftOut>,
    pub(super) rows: Vec<Series>,
}

impl Collected {
    /// Nothing yet.
    pub(super) fn new(run: Run) -> Collected {
        Collected {
            run,
            ways: Vec::new(),
            left_out: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// A way that will be measured.
    pub(super) fn add(&mut self, way: Way, facts: Facts) -> anyhow::Result<()> {
        ensure!(
            self.rows.is_empty() && self.ways.iter().all(|(other, _)| *other != way),
            "a way was set up twice, or late"
        );
        self.ways.push((way, WayFacts::new(way, facts)));
        Ok(())
    }

    /// One that will not, and why.
    pub(super) fn leave_out(&mut self, way: Way, why: String) {
        eprintln!("left out: {}: {why}", way.label());
        self.left_out.retain(|left| left.way != way.name());
        self.left_out.push(LeftOut::new(way, why));
    }

    /// Makes a row for each load in each way, once all ways are known.
    pub(super) fn begin(&mut self) {
        let loads = match self.run.check_forecast {
            true => Load::of_forecast(),
            false => Load::of_bench(self.run.quick),
        };
        for load in loads {
            let ways = self.ways.iter().map(|(way, _)| *way);
            self.rows.extend(
                ways.filter(|way| load.applies_to(*way))
                    .map(|way| Series::new(way, load)),
            );
        }
    }

    /// Adds a measurement.
    pub(super) fn push(&mut self, way: Way, load: Load, measured: Measured) -> anyhow::Result<()> {
        if self.rows.is_empty() {
            self.begin();
        }
        let row = self
            .rows
            .iter_mut()
            .find(|row| row.way == way && row.load == load);
        let row = row.context("a measurement of a way that was not set up")?;
        ensure!(row.len() < ROUNDS, "too many rounds");
        row.push(measured);
        Ok(())
    }

    /// The report.
    pub(super) fn report(
        self,
        machine: Machine,
        two_machines: Option<TwoMachines>,
        rounds: u32,
        seconds: f64,
    ) -> CostReport {
        CostReport {
            schema: 1,
            machine,
            two_machines,
            quick: self.run.quick,
            rounds,
            milliseconds: self.run.milliseconds,
            seconds,
            wire_mtu: WIRE_MTU,
            offloads: self.run.offloads,
            aes_instructions: crypto::aes_instructions(),
            rows: self
                .rows
                .iter()
                .filter(|row| row.len() > 0)
                .map(|row| row.row(&self.rows))
                .collect(),
            ways: self.ways.into_iter().map(|(_, facts)| facts).collect(),
            left_out: self.left_out,
        }
    }
}
