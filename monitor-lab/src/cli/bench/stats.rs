//! Medians of noisy runs, and what can be said of them.

use serde::Serialize;

/// With fewer runs no pair of them holds the median in 95 of 100 tries.
const FEWEST: usize = 6;

/// Median of some runs, and the interval that holds the true median in 95 of 100 tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Median {
    /// Lower end of the interval.
    pub(super) low: f64,
    /// The median.
    pub(super) median: f64,
    /// Upper end of the interval.
    pub(super) high: f64,
    /// Of how many runs.
    pub(super) runs: usize,
}

impl Median {
    /// Of these values; all 0 if there are none. The interval comes from the order of the values alone
    /// (binomial, normal approximation), so no shape of the noise is assumed.
    pub(super) fn of(values: &[f64]) -> Median {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return Median::default();
        };
        let n = sorted.len() as f64;
        let rank = ((n - 1.96 * n.sqrt()) / 2.0).floor().max(1.0) as usize;
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Median {
            low: sorted[rank - 1],
            median,
            high: sorted[last + 1 - rank],
            runs: sorted.len(),
        }
    }

    /// Whether there are enough runs for the interval to mean what it says.
    pub(super) fn tells(&self) -> bool {
        self.runs >= FEWEST
    }

    /// Whether the difference to `nothing` is more than noise.
    pub(super) fn differs_from(&self, nothing: f64) -> bool {
        self.tells() && (self.low > nothing || self.high < nothing)
    }
}

/// What a measurement says of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// The whole interval is on the right side of it.
    Met,
    /// The whole interval is on the wrong side.
    NotMet,
    /// The goal is within the interval, or the runs were too few.
    NotResolved,
}

impl Verdict {
    /// For people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotMet => "not met",
            Verdict::NotResolved => "not resolved",
        }
    }

    /// Where less is better.
    pub(super) fn at_most(measured: &Median, goal: f64) -> Verdict {
        Verdict::judge(measured, measured.high <= goal, measured.low > goal)
    }

    /// Where more is better.
    pub(super) fn at_least(measured: &Median, goal: f64) -> Verdict {
        Verdict::judge(measured, measured.low >= goal, measured.high < goal)
    }

    fn judge(measured: &Median, met: bool, missed: bool) -> Verdict {
        match (measured.tells(), met, missed) {
            (true, true, _) => Verdict::Met,
            (true, false, true) => Verdict::NotMet,
            _ => Verdict::NotResolved,
        }
    }
}

/// Differences of two series, run by run.
pub(super) fn differences(with: &[f64], without: &[f64]) -> Vec<f64> {
    pairs(with, without, |with, without| with - without)
}

/// Ratios of two series, run by run; a run without a denominator is left out.
pub(super) fn ratios(with: &[f64], without: &[f64]) -> Vec<f64> {
    pairs(with, without, |with, without| with / without)
        .into_iter()
        .filter(|ratio| ratio.is_finite())
        .collect()
}

fn pairs(one: &[f64], two: &[f64], join: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    one.iter()
        .zip(two)
        .map(|(one, two)| join(*one, *two))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_its_interval() {
        let values: Vec<f64> = (1..=21).rev().map(f64::from).collect();
        // Ranks 6 and 16 of 21: 1 - 2 * P(X <= 5) = 97.3 % for X ~ B(21, 1/2); 7 and 15 would be 92.2 %.
        let found = Median::of(&values);
        assert_eq!((found.low, found.median, found.high), (6.0, 11.0, 16.0));
        assert_eq!(Median::of(&[4.0, 2.0]).median, 3.0);
        assert_eq!(Median::of(&[]), Median::default());
        let one = Median::of(&[7.0]);
        assert_eq!((one.low, one.median, one.high), (7.0, 7.0, 7.0));
    }

    #[test]
    fn a_goal_within_the_interval_is_not_resolved() {
        let measured = Median {
            low: 2.0,
            median: 3.0,
            high: 4.0,
            runs: 21,
        };
        assert_eq!(Verdict::at_most(&measured, 4.0), Verdict::Met);
        assert_eq!(Verdict::at_most(&measured, 3.5), Verdict::NotResolved);
        assert_eq!(Verdict::at_most(&measured, 1.5), Verdict::NotMet);
        assert_eq!(Verdict::at_least(&measured, 2.0), Verdict::Met);
        assert_eq!(Verdict::at_least(&measured, 3.0), Verdict::NotResolved);
        assert_eq!(Verdict::at_least(&measured, 5.0), Verdict::NotMet);
        assert!(measured.differs_from(0.0) && !measured.differs_from(3.0));
    }

    #[test]
    fn few_runs_say_nothing() {
        let few = Median::of(&[1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(Verdict::at_most(&few, 100.0), Verdict::NotResolved);
        assert!(!few.differs_from(0.0));
        let enough = Median::of(&[1.0; FEWEST]);
        assert_eq!(Verdict::at_most(&enough, 100.0), Verdict::Met);
    }

    #[test]
    fn runs_are_compared_in_pairs() {
        assert_eq!(differences(&[3.0, 5.0], &[1.0, 10.0]), [2.0, -5.0]);
        assert_eq!(ratios(&[3.0, 5.0], &[6.0, 0.0]), [0.5]);
    }
}
