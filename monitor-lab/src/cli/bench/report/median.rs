//! Medians of noisy rounds, with confidence intervals.

use serde::Serialize;

/// With fewer rounds no interval between two of them contains the median with 95 % probability.
const FEWEST: usize = 6;

/// Median of some rounds, and its 95 % confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Median {
    /// Lower end of the interval.
    pub(crate) low: f64,
    /// The median.
    pub(crate) median: f64,
    /// Upper end of the interval.
    pub(crate) high: f64,
    /// Number of rounds.
    pub(crate) runs: usize,
}

impl Median {
    /// Of these values, in their unit; all 0 if there are none. The interval follows from the ranks of the values
    /// (binomial distribution, normal approximation), so it assumes no distribution of the noise.
    pub(crate) fn of(values: &[f64]) -> Median {
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

    /// Whether there are enough rounds for a 95 % interval.
    pub(crate) fn has_interval(&self) -> bool {
        self.runs >= FEWEST
    }

    /// Whether the interval excludes `nothing`, the value of no effect.
    pub(crate) fn differs_from(&self, nothing: f64) -> bool {
        self.has_interval() && (self.low > nothing || self.high < nothing)
    }
}

/// Differences of two series, round by round.
pub(crate) fn differences(with: &[f64], without: &[f64]) -> Vec<f64> {
    pairs(with, without, |with, without| with - without)
}

/// Ratios of two series, round by round. A round whose denominator is 0 is left out.
pub(crate) fn ratios(with: &[f64], without: &[f64]) -> Vec<f64> {
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
    fn rounds_are_compared_in_pairs() {
        assert_eq!(differences(&[3.0, 5.0], &[1.0, 10.0]), [2.0, -5.0]);
        assert_eq!(ratios(&[3.0, 5.0], &[6.0, 0.0]), [0.5]);
    }
}
