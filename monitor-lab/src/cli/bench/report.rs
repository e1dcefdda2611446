//! What was measured, in one shape for the table, the plot, the document and JSON.

use serde::Serialize;

use super::machine::Machine;
use super::stats::{Median, Verdict};

/// What one look-up in a per-CPU hash costs on the machine for which the goals were set, in nanoseconds. A
/// goal in look-ups means the same on every machine; one in nanoseconds does not.
const GOAL_LOOK_UP_NS: f64 = 6.0;

/// All that a call has measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Version of this shape.
    pub(super) schema: u32,
    /// Where it was measured.
    pub(super) machine: Machine,
    /// By method.
    pub(super) parts: Vec<Part>,
}

/// What was measured by one method.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// As on the command line: `kernel`, `live`, `iperf`, `agent`, `classify` or `read`.
    pub(super) name: &'static str,
    /// A heading.
    pub(super) title: &'static str,
    /// What the numbers are, and how they came about: a paragraph.
    pub(super) method: String,
    /// What the numbers of all rows are.
    pub(super) unit: Unit,
    /// The table.
    pub(super) rows: Vec<Row>,
}

/// What [`Row::measured`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Unit {
    /// Nanoseconds per packet more than the base.
    AddedNanoseconds,
    /// Part of the base that is left.
    Ratio,
    /// What the row says; there is no base.
    Value,
}

/// One row of a table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// What kind of packet, or who watches.
    pub(super) case: String,
    /// Where it is seen.
    pub(super) hook: &'static str,
    /// What is switched on.
    pub(super) features: String,
    /// What it is compared with, in the same runs: nanoseconds per packet, or a rate.
    pub(super) base: Median,
    /// The result, in the part's unit.
    pub(super) measured: Median,
    /// The same in look-ups in a per-CPU hash, measured in the same runs.
    pub(super) look_ups: Option<Median>,
    /// The goal: look-ups at most, or a ratio at least.
    pub(super) goal: Option<f64>,
    /// What is to be said of it.
    pub(super) verdict: Option<Verdict>,
    /// Packets that the watcher should have counted, and how many it did not.
    pub(super) counted: Option<Counted>,
    /// What is kept of the packets per second of the base ([`Unit::AddedNanoseconds`]).
    pub(super) kept: Option<Median>,
    /// CPU of the watcher's own process, in percent of a core.
    pub(super) cpu_percent: Option<Median>,
    /// Part of the packets that a watcher says it had no room for, in percent.
    pub(super) dropped_percent: Option<f64>,
}

/// A watcher's count against the device's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counted {
    /// Packets that there were, by the device's own counter.
    pub(super) packets: u64,
    /// By how many the watcher's count differs.
    pub(super) missed: u64,
}

