//! How long an agent, and a network on it, was covered: from samples of counters that only grow while an agent runs.
//!
//! The states of a network add up to the time since its agent knows it. So two samples of one run prove what lies between
//! them, also where no scrape came through; and where the sum grew less than the time passed, something is missing.

use crate::policy::State;

/// How much less than the time passed the states may grow: they end with the last evaluation, and clocks differ a little.
pub(super) const SLACK: f64 = 2.0;
/// How long an agent takes from its start until it knows its networks, at most: Docker answers late after a boot.
const STARTING: f64 = 60.0;

/// A stretch of time, in seconds of the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: f64,
    pub(super) to: f64,
}

/// The states of a network at a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct StateSample {
    pub(super) at: f64,
    /// Seconds in each state, in the order of [`State::ALL`].
    pub(super) states: [f64; State::ALL.len()],
}

/// When the counters of an agent began, as it says at a scrape: with its process, or with the one that handed them over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RunSample {
    pub(super) at: f64,
    pub(super) began: f64,
}

/// A time of a network that no state covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gap {
    pub(super) stretch: Stretch,
    /// How much of it is missing.
    pub(super) missing: f64,
    /// Whether the network was described before and after, or nothing is known: then it is a hole though the agent ran.
    pub(super) is_hole: bool,
}

/// What the samples of a network show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Covered {
    /// Seconds in each state.
    pub(super) states: [f64; State::ALL.len()],
    /// What no state covers, in order.
    pub(super) gaps: Vec<Gap>,
}

impl Stretch {
    pub(super) fn length(self) -> f64 {
        (self.to - self.from).max(0.0)
    }

    /// Its part in a window; without any, one of no length.
    fn within(self, window: Stretch) -> Stretch {
        Stretch {
            from: self.from.clamp(window.from, window.to),
            to: self.to.clamp(window.from, window.to),
        }
    }

    fn overlap(self, other: Stretch) -> Option<Stretch> {
        let both = Stretch {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        };
        (both.from <= both.to).then_some(both)
    }
}

impl StateSample {
    fn total(&self) -> f64 {
        self.states.iter().sum()
    }

    /// Since when this run of the agent knows the network.
    fn known_since(&self) -> f64 {
        self.at - self.total()
    }
}

/// The states of a network over a window, from samples of which one at most is older. `is_there` says whether the network is exported at the end of the window.
pub(super) fn of_network(samples: &[StateSample], window: Stretch, is_there: bool) -> Covered {
    let mut covered = Covered::default();
    let Some(first) = samples.first() else {
        covered.gap(window, window.length(), false);
        return covered;
    };
    if first.at > window.from {
        let known = first.known_since();
        if known < window.from - SLACK {
            // It ran before the window, and what its states were at the beginning of the window is not known.
            let before = Stretch {
                to: first.at,
                ..window
            };
            covered.gap(before, before.length(), true);
        } else {
            let before = Stretch {
                to: known.max(window.from),
                ..window
            };
            covered.gap(before, before.length(), false);
            covered.add(&StateSample::default(), first);
        }
    }
    for two in samples.windows(2) {
        let (a, b) = (&two[0], &two[1]);
        let is_new = b.total() < a.total();
        let grown = if is_new {
            b.total()
        } else {
            b.total() - a.total()
        };
        let missing = (b.at - a.at) - grown;
        let known = b.known_since();
        if is_new || missing > SLACK && known > a.at - SLACK {
            // Another run: what the first one counted after `a` is lost.
            let between = Stretch {
                from: a.at,
                to: known.max(a.at),
            };
            covered.gap(
                between.within(window),
                between.within(window).length(),
                false,
            );
            covered.add(&StateSample::default(), b);
            continue;
        }
        if missing > SLACK {
            // The same run, which did not run all the time, as in a machine that was suspended.
            let between = Stretch {
                from: a.at,
                to: b.at,
            };
            let between = between.within(window);
            covered.gap(between, missing.min(between.length()), true);
        }
        covered.add(a, b);
    }
    if let Some(last) = samples.last().filter(|_| !is_there) {
        let after = Stretch {
            from: last.at.max(window.from),
            ..window
        };
        covered.gap(after, after.length(), false);
    }
    covered
}

impl Covered {
    fn add(&mut self, from: &StateSample, to: &StateSample) {
        for (state, time) in self.states.iter_mut().enumerate() {
            *time += (to.states[state] - from.states[state]).max(0.0);
        }
    }

    fn gap(&mut self, stretch: Stretch, missing: f64, is_hole: bool) {
        if stretch.length() > 0.0 {
            self.gaps.push(Gap {
                stretch,
                missing,
                is_hole,
            });
        }
    }
}

/// When no agent counted in a window, as far as is known.
pub(super) fn of_node(samples: &[RunSample], window: Stretch, is_there: bool) -> Vec<Stretch> {
    let Some((first, last)) = samples.first().zip(samples.last()) else {
        return vec![window];
    };
    let mut gaps = Vec::new();
    if first.at > window.from && first.began > window.from {
        gaps.push(Stretch {
            to: first.began.min(first.at),
            ..window
        });
    }
    for two in samples.windows(2) {
        if two[0].began != two[1].began {
            // The clock of the node may be another than that of Prometheus.
            let between = Stretch {
                from: two[0].at,
                to: two[1].began.clamp(two[0].at, two[1].at),
            };
            gaps.push(between.within(window));
        }
    }
    if !is_there {
        gaps.push(Stretch {
            from: last.at.max(window.from),
            ..window
        });
    }
    gaps
}

/// The holes of a network, each with what is missing of it, and the time in which its agent ran and did not describe it.
pub(super) fn holes(gaps: &[Gap], node: &[Stretch]) -> (Vec<(Stretch, f64)>, f64) {
    let (mut holes, mut undescribed) = (Vec::new(), 0.0);
    for gap in gaps {
        if gap.is_hole {
            holes.push((gap.stretch, gap.missing));
            continue;
        }
        let mut rest = gap.stretch.length();
        for down in node {
            let Some(mut both) = gap.stretch.overlap(*down) else {
                continue;
            };
            if gap.stretch.to - both.to <= STARTING {
                both.to = gap.stretch.to;
            }
            if both.length() > 0.0 {
                rest -= both.length();
                holes.push((both, both.length()));
            }
        }
        undescribed += rest.max(0.0);
    }
    (holes, undescribed)
}

#[cfg(test)]
mod tests;
