//! Bytes over the time of an audit, by what can be read of them.

use std::time::Duration;

use super::Shares;

/// Spans that the time is cut into.
const SPANS: u32 = 60;
/// Shortest span.
const SHORTEST: Duration = Duration::from_secs(1);

/// Bytes of each span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Length of a span.
    pub span: Duration,
    /// What was counted in each, as it became known.
    pub spans: Vec<Shares>,
    /// What was counted in all until now.
    until_now: Shares,
}

impl Timeline {
    /// For an audit that is to last so long.
    #[must_use]
    pub fn new(planned: Duration) -> Timeline {
        Timeline {
            span: (planned / SPANS).max(SHORTEST),
            ..Timeline::default()
        }
    }

    /// Notes what was counted in all, `elapsed` after the start: what waited for a verdict is in the span in which it came.
    pub fn note(&mut self, elapsed: Duration, counted: Shares) {
        let span = self.span.max(SHORTEST).as_nanos();
        let at = usize::try_from(elapsed.as_nanos() / span).unwrap_or(usize::MAX);
        let at = at.min(SPANS as usize - 1);
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
        let mut timeline = Timeline::new(Duration::from_secs(120));
        assert_eq!(timeline.span, Duration::from_secs(2));
        let shares = |readable| Shares {
            readable,
            ..Shares::default()
        };
        for (seconds, readable) in [(1, 10), (5, 30), (9_999, 31)] {
            timeline.note(Duration::from_secs(seconds), shares(readable));
        }
        assert_eq!(timeline.spans.len(), 60);
        let of = |span: usize| timeline.spans[span].readable;
        assert_eq!((of(0), of(1), of(2), of(59)), (10, 0, 20, 1));
        assert_eq!(timeline.highest(), 20);
    }
}
