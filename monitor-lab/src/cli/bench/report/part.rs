//! The measurements as data, from which table, plot, document and JSON are made.

use serde::Serialize;

use super::goal::GoalResult;
use super::machine::Machine;
use super::median::Median;

/// The measurements of one run of `overlay-lab bench`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Version of the JSON.
    pub(crate) schema: u32,
    /// The machine that was measured.
    pub(crate) machine: Machine,
    /// One for each benchmark.
    pub(crate) parts: Vec<Part>,
}

/// The measurements of one benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    /// Name: `kernel`, `cpus`, `live`, `iperf`, `agent`, `verdicts`, `classify` or `read`.
    pub(crate) name: &'static str,
    /// Heading.
    pub(crate) title: &'static str,
    /// What the numbers are and how they were measured: a paragraph.
    pub(crate) method: String,
    /// Unit of all rows.
    pub(crate) unit: Unit,
    /// Rows of the table.
    pub(crate) rows: Vec<Row>,
}

/// What [`Row::measured`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Nanoseconds per packet, above the base.
    AddedNanoseconds,
    /// Ratio to the base.
    Ratio,
    /// The unit that the row names; there is no base.
    Value,
}

/// One row of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The packet, the load or the quantity, and what watches.
    pub(crate) case: String,
    /// Where packets are seen.
    pub(crate) hook: &'static str,
    /// Features of the monitor that are on.
    pub(crate) features: String,
    /// What the result is compared with, measured in the same rounds: nanoseconds per packet, or a rate.
    pub(crate) base: Median,
    /// The result, in the part's unit.
    pub(crate) measured: Median,
    /// The result in look-ups in a per-CPU hash, which were measured in the same rounds.
    pub(crate) look_ups: Option<Median>,
    /// The result as a share of what three look-ups in hash maps take for the same packets, measured in the same rounds.
    pub(crate) of_three_hashes: Option<Median>,
    /// The goal of that: an upper limit.
    pub(crate) of_three_hashes_goal: Option<f64>,
    /// The goal: an upper limit in look-ups or in the row's unit, or a lower limit of the ratio.
    pub(crate) goal: Option<f64>,
    /// Whether the goal was met. JSON calls it `verdict`.
    #[serde(rename = "verdict")]
    pub(crate) goal_result: Option<GoalResult>,
    /// The watcher's count of packets against the device's.
    pub(crate) counted: Option<Counted>,
    /// Packets per second as a ratio to those of the base ([`Unit::AddedNanoseconds`]).
    pub(crate) kept: Option<Median>,
    /// The goal of that: a lower limit.
    pub(crate) kept_goal: Option<f64>,
    /// The result, or what is kept, beside those of other rows, measured in the same rounds.
    pub(crate) comparisons: Vec<Comparison>,
    /// CPU time of the watcher's process in percent of a core.
    pub(crate) cpu_percent: Option<Median>,
    /// Packets that the watcher reports as dropped, in percent of those that it received.
    pub(crate) dropped_percent: Option<f64>,
}

/// A row beside another one.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// The other row.
    pub(crate) with: &'static str,
    /// How many times as much as there.
    pub(crate) times: Median,
    /// The goal.
    pub(crate) goal: Option<Limit>,
}

/// A goal as a limit.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limit {
    /// An upper one.
    AtMost(f64),
    /// A lower one.
    AtLeast(f64),
}

/// A watcher's count against the device's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counted {
    /// Packets by the device's counter.
    pub(crate) packets: u64,
    /// Difference of the watcher's count to it.
    pub(crate) missed: u64,
}

impl Row {
    /// A row of nanoseconds per packet above `base`. `look_up` has the nanoseconds of one look-up in each round. `goal`
    /// is an upper limit in look-ups.
    pub(crate) fn added(
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
        Row {
            look_ups: Some(look_ups),
            goal,
            goal_result: goal.map(|goal| GoalResult::at_most(&look_ups, goal)),
            ..Row::new(labels, base, added)
        }
    }

    /// The same row with its share of three look-ups in hash maps in each round, and an upper limit of that.
    pub(crate) fn of_three_hashes(mut self, shares: &[f64], goal: Option<f64>) -> Row {
        let share = Median::of(shares);
        self.of_three_hashes = Some(share);
        self.of_three_hashes_goal = goal;
        self.note(goal.map(|goal| GoalResult::at_most(&share, goal)));
        self
    }

