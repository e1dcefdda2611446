//! Goals, and whether a measurement met its goal.

use serde::Serialize;

use super::median::Median;

/// Whether a measurement met its goal. The worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GoalResult {
    /// The whole interval is on the right side of it.
    Met,
    /// The goal is within the interval, or there were too few rounds.
    NotResolved,
    /// The whole interval is on the wrong side.
    NotMet,
}

impl GoalResult {
    /// For tables.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            GoalResult::Met => "met",
            GoalResult::NotMet => "not met",
            GoalResult::NotResolved => "not resolved",
        }
    }

    /// For a goal that is an upper limit.
    pub(crate) fn at_most(measured: &Median, goal: f64) -> GoalResult {
        GoalResult::of(measured, measured.high <= goal, measured.low > goal)
    }

    /// For a goal that is a lower limit.
    pub(crate) fn at_least(measured: &Median, goal: f64) -> GoalResult {
        GoalResult::of(measured, measured.low >= goal, measured.high < goal)
    }

    fn of(measured: &Median, met: bool, missed: bool) -> GoalResult {
        match (measured.has_interval(), met, missed) {
            (true, true, _) => GoalResult::Met,
            (true, false, true) => GoalResult::NotMet,
            _ => GoalResult::NotResolved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_within_the_interval_is_not_resolved() {
        let measured = Median {
            low: 2.0,
            median: 3.0,
            high: 4.0,
            runs: 21,
        };
        assert_eq!(GoalResult::at_most(&measured, 4.0), GoalResult::Met);
        assert_eq!(GoalResult::at_most(&measured, 3.5), GoalResult::NotResolved);
        assert_eq!(GoalResult::at_most(&measured, 1.5), GoalResult::NotMet);
        assert_eq!(GoalResult::at_least(&measured, 2.0), GoalResult::Met);
        assert_eq!(
            GoalResult::at_least(&measured, 3.0),
            GoalResult::NotResolved
        );
        assert_eq!(GoalResult::at_least(&measured, 5.0), GoalResult::NotMet);
        assert!(measured.differs_from(0.0) && !measured.differs_from(3.0));
    }

    #[test]
    fn too_few_rounds_resolve_nothing() {
        let few = Median::of(&[1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(GoalResult::at_most(&few, 100.0), GoalResult::NotResolved);
        assert!(!few.differs_from(0.0));
        let enough = Median::of(&[1.0; 6]);
        assert_eq!(GoalResult::at_most(&enough, 100.0), GoalResult::Met);
    }
}
