//! Bytes over the time of an audit, by what can be read of them.

use std::time::Duration;

use super::shares::Shares;

/// Most spans; with more, two become one.
const SPANS: usize = 120;
/// The first ones.
const SHORTEST: Duration = Duration::from_secs(1);

/// Bytes of each span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Length of a span.
    pub span: Duration,
    /// What was counted in each, as it became known.
    pub spans: Vec<Shares>,
    /// What was counted in all until now.
    until_now: Shares,
}

impl Default for Timeline {
    fn default() -> Timeline {
        Timeline {
            span: SHORTEST,
            spans: Vec::new(),
            until_now: Shares::default(),
        }
    }
}

impl Timeline {
    /// Notes what was counted in all, `elapsed` after the start: what waited for a verdict is in the span in which it came.
    pub fn note(&mut self, elapsed: Duration, counted: Shares) {
        let mut at = self.position(elapsed);
        while at >= SPANS {
            self.span *= 2;
            self.spans = self
                .spans
                .chunks(2)
                .map(|two| {
                    let mut one = Shares::default();
                    two.iter().for_each(|shares| one.add(shares));
                    one
                })
                .collect();
            at = self.position(elapsed);
        }
        if self.spans.len() <= at {
            self.spans.resize(at + 1, Shares::default());
        }
        let before = self.until_now;
        self.spans[at].add(&Shares {
            readable: counted.readable.saturating_sub(before.readable),
            encrypted: counted.encrypted.saturating_sub(before.encrypted),
            in_esp: counted.in_esp.saturating_sub(before.in_esp),
            unknown: counted.unknown.saturating_sub(before.unknown),
        });
        self.until_now = counted;
    }

    fn position(&self, elapsed: Duration) -> usize {
        usize::try_from(elapsed.as_nanos() / self.span.as_nanos()).unwrap_or(usize::MAX)
    }

    /// Most bytes of one span.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.spans.iter().map(Shares::total).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_what_came_in_them_and_are_bounded() {
        let mut timeline = Timeline::default();
        let shares = |readable| Shares {
            readable,
            ..Shares::default()
        };
        for (seconds, readable) in [(1, 10), (2, 11), (5, 30)] {
            timeline.note(Duration::from_secs(seconds), shares(readable));
        }
        let of = |timeline: &Timeline| -> Vec<u64> {
            timeline.spans.iter().map(|at| at.readable).collect()
        };
        assert_eq!(of(&timeline), [0, 10, 1, 0, 0, 19]);
        assert_eq!(timeline.highest(), 19);
        timeline.note(Duration::from_secs(120), shares(31));
        assert_eq!(timeline.span, Duration::from_secs(2));
        assert_eq!(of(&timeline)[..3], [10, 1, 19]);
        assert_eq!((timeline.spans.len(), timeline.spans[60].readable), (61, 1));
        timeline.note(Duration::from_secs(7 * 86_400), shares(40));
        assert!(timeline.spans.len() <= SPANS);
        assert_eq!(of(&timeline).iter().sum::<u64>(), 40);
    }
}
