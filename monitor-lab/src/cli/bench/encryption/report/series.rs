//! The measurements of a row, and their medians.

use super::cost::CostRow;
use crate::cli::bench::encryption::load::Load;
use crate::cli::bench::encryption::measured::{Latency, Measured};
use crate::cli::bench::encryption::way::Way;
use crate::cli::bench::report::{Median, differences, ratios};

/// One load in one way, in all rounds.
#[derive(Debug)]
pub(in crate::cli::bench::encryption) struct Series {
    pub(in crate::cli::bench::encryption) way: Way,
    pub(in crate::cli::bench::encryption) load: Load,
    rounds: Vec<Measured>,
}

impl Series {
    /// Without measurements.
    pub(in crate::cli::bench::encryption) fn new(way: Way, load: Load) -> Series {
        Series {
            way,
            load,
            rounds: Vec::new(),
        }
    }

    /// Adds a round.
    pub(in crate::cli::bench::encryption) fn push(&mut self, measured: Measured) {
        self.rounds.push(measured);
    }

    /// Rounds so far.
    pub(in crate::cli::bench::encryption) fn len(&self) -> usize {
        self.rounds.len()
    }

    /// The rate of the last round.
    pub(in crate::cli::bench::encryption) fn last_rate(&self) -> Option<f64> {
        self.rounds.last().map(Measured::rate)
    }

    fn values(&self, of: impl Fn(&Measured) -> f64) -> Vec<f64> {
        self.rounds.iter().map(of).collect()
    }

    /// `None` unless all rounds have the value.
    fn median_of(&self, of: impl Fn(&Measured) -> Option<f64>) -> Option<Median> {
        let values: Option<Vec<f64>> = self.rounds.iter().map(of).collect();
        values
            .filter(|values| !values.is_empty())
            .map(|values| Median::of(&values))
    }

    /// The row. `all` has the row of plain VXLAN to which it is compared.
    pub(in crate::cli::bench::encryption) fn row(&self, all: &[Series]) -> CostRow {
        let plain = all.iter().find(|other| {
            other.load == self.load && other.way == Way::Vxlan && self.way != Way::Vxlan
        });
        let median = |of: fn(&Measured) -> f64| Median::of(&self.values(of));
        let latency = |of: fn(Latency) -> f64| self.median_of(|round| round.latency.map(of));
        let added = |plain: &Series| {
            let both = [self, plain].map(|series| series.values(Measured::cpu_per_million));
            Median::of(&differences(&both[0], &both[1]))
        };
        let kept = |plain: &Series| {
            let both = [self, plain].map(|series| series.values(Measured::rate));
            Median::of(&ratios(&both[0], &both[1]))
        };
        CostRow {
            way: self.way.name(),
            load: self.load.name(),
            way_label: self.way.label(),
            load_label: self.load.label(),
            streams: self.load.streams(),
            payload: self.load.payload(),
            held_out: self.load.is_held_out(),
            unit: self.load.unit(),
            rate: median(Measured::rate),
            rate_of_plain: plain.map(kept),
            cpu_seconds_per_gb: self.median_of(Measured::cpu_per_gb),
            cpu_seconds_per_million: median(Measured::cpu_per_million),
            receiver_cpu_seconds_per_million: self.median_of(Measured::receiver_cpu_per_million),
            interrupt_seconds_per_million: median(Measured::interrupts_per_million),
            added_cpu_seconds_per_million: plain.map(added),
            wire_bytes: median(Measured::wire_bytes_per_unit),
            frames_per_datagram: self.median_of(Measured::frames_per_datagram),
            p50: latency(|latency| latency.p50),
            p99: latency(|latency| latency.p99),
            p999: latency(|latency| latency.p999),
            lost: self.rounds.iter().map(|round| round.lost).sum(),
            dropped: self.rounds.iter().map(|round| round.used.dropped).sum(),
        }
    }
}