    /// The same row with the packets per second that are left in each round, and a lower limit of that.
    pub(crate) fn with_kept(mut self, ratios: &[f64], goal: Option<f64>) -> Row {
        let kept = Median::of(ratios);
        self.kept = Some(kept);
        self.kept_goal = goal;
        self.note(goal.map(|goal| GoalResult::at_least(&kept, goal)));
        self
    }

    /// The same row with the ratios to another row in each round, and a limit of them.
    pub(crate) fn compared(
        mut self,
        with: &'static str,
        ratios: &[f64],
        goal: Option<Limit>,
    ) -> Row {
        let times = Median::of(ratios);
        self.note(goal.map(|goal| match goal {
            Limit::AtMost(most) => GoalResult::at_most(&times, most),
            Limit::AtLeast(least) => GoalResult::at_least(&times, least),
        }));
        self.comparisons.push(Comparison { with, times, goal });
        self
    }

    /// The same row with the watcher's count of packets, whose goal is that none is missed or counted twice.
    pub(crate) fn with_counted(mut self, counted: Option<Counted>) -> Row {
        self.counted = counted;
        if counted.is_some_and(|counted| counted.missed != 0) {
            self.note(Some(GoalResult::NotMet));
        }
        self
    }

    /// A row with several goals has met them if it has met each.
    fn note(&mut self, result: Option<GoalResult>) {
        self.goal_result = self.goal_result.max(result);
    }