impl Row {
    /// A row of nanoseconds per packet. `goal` is in nanoseconds of the machine for which goals were set.
    pub(super) fn added(
        labels: (String, &'static str, String),
        base: &[f64],
        added: &[f64],
        look_up: &[f64],
        goal: Option<f64>,
    ) -> Row {
        let in_look_ups: Vec<f64> = added
            .iter()
            .zip(look_up)
            .map(|(added, look_up)| added / look_up.max(1.0))
            .collect();
        let look_ups = Median::of(&in_look_ups);
        let goal = goal.map(|goal| goal / GOAL_LOOK_UP_NS);
        Row {
            look_ups: Some(look_ups),
            goal,
            verdict: goal.map(|goal| Verdict::at_most(&look_ups, goal)),
            ..Row::new(labels, base, added)
        }
    }

    /// A row of what is left of a rate.
    pub(super) fn kept(
        labels: (String, &'static str, String),
        base: &[f64],
        ratios: &[f64],
        goal: Option<f64>,
    ) -> Row {
        let row = Row::new(labels, base, ratios);
        Row {
            goal,
            verdict: goal.map(|goal| Verdict::at_least(&row.measured, goal)),
            ..row
        }
    }

    /// A row of something that shall be small. `goal` is in the same unit.
    pub(super) fn value(
        labels: (String, &'static str, String),
        values: &[f64],
        goal: Option<f64>,
    ) -> Row {
        let row = Row::new(labels, &[], values);
        Row {
            goal,
            verdict: goal.map(|goal| Verdict::at_most(&row.measured, goal)),
            ..row
        }
    }

    fn new(labels: (String, &'static str, String), base: &[f64], measured: &[f64]) -> Row {
        let (case, hook, features) = labels;
        Row {
            case,
            hook,
            features,
            base: Median::of(base),
            measured: Median::of(measured),
            look_ups: None,
            goal: None,
            verdict: None,
            counted: None,
            kept: None,
            cpu_percent: None,
            dropped_percent: None,
        }
    }

    /// The verdict, whether there is anything but noise, and what else is known: for the last column.
    pub(super) fn remark(&self, unit: Unit) -> String {
        let nothing = match unit {
            Unit::AddedNanoseconds | Unit::Value => 0.0,
            Unit::Ratio => 1.0,
        };
        let mut words: Vec<String> = Vec::new();
        words.extend(self.verdict.map(|verdict| verdict.label().to_owned()));
        if !self.measured.tells() {
            words.push("too few rounds".to_owned());
        } else if !self.measured.differs_from(nothing) {
            words.push("within the noise".to_owned());
        }
        if let Some(kept) = self.kept {
            words.push(format!("kept {:.2}", kept.median));
        }
        if let Some(Counted { packets, missed }) = self.counted {
            words.push(format!("missed {missed} of {packets}"));
        }
        if let Some(cpu) = self.cpu_percent {
            words.push(format!(
                "CPU {:.1} % ({:.1} to {:.1})",
                cpu.median, cpu.low, cpu.high
            ));
        }
        if let Some(percent) = self.dropped_percent {
            words.push(format!("dropped {percent:.1} %"));
        }
        words.join("; ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn labels() -> (String, &'static str, String) {
        (
            "IPv4 <VXLAN> & more".to_owned(),
            "XDP",
            "features".to_owned(),
        )
    }

    /// A part with a row that met its goal, and one without.
    pub(in super::super) fn part(unit: Unit) -> Part {
        let some = [10.0; 21];
        Part {
            name: "kernel",
            title: "In the programs",
            method: "How it was measured.".to_owned(),
            unit,
            rows: match unit {
                Unit::AddedNanoseconds => vec![
                    Row::added(labels(), &some, &some, &some, Some(8.0)),
                    Row::added(labels(), &some, &some, &some, None),
                ],
                Unit::Ratio => vec![Row::kept(labels(), &some, &[0.99; 21], Some(0.97))],
                Unit::Value => vec![Row::value(labels(), &some, Some(100.0))],
            },
        }
    }

    /// A report with a part of two units.
    pub(in super::super) fn report() -> Report {
        Report {
            schema: 1,
            machine: Machine::of_this_run("2026-01-01".to_owned()),
            parts: vec![part(Unit::AddedNanoseconds), part(Unit::Ratio)],
        }
    }

    #[test]
    fn goals_in_nanoseconds_are_judged_in_look_ups() {
        // A machine ten times as slow per look-up: 80 ns are still the 8 ns of the goal.
        let row = Row::added(labels(), &[5.0; 21], &[80.0; 21], &[60.0; 21], Some(8.0));
        assert_eq!(row.verdict, Some(Verdict::Met));
        let row = Row::added(labels(), &[5.0; 21], &[80.0; 21], &[30.0; 21], Some(8.0));
        assert_eq!(row.verdict, Some(Verdict::NotMet));
        assert_eq!(row.remark(Unit::AddedNanoseconds), "not met");
    }

    #[test]
    fn noise_is_said_to_be_noise() {
        let noise: Vec<f64> = (0..21).map(|n| 0.9 + f64::from(n) * 0.01).collect();
        let mut row = Row::kept(labels(), &[1000.0; 21], &noise, Some(0.5));
        row.counted = Some(Counted {
            packets: 7,
            missed: 0,
        });
        assert_eq!(
            row.remark(Unit::Ratio),
            "met; within the noise; missed 0 of 7"
        );
    }
}
