//! Medians of noisy runs.

use serde::Serialize;

/// Median of some runs, and the interval that holds the true median in 95 of 100 tries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Median {
    /// Lower end of the interval.
    pub(super) low: f64,
    /// The median.
    pub(super) median: f64,
    /// Upper end of the interval.
    pub(super) high: f64,
}

impl Median {
    /// Of these values; all 0 if there are none. The interval comes from the order of the values alone
    /// (binomial, normal approximation), so no shape of the noise is assumed.
    pub(super) fn of(values: &[f64]) -> Median {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |rank: usize| {
            sorted
                .get(rank.min(sorted.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0.0)
        };
        let n = sorted.len() as f64;
        let reach = 0.98 * n.sqrt();
        let low = (n / 2.0 - reach).floor().max(0.0) as usize;
        let high = (n / 2.0 + reach).ceil() as usize;
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 0 && middle > 0 {
            f64::midpoint(at(middle - 1), at(middle))
        } else {
            at(middle)
        };
        Median {
            low: at(low),
            median,
            high: at(high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_its_interval() {
        let values: Vec<f64> = (1..=21).rev().map(f64::from).collect();
        let found = Median::of(&values);
        assert_eq!(found.median, 11.0);
        assert!(
            found.low >= 6.0 && found.low <= 8.0 && found.high >= 15.0 && found.high <= 17.0,
            "{found:?}"
        );
        assert_eq!(Median::of(&[4.0, 2.0]).median, 3.0);
        assert_eq!(Median::of(&[]).median, 0.0);
    }
}
