//! How long each known network was in each state, by the monotonic clock.
//!
//! A state holds from the evaluation that found it to the next one. A network starts with its first evaluation, and starts
//! again from zero when it was unknown in between.

use std::time::Duration;

use super::network_state::State;
use crate::base::hash::HashMap;

/// Time in each state, in the order of [`State::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateTimes([Duration; State::ALL.len()]);

impl StateTimes {
    /// In nanoseconds, in the order of [`State::ALL`].
    pub(super) fn nanoseconds(&self) -> [u64; State::ALL.len()] {
        self.0
            .map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// These times, in nanoseconds.
    pub(super) fn of_nanoseconds(times: [u64; State::ALL.len()]) -> StateTimes {
        StateTimes(times.map(Duration::from_nanos))
    }

    /// Time in a state.
    #[must_use]
    pub fn of(&self, state: State) -> Duration {
        self.0[state as usize]
    }

    /// Time in which the state could be determined.
    #[must_use]
    pub fn watched(&self) -> Duration {
        let known = State::ALL.into_iter().filter(|at| *at != State::Unknown);
        known.map(|state| self.of(state)).sum()
    }
}

/// The times of all known networks.
#[derive(Debug, Default)]
pub(super) struct StateClock {
    /// When the last evaluation was, in nanoseconds of the monotonic clock.
    evaluated: u64,
    networks: HashMap<u32, (State, StateTimes)>,
    /// Those of another process, until this one knows the network.
    inherited: HashMap<u32, (State, StateTimes)>,
}

impl StateClock {
    /// When the last evaluation was, and the state that it found with the times so far, by network.
    pub(super) fn leave(&self) -> (u64, impl Iterator<Item = (u32, State, StateTimes)>) {
        let networks = self.networks.iter().chain(&self.inherited);
        let networks = networks.map(|(vni, (state, times))| (*vni, *state, *times));
        (self.evaluated, networks)
    }

    /// Goes on from what another process of this boot has left.
    pub(super) fn inherit(
        &mut self,
        evaluated: u64,
        networks: impl Iterator<Item = (u32, State, StateTimes)>,
    ) {
        self.evaluated = evaluated;
        self.inherited = networks
            .map(|(vni, state, times)| (vni, (state, times)))
            .collect();
    }

    /// Books the time since the last evaluation under the states that it found, and notes those of this one. It has all
    /// known networks: the others are forgotten.
    pub(super) fn evaluate(&mut self, states: impl Iterator<Item = (u32, State)>, now_ns: u64) {
        let passed = Duration::from_nanos(now_ns.saturating_sub(self.evaluated));
        self.evaluated = self.evaluated.max(now_ns);
        let before = std::mem::take(&mut self.networks);
        self.networks = states
            .map(|(vni, state)| {
                let inherited = self.inherited.remove(&vni);
                let before = before.get(&vni).copied().or(inherited);
                let times = before.map(|(last, mut times)| {
                    times.0[last as usize] += passed;
                    times
                });
                (vni, (state, times.unwrap_or_default()))
            })
            .collect();
    }

    /// The times of a network up to the last evaluation; `None` before its first one.
    pub(super) fn times(&self, vni: u32) -> Option<StateTimes> {
        self.networks.get(&vni).map(|(_, times)| *times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn evaluated(states: &[(u64, State)]) -> StateTimes {
        let mut clock = StateClock::default();
        for (second, state) in states {
            clock.evaluate([(7, *state)].into_iter(), second * SECOND);
        }
        clock.times(7).unwrap_or_default()
    }

    #[test]
    fn times_are_handed_over_to_the_nanosecond() {
        let times = evaluated(&[
            (1_000, State::Idle),
            (1_005, State::Unknown),
            (1_007, State::Idle),
        ]);
        assert_eq!(times.of(State::Idle), Duration::from_secs(5));
        assert_eq!(StateTimes::of_nanoseconds(times.nanoseconds()), times);
    }

    #[test]
    fn a_state_holds_until_the_next_evaluation() {
        let times = evaluated(&[
            (1_000, State::Idle),
            (1_005, State::Encrypted),
            (1_006, State::Encrypted),
            (1_010, State::Unknown),
            (1_013, State::Cleartext),
        ]);
        for (state, seconds) in [
            (State::Idle, 5),
            (State::Encrypted, 5),
            (State::Unknown, 3),
            (State::Cleartext, 0),
            (State::Mixed, 0),
        ] {
            assert_eq!(times.of(state), Duration::from_secs(seconds), "{state:?}");
        }
        assert_eq!(times.watched(), Duration::from_secs(10));
    }

    #[test]
    fn the_states_add_up_to_the_time_since_the_first_evaluation() {
        let states = (0..1_000u64).map(|n| (500 + n * n, State::ALL[n as usize % 5]));
        let states: Vec<_> = states.collect();
        let times = evaluated(&states);
        let all: Duration = State::ALL.into_iter().map(|state| times.of(state)).sum();
        assert_eq!(all, Duration::from_secs(999 * 999));
        assert_eq!(all, times.watched() + times.of(State::Unknown));
    }

    #[test]
    fn a_network_that_was_not_known_in_between_starts_again() {
        let mut clock = StateClock::default();
        let idle = |vni| (vni, State::Idle);
        clock.evaluate([idle(1), idle(2)].into_iter(), 10 * SECOND);
        clock.evaluate([idle(1)].into_iter(), 20 * SECOND);
        assert_eq!(clock.times(2), None);
        clock.evaluate([idle(1), idle(2)].into_iter(), 30 * SECOND);
        assert_eq!(clock.times(2), Some(StateTimes::default()));
        let time = |clock: &StateClock, vni| clock.times(vni).map(|times| times.of(State::Idle));
        assert_eq!(time(&clock, 1), Some(Duration::from_secs(20)));
        // Two evaluations of one moment.
        clock.evaluate([idle(1), idle(2)].into_iter(), 30 * SECOND);
        assert_eq!(time(&clock, 1), Some(Duration::from_secs(20)));
    }

    #[test]
    fn another_process_goes_on_where_one_has_ended() {
        let mut first = StateClock::default();
        for second in [10, 14] {
            first.evaluate(
                [(1, State::Encrypted), (2, State::Idle)].into_iter(),
                second * SECOND,
            );
        }
        let mut second = StateClock::default();
        let (evaluated, networks) = first.leave();
        second.inherit(evaluated, networks);
        // Until the next process evaluates, the state holds; a network of Docker is known a moment later.
        second.evaluate([(1, State::Idle)].into_iter(), 17 * SECOND);
        second.evaluate(
            [(1, State::Idle), (2, State::Idle)].into_iter(),
            19 * SECOND,
        );
        let time = |vni, state| second.times(vni).map(|times| times.of(state).as_secs());
        assert_eq!(time(1, State::Encrypted), Some(7));
        assert_eq!(time(1, State::Idle), Some(2));
        assert_eq!(time(2, State::Idle), Some(6));
    }
}