    /// A row of ratios to the rate `base`. `goal` is a lower limit.
    pub(crate) fn kept(
        labels: (String, &'static str, String),
        base: &[f64],
        ratios: &[f64],
        goal: Option<f64>,
    ) -> Row {
        let row = Row::new(labels, base, ratios);
        Row {
            goal,
            goal_result: goal.map(|goal| GoalResult::at_least(&row.measured, goal)),
            ..row
        }
    }

    /// As [`Row::kept`], where the goal is that no loss can be distinguished from the noise. `is_enough` says whether it was
    /// measured long enough for that to mean something.
    pub(crate) fn without_loss(
        labels: (String, &'static str, String),
        base: &[f64],
        ratios: &[f64],
        is_enough: bool,
    ) -> Row {
        let row = Row::new(labels, base, ratios);
        let result = match GoalResult::at_least(&row.measured, 1.0) {
            GoalResult::NotMet => GoalResult::NotMet,
            GoalResult::Met | GoalResult::NotResolved if is_enough => GoalResult::Met,
            _ => GoalResult::NotResolved,
        };
        Row {
            goal: Some(1.0),
            goal_result: Some(result),
            ..row
        }
    }

    /// A row of values in the unit that its labels name. `goal` is an upper limit in the same unit.
    pub(crate) fn value(
        labels: (String, &'static str, String),
        values: &[f64],
        goal: Option<f64>,
    ) -> Row {
        let row = Row::new(labels, &[], values);
        Row {
            goal,
            goal_result: goal.map(|goal| GoalResult::at_most(&row.measured, goal)),
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
            of_three_hashes: None,
            of_three_hashes_goal: None,
            goal: None,
            goal_result: None,
            counted: None,
            kept: None,
            kept_goal: None,
            comparisons: Vec::new(),
            cpu_percent: None,
            dropped_percent: None,
        }
    }

    /// The last column of the table: whether the goal was met, whether the result differs from noise, and the other
    /// measurements of the row.
    pub(crate) fn remark(&self, unit: Unit) -> String {
        let nothing = match unit {
            Unit::AddedNanoseconds => Some(0.0),
            Unit::Ratio => Some(1.0),
            // Nothing is compared.
            Unit::Value => None,
        };
        let mut words: Vec<String> = Vec::new();
        words.extend(self.goal_result.map(|result| result.label().to_owned()));
        if !self.measured.has_interval() {
            words.push("too few rounds".to_owned());
        } else if nothing.is_some_and(|nothing| !self.measured.differs_from(nothing)) {
            words.push("within the noise".to_owned());
        }
        if let Some(kept) = self.kept {
            let goal = self.kept_goal.map(|goal| format!(" (goal {goal:.2})"));
            words.push(format!(
                "kept {:.2}{}",
                kept.median,
                goal.unwrap_or_default()
            ));
        }
        for Comparison { with, times, goal } in &self.comparisons {
            let goal = match goal {
                None => String::new(),
                Some(Limit::AtMost(most)) => format!(", goal at most {most:.2}"),
                Some(Limit::AtLeast(least)) => format!(", goal at least {least:.2}"),
            };
            words.push(format!(
                "{:.2} times {with} ({:.2} to {:.2}{goal})",
                times.median, times.low, times.high
            ));
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
pub(crate) mod tests {
    use super::*;

    fn labels() -> (String, &'static str, String) {
        (
            "IPv4 <VXLAN> & more".to_owned(),
            "XDP",
            "features".to_owned(),
        )
    }

    /// A part with a row that met its goal and a row without a goal.
    pub(crate) fn part(unit: Unit) -> Part {
        let some = [10.0; 21];
        Part {
            name: "kernel",
            title: "In the kernel programs",
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

    /// A report with parts of two units.
    pub(crate) fn report() -> Report {
        Report {
            schema: 1,
            machine: Machine::of_this_run("2026-01-01".to_owned(), &[]),
            parts: vec![part(Unit::AddedNanoseconds), part(Unit::Ratio)],
        }
    }

    #[test]
    fn goals_are_compared_in_look_ups_of_the_same_rounds() {
        // A machine ten times as slow per look-up has met the goal as well.
        let row = Row::added(labels(), &[5.0; 21], &[80.0; 21], &[60.0; 21], Some(1.4));
        assert_eq!(row.goal_result, Some(GoalResult::Met));
        let row = Row::added(labels(), &[5.0; 21], &[80.0; 21], &[30.0; 21], Some(1.4));
        assert_eq!(row.goal_result, Some(GoalResult::NotMet));
        assert_eq!(row.remark(Unit::AddedNanoseconds), "not met");
    }

    #[test]
    fn a_row_has_met_its_goals_if_it_has_met_each() {
        let row = || Row::added(labels(), &[5.0; 21], &[80.0; 21], &[60.0; 21], Some(1.4));
        let result = |share| row().of_three_hashes(&[share; 21], Some(0.5)).goal_result;
        assert_eq!(result(0.4), Some(GoalResult::Met));
        assert_eq!(result(0.6), Some(GoalResult::NotMet));
        let noisy: Vec<f64> = (0..21).map(|n| 0.4 + f64::from(n) * 0.01).collect();
        let row = row().of_three_hashes(&noisy, Some(0.5));
        assert_eq!(row.goal_result, Some(GoalResult::NotResolved));
        let row = row.with_kept(&[0.7; 21], Some(0.8));
        assert_eq!(row.goal_result, Some(GoalResult::NotMet));
    }

    #[test]
    fn a_row_is_compared_with_another_one() {
        let row = || Row::added(labels(), &[5.0; 21], &[80.0; 21], &[60.0; 21], None);
        let row = row().compared("IPv4", &[1.2; 21], Some(Limit::AtMost(1.3)));
        assert_eq!(
            row.remark(Unit::AddedNanoseconds),
            "met; 1.20 times IPv4 (1.20 to 1.20, goal at most 1.30)"
        );
        let row = row.compared("nftables", &[0.9; 21], Some(Limit::AtLeast(1.0)));
        assert_eq!(row.goal_result, Some(GoalResult::NotMet));
    }

    #[test]
    fn a_packet_that_is_missed_is_a_goal_that_is_not_met() {
        let result = |missed| {
            let row = Row::kept(labels(), &[1.0; 21], &[0.9; 21], Some(0.8));
            let packets = 100;
            row.with_counted(Some(Counted { packets, missed }))
                .goal_result
        };
        assert_eq!(result(0), Some(GoalResult::Met));
        assert_eq!(result(1), Some(GoalResult::NotMet));
    }

    #[test]
    fn a_loss_is_distinguished_from_noise_where_it_was_measured_long_enough() {
        let noise: Vec<f64> = (0..21).map(|n| 0.9 + f64::from(n) * 0.01).collect();
        let result = |ratios: &[f64], is_enough| {
            Row::without_loss(labels(), &[1.0; 21], ratios, is_enough).goal_result
        };
        assert_eq!(result(&noise, true), Some(GoalResult::Met));
        assert_eq!(result(&noise, false), Some(GoalResult::NotResolved));
        assert_eq!(result(&[0.9; 21], true), Some(GoalResult::NotMet));
        assert_eq!(result(&[1.1; 21], true), Some(GoalResult::Met));
    }

    #[test]
    fn noise_is_called_noise() {
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
