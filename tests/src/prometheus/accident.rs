//! An accident: which alerts it must raise, when they arrived, and when they were gone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::watch::Watch;

/// An alert that an accident must raise: its name, and labels that identify it.
#[derive(Clone, Debug)]
pub struct Alert {
    name: &'static str,
    labels: Vec<(&'static str, String)>,
}

impl Alert {
    /// An alert about the agent at this address, with port.
    #[must_use]
    pub fn at(name: &'static str, instance: &str, labels: &[(&'static str, &str)]) -> Alert {
        Alert::of(name, &[&[("instance", instance)], labels].concat())
    }

    /// An alert with these labels.
    #[must_use]
    pub fn of(name: &'static str, labels: &[(&'static str, &str)]) -> Alert {
        let labels = labels
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Alert {
            name,
            labels: labels.collect(),
        }
    }

    fn is(&self, found: &BTreeMap<String, String>) -> bool {
        found["alertname"] == self.name
            && self
                .labels
                .iter()
                .all(|(name, value)| found.get(*name) == Some(value))
    }
}

/// What was measured of one alert of an accident.
#[derive(Clone, Debug)]
pub struct Proven {
    /// What was done.
    pub accident: &'static str,
    /// The alert that arrived.
    pub alert: &'static str,
    /// From the accident until the last node's alert had arrived, and the limit.
    pub fired: (Duration, Duration),
    /// From the accident's end until none was left, and the limit.
    pub cleared: (Duration, Duration),
}

/// An accident that goes on.
pub struct Accident<'a> {
    watch: &'a Watch<'a>,
    what: &'static str,
    expected: Vec<Alert>,
    /// When it, and then its end, was made.
    since: Instant,
    fired: Vec<Duration>,
    fired_within: Duration,
}

impl<'a> Watch<'a> {
    /// Called just before an accident is made. No alert may be there.
    #[must_use]
    pub fn accident(&'a self, what: &'static str, expected: Vec<Alert>) -> Accident<'a> {
        self.silent(what, Duration::ZERO);
        Accident {
            watch: self,
            what,
            expected,
            since: Instant::now(),
            fired: Vec::new(),
            fired_within: Duration::ZERO,
        }
    }

    /// Insists that no alert is there now, nor arrives for a time.
    pub fn silent(&self, what: &str, time: Duration) {
        let start = Instant::now();
        loop {
            let found = self.alerts().unwrap();
            let after = start.elapsed();
            assert!(found.is_empty(), "{what}, after {after:?}: {found:?}");
            if after >= time {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Accident<'_> {
    /// Waits until all expected alerts have arrived, and insists that no other one does.
    pub fn fires(&mut self, within: Duration) {
        self.fired_within = within;
        self.fired = self.first_times(within, "have not arrived", |is_there| is_there);
        // Others would come with the next evaluations.
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            let there = self.there();
            assert!(there.iter().all(|there| *there), "{}: {there:?}", self.what);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Called just before the accident is undone.
    pub fn ends(&mut self) {
        self.since = Instant::now();
    }

    /// Waits until the alerts are gone, and insists that no other one arrives meanwhile.
    #[must_use]
    pub fn clears(self, within: Duration) -> Vec<Proven> {
        let cleared = self.first_times(within, "are not gone", |is_there| !is_there);
        let mut proven: Vec<Proven> = Vec::new();
        for (alert, (fired, cleared)) in self.expected.iter().zip(self.fired.iter().zip(cleared)) {
            match proven.iter_mut().find(|at| at.alert == alert.name) {
                Some(at) => {
                    at.fired.0 = at.fired.0.max(*fired);
                    at.cleared.0 = at.cleared.0.max(cleared);
                }
                None => proven.push(Proven {
                    accident: self.what,
                    alert: alert.name,
                    fired: (*fired, self.fired_within),
                    cleared: (cleared, within),
                }),
            }
        }
        println!("{proven:?}");
        proven
    }

    /// When each expected alert was first as wanted.
    fn first_times(
        &self,
        within: Duration,
        fault: &str,
        is_wanted: impl Fn(bool) -> bool,
    ) -> Vec<Duration> {
        let mut first = vec![None; self.expected.len()];
        loop {
            let there = self.there();
            let now = self.since.elapsed();
            for (first, is_there) in first.iter_mut().zip(there) {
                match (is_wanted(is_there), *first) {
                    (true, None) => *first = Some(now),
                    // It came back, or went too early.
                    (false, Some(_)) => *first = None,
                    _ => {}
                }
            }
            if first.iter().all(Option::is_some) {
                return first.into_iter().flatten().collect();
            }
            let alerts = self.expected.iter().zip(&first);
            let missing = alerts.filter(|(_, first)| first.is_none());
            let missing: Vec<&Alert> = missing.map(|(alert, _)| alert).collect();
            assert!(
                now < within,
                "{}: after {within:?} {missing:?} {fault}",
                self.what
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Which of the expected alerts are there now. No other one may be.
    fn there(&self) -> Vec<bool> {
        let found = self.watch.alerts().unwrap();
        let is_expected =
            |found: &BTreeMap<String, String>| self.expected.iter().any(|alert| alert.is(found));
        let other = found.iter().find(|found| !is_expected(found));
        assert!(other.is_none(), "{}: {other:?}", self.what);
        let alerts = self.expected.iter();
        alerts
            .map(|alert| found.iter().any(|found| alert.is(found)))
            .collect()
    }
}
