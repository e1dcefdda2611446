//! What a policy leaves to the next process of this boot.

use std::collections::HashSet;
use std::time::Instant;

use monitor_common::key::{PeerCount, PeerKey};
use serde::{Deserialize, Serialize};

use super::super::network_state::State;
use super::super::state_times::StateTimes;
use super::super::violation::left::LeftViolations;
use super::super::violation::{Event, Violation};
use super::{Policy, path};
use crate::base::clock::monotonic_ns;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::traffic::counted::Counted;

/// The parts of a policy that are not configured and not counted anew.
#[derive(Debug, Deserialize, Serialize)]
pub struct LeftPolicy {
    /// When states were evaluated last, in nanoseconds of the monotonic clock.
    evaluated_ns: u64,
    /// By VNI: the state that was found then, as its place in [`State::ALL`], and the nanoseconds in each.
    times: Vec<(u32, usize, [u64; State::ALL.len()])>,
    violations: LeftViolations,
    /// Open violations that are not in the log yet, by VNI and direction.
    not_logged: HashSet<(u32, u8)>,
}

impl Policy {
    /// What the next process goes on from, and the rows of `PEERS` up to which cleartext is part of it.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn leave(&mut self) -> Result<(LeftPolicy, HashMap<PeerKey, PeerCount>), Failure> {
        self.clock.follow();
        let rows = self.counts.peers.read()?;
        self.update(&rows);
        let (evaluated_ns, times) = self.state_clock.leave();
        let opened = self.events.iter().filter_map(|event| match event {
            Event::Opened(violation) => Some((violation.vni, violation.direction as u8)),
            Event::Spread(..) | Event::Ended(..) => None,
        });
        let left = LeftPolicy {
            evaluated_ns,
            times: times
                .map(|(vni, state, times)| (vni, state as usize, times.nanoseconds()))
                .collect(),
            violations: self.violations.leave(),
            not_logged: opened.collect(),
        };
        Ok((left, rows))
    }

    /// Goes on from what another process has left.
    pub fn inherit(&mut self, left: LeftPolicy) {
        let evaluated = left.evaluated_ns.min(monotonic_ns());
        let times = left.times.into_iter().filter_map(|(vni, state, times)| {
            let state = State::ALL.get(state)?;
            Some((vni, *state, StateTimes::of_nanoseconds(times)))
        });
        self.state_clock.inherit(evaluated, times);
        self.violations.inherit(left.violations, self.clock);
        let is_news = |violation: &Violation| {
            violation.ended.is_none()
                && left
                    .not_logged
                    .contains(&(violation.vni, violation.direction as u8))
        };
        let news = self.violations.all().into_iter().filter(is_news);
        let news = news.map(Event::Opened).collect();
        self.queue(news);
    }

    /// What was counted so far is of another process's time.
    pub fn begin_at(&mut self, counted: &Counted) {
        self.history.begin_at(counted, Instant::now());
        let now = self.clock.moment(monotonic_ns());
        self.forbidden
            .begin_at(&counted.esp_networks, &self.networks, now);
    }

    /// Adds cleartext that the programs of another process have counted since it left.
    pub fn inherit_peers(&mut self, rows: &HashMap<PeerKey, PeerCount>) {
        self.update(rows);
        // The rows of this process's own map start from zero.
        for path in rows.keys().filter_map(path) {
            self.violations.forget(&path);
        }
    }
}
