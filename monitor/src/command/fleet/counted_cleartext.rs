//! Cleartext that was counted in a window, from samples of counters that begin again where a process does not hand them over.

use super::coverage::{RunSample, Stretch};

/// A counter at a scrape: packets and bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CountSample {
    pub(super) at: f64,
    pub(super) packets: f64,
    pub(super) bytes: f64,
}

/// What was counted in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counted {
    pub(super) packets: f64,
    pub(super) bytes: f64,
    /// The last scrape before the first packet, and the first scrape that counted the last one.
    pub(super) between: Option<Stretch>,
}

/// Sums what the counter of one direction grew by. `process` has the samples of the node's process, of the same scrapes.
pub(super) fn count(samples: &[CountSample], process: &[RunSample], window: Stretch) -> Counted {
    let mut counted = Counted::default();
    let Some(first) = samples.first() else {
        return counted;
    };
    if first.at > window.from {
        // The counter was not there before, so all of it is new; unless its process was not seen at the beginning.
        let seen = process.iter().rev().find(|at| at.at < first.at);
        let began = began(process, first.at);
        match (seen, began) {
            (Some(seen), _) => counted.add(seen.at, first.at, first.packets, first.bytes),
            (None, Some(began)) if began >= window.from => {
                counted.add(window.from, first.at, first.packets, first.bytes);
            }
            (None, _) => {}
        }
    }
    for two in samples.windows(2) {
        let (a, b) = (&two[0], &two[1]);
        let is_new = b.packets < a.packets || began(process, a.at) != began(process, b.at);
        if is_new {
            counted.add(a.at, b.at, b.packets, b.bytes);
        } else {
            counted.add(a.at, b.at, b.packets - a.packets, b.bytes - a.bytes);
        }
    }
    counted
}

/// When the counters of a scrape began.
fn began(process: &[RunSample], at: f64) -> Option<f64> {
    let found = process.iter().find(|sample| sample.at == at);
    found.map(|sample| sample.began)
}

impl Counted {
    /// Both together.
    pub(super) fn and(self, other: Counted) -> Counted {
        let between = match (self.between, other.between) {
            (Some(a), Some(b)) => Some(Stretch {
                from: a.from.min(b.from),
                to: a.to.max(b.to),
            }),
            (one, None) | (None, one) => one,
        };
        Counted {
            packets: self.packets + other.packets,
            bytes: self.bytes + other.bytes,
            between,
        }
    }

    fn add(&mut self, from: f64, to: f64, packets: f64, bytes: f64) {
        if packets <= 0.0 {
            return;
        }
        *self = self.and(Counted {
            packets,
            bytes: bytes.max(0.0),
            between: Some(Stretch { from, to }),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Stretch = Stretch {
        from: 100.0,
        to: 1_000.0,
    };

    fn counted(samples: &[(f64, f64)], process: &[(f64, f64)]) -> (f64, Option<(f64, f64)>) {
        let samples = samples.iter().map(|(at, packets)| CountSample {
            at: *at,
            packets: *packets,
            bytes: packets * 10.0,
        });
        let samples = Vec::from_iter(samples);
        let process = process.iter().map(|(at, started)| RunSample {
            at: *at,
            began: *started,
        });
        let all = count(&samples, &Vec::from_iter(process), WINDOW);
        assert_eq!(all.bytes, all.packets * 10.0);
        (all.packets, all.between.map(|at| (at.from, at.to)))
    }

    #[test]
    fn what_was_counted_before_the_window_is_not_of_it() {
        let process = [(95.0, 1.0), (110.0, 1.0), (900.0, 1.0)];
        let samples = [(95.0, 7.0), (110.0, 7.0), (900.0, 10.0)];
        assert_eq!(counted(&samples, &process), (3.0, Some((110.0, 900.0))));
        // Neither is it where the process was not seen at the beginning.
        assert_eq!(counted(&[(110.0, 7.0)], &[(110.0, 1.0)]), (0.0, None));
    }

    #[test]
    fn a_counter_that_appears_has_counted_from_zero() {
        let process = [(95.0, 1.0), (110.0, 1.0)];
        let appears = [(110.0, 3.0)];
        assert_eq!(counted(&appears, &process), (3.0, Some((95.0, 110.0))));
        let started = [(110.0, 105.0)];
        assert_eq!(counted(&appears, &started), (3.0, Some((100.0, 110.0))));
    }

    #[test]
    fn a_counter_begins_again_with_each_process() {
        let samples = [(95.0, 5.0), (200.0, 2.0), (300.0, 2.0), (400.0, 9.0)];
        let process = [(95.0, 1.0), (200.0, 150.0), (300.0, 250.0), (400.0, 250.0)];
        // 2 of the second process, 2 of the third, and 7 more of it.
        assert_eq!(counted(&samples, &process), (11.0, Some((95.0, 400.0))));
        // Each has handed them over to the next.
        let samples = [(95.0, 5.0), (200.0, 7.0), (300.0, 7.0), (400.0, 14.0)];
        let process = samples.map(|(at, _)| (at, 1.0));
        assert_eq!(counted(&samples, &process), (9.0, Some((95.0, 400.0))));
    }
}
