//! Evaluates the policy: writes the requirements to the kernel, reads its counters, and reports states and violations.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::key::{PeerCount, PeerKey};

use super::forbidden_esp::ForbiddenEsp;
use super::history::{Coverage, History, Seen};
use super::known_networks::Networks;
use super::network_state::{Doubt, State, evaluate};
use super::policy_report::{NetworkStatus, PolicyReport, ViolationTotal};
use super::requirements::Requirements;
use super::state_times::StateClock;
use super::violation::{Breach, Event, Path, Tally, Violation, Violations};
use crate::base::clock::{Clock, monotonic_ns};
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::base::plural::counted;
use crate::host::described_network::{Network, Requirement};
use crate::kernel::Counts;
use crate::traffic::address::ip_of_key;
use crate::traffic::counted::Counted;

/// Rows of `PEERS` that are read at once on any thread.
const FEW: usize = 256;

/// The policy, shared between the agent and its loops.
pub type SharedPolicy = Arc<Mutex<Policy>>;

/// Events not logged yet. The loops log them five times a second, so the bound is reached only if no loop runs.
const EVENTS: usize = 1024;

/// Requirements, history and violations, and the kernel maps that they are evaluated from.
pub struct Policy {
    counts: Arc<Counts>,
    networks: Networks,
    requirements: Requirements,
    /// Networks without rows of their own in the maps.
    without_rows: BTreeSet<u32>,
    history: History,
    state_clock: StateClock,
    violations: Violations,
    events: Vec<Event>,
    /// A violation ends after this time without a packet.
    window: Duration,
    clock: Clock,
    forbidden: ForbiddenEsp,
    /// Nodes that a network card encrypts for.
    offloaded: BTreeSet<IpAddr>,
    peers: usize,
}

impl Policy {
    /// A policy for these networks. States are evaluated over `state_window`; a violation ends after `window`.
    ///
    /// # Errors
    /// A runtime failure, if a kernel map cannot be written.
    pub fn new(
        counts: Arc<Counts>,
        networks: Vec<Network>,
        window: Duration,
        state_window: Duration,
    ) -> Result<Policy, Failure> {
        let mut policy = Policy {
            counts,
            networks: Networks::new(networks),
            requirements: Requirements::default(),
            without_rows: BTreeSet::new(),
            history: History::new(state_window),
            state_clock: StateClock::default(),
            violations: Violations::default(),
            events: Vec::new(),
            window,
            clock: Clock::now(),
            forbidden: ForbiddenEsp::default(),
            offloaded: BTreeSet::new(),
            peers: 0,
        };
        policy.want_requirements();
        policy.write_requirements()?;
        Ok(policy)
    }

    /// The known networks.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Replaces the networks that Docker reports. [`Policy::poll`] writes their requirements to the kernel.
    pub fn set_docker(&mut self, networks: Vec<Network>) {
        if self.networks.set_docker(networks) {
            self.want_requirements();
        }
    }

    /// Replaces the networks of command line and configuration file, as [`Policy::set_docker`] does Docker's.
    pub fn set_configured(&mut self, networks: Vec<Network>) {
        if self.networks.set_configured(networks) {
            self.want_requirements();
        }
    }

    /// Sets which networks have no rows of their own in the maps for lack of room.
    pub fn set_without_rows(&mut self, vnis: BTreeSet<u32>) {
        self.without_rows = vnis;
    }

    /// Sets which nodes a network card encrypts for (XFRM packet offload). Packets to them are still readable where they are
    /// counted; they are no violation.
    pub fn set_offloaded(&mut self, nodes: BTreeSet<IpAddr>) {
        if nodes != self.offloaded && !nodes.is_empty() {
            tracing::warn!(
                "a network card encrypts for {} (packet offload): the agent cannot see whether packets to them are \
                 encrypted",
                counted(nodes.len(), "node")
            );
        }
        self.offloaded = nodes;
    }

    fn want_requirements(&mut self) {
        let required = self.networks.with(Requirement::Required);
        self.requirements
            .want(required.map(|network| network.vni).collect());
    }

    /// Writes the VNIs that must be encrypted to the kernel, where it does not have them.
    fn write_requirements(&mut self) -> Result<(), Failure> {
        let peers = &self.counts.peers;
        self.requirements
            .write(|vni, required| peers.require(vni, required))
    }

    /// Reads the cleartext of networks that must be encrypted, and opens, extends and ends violations. Writes the
    /// requirements that the kernel does not have yet.
    ///
    /// # Errors
    /// A runtime failure, if a kernel map cannot be read or written. The next call tries again.
    pub fn poll(&mut self) -> Result<(), Failure> {
        // A network that the kernel refuses must not hide the violations of the others.
        let written = self.write_requirements();
        let now = monotonic_ns();
        let idle = self.read_peers(now)?;
        self.remove_peers(&idle)?;
        self.end_violations(now);
        written
    }

    /// As [`Policy::poll`], but returns `false`, and may have done a part of it, if it takes longer: where there are many rows, some to
    /// remove, which waits for the programs, or requirements that the kernel does not have.
    ///
    /// # Errors
    /// See [`Policy::poll`].
    pub fn poll_quickly(&mut self) -> Result<bool, Failure> {
        if self.peers > FEW || !self.requirements.are_written() {
            return Ok(false);
        }
        let now = monotonic_ns();
        if !self.read_peers(now)?.is_empty() {
            return Ok(false);
        }
        self.end_violations(now);
        Ok(true)
    }

    /// Opens and extends violations. Returns the rows that are idle, which are removed so that forged node addresses cannot
    /// fill the map for ever.
    fn read_peers(&mut self, now: u64) -> Result<Vec<PeerKey>, Failure> {
        self.clock.follow();
        let rows = self.counts.peers.read()?;
        self.peers = rows.len();
        self.update(&rows);
        Ok(idle(&rows, now, self.window, |vni| {
            self.requirements.has(vni)
        }))
    }

    fn remove_peers(&mut self, idle: &[PeerKey]) -> Result<(), Failure> {
        if idle.is_empty() {
            return Ok(());
        }
        let mut last = HashMap::default();
        let taken = self.counts.peers.take(idle, |key, count| {
            last.insert(key, count);
        });
        self.update(&last);
        for path in last.keys().filter_map(path) {
            self.violations.forget(&path);
        }
        taken
    }

    fn end_violations(&mut self, now: u64) {
        let now = self.clock.moment(now);
        let since = |violation: &Violation| {
            let last = Instant::now().checked_sub(now.since(violation.tally.last));
            self.history.since(violation, last)
        };
        let ended = self.violations.end(now, self.window, since);
        self.queue(ended);
    }

    fn update(&mut self, rows: &HashMap<PeerKey, PeerCount>) {
        let clock = self.clock;
        let paths = rows.iter().filter_map(|(key, count)| {
            let tally = Tally {
                count: Count {
                    packets: count.packets,
                    bytes: count.bytes,
                },
                first: clock.moment(count.first_ns),
                last: clock.moment(count.last_ns),
            };
            Some((path(key)?, tally))
        });
        let mut paths: Vec<_> = paths
            .filter(|(_, tally)| tally.count.packets != 0)
            .collect();
        // The earliest packet first: it opens the violation.
        paths.sort_unstable_by_key(|(path, tally)| (tally.first, *path));
        let events = self.violations.update(paths, &self.networks);
        self.queue(events);
    }

    /// Updates states from what was counted, and violations from ESP where it is forbidden.
    pub fn update_states(&mut self, counted: &Counted) {
        let networks = &self.networks;
        let is_known = |vni| networks.get(vni).is_some();
        self.history.record(counted, is_known, Instant::now());
        let now = monotonic_ns();
        self.note_states(now);
        let now = self.clock.moment(now);
        let paths = self
            .forbidden
            .update(&counted.esp_networks, &self.networks, now);
        let events = self.violations.update(paths, &self.networks);
        self.queue(events);
    }

    /// Notes the states of the known networks, and how long the last ones held.
    fn note_states(&mut self, now_ns: u64) {
        let (seen, coverage) = self.history.sum();
        let state = |vni: u32| {
            let seen = seen.get(&vni).copied().unwrap_or_default();
            (vni, self.state(vni, &seen, &coverage).0)
        };
        let states: Vec<_> = self.networks.iter().map(|at| state(at.vni)).collect();
        self.state_clock.evaluate(states.into_iter(), now_ns);
    }

    fn state(&self, vni: u32, seen: &Seen, coverage: &Coverage) -> (State, Vec<Doubt>) {
        let is_prepared = self.networks.get(vni).is_some() && !self.without_rows.contains(&vni);
        let has_row = self.history.is_counted(vni) || is_prepared;
        evaluate(seen, coverage, has_row, !self.offloaded.is_empty())
    }

    /// States and violations of this moment.
    #[must_use]
    pub fn report(&self) -> PolicyReport {
        let (mut seen, coverage) = self.history.sum();
        for network in self.networks.iter() {
            seen.entry(network.vni).or_default();
        }
        let status = |(vni, seen): (u32, Seen)| {
            let (state, doubts) = self.state(vni, &seen, &coverage);
            NetworkStatus {
                vni,
                network: self.networks.get(vni).cloned(),
                state,
                seen,
                doubts,
                times: self.state_clock.times(vni),
            }
        };
        PolicyReport {
            networks: seen.into_iter().map(status).collect(),
            violations: self.violations.all(),
            totals: self.totals(),
        }
    }

    fn totals(&self) -> Vec<ViolationTotal> {
        let mut all = BTreeMap::<(Option<u32>, Direction), Count>::new();
        let restricted = [Requirement::Required, Requirement::Forbidden];
        for network in restricted
            .into_iter()
            .flat_map(|required| self.networks.with(required))
        {
            for direction in Direction::ALL {
                all.insert((Some(network.vni), direction), Count::default());
            }
        }
        for (vni, direction, count) in self.violations.totals() {
            all.insert((vni, direction), count);
        }
        all.into_iter()
            .map(|((vni, direction), count)| ViolationTotal {
                vni,
                direction,
                count,
                active: vni.is_some_and(|vni| self.violations.is_open(vni, direction)),
            })
            .collect()
    }

    /// Rows of other nodes in the kernel map.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers
    }

    /// Takes the events that are not logged yet.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Sets the likeliest causes of an open violation.
    pub fn explain(&mut self, violation: &Violation, causes: &[String]) {
        self.violations
            .explain(violation.breach, violation.vni, violation.direction, causes);
    }

    /// Whether any network must not be encrypted. Only [`Policy::update_states`] detects ESP in it.
    #[must_use]
    pub fn has_forbidden(&self) -> bool {
        self.networks.with(Requirement::Forbidden).next().is_some()
    }

    fn queue(&mut self, events: Vec<Event>) {
        let room = EVENTS.saturating_sub(self.events.len());
        self.events.extend(events.into_iter().take(room));
    }
}

/// Rows without a packet for the window. Those stay that sum the nodes without a row of a network that must be encrypted.
fn idle(
    rows: &HashMap<PeerKey, PeerCount>,
    now_ns: u64,
    window: Duration,
    is_required: impl Fn(u32) -> bool,
) -> Vec<PeerKey> {
    let is_idle =
        |count: &PeerCount| Duration::from_nanos(now_ns.saturating_sub(count.last_ns)) >= window;
    let is_kept = |key: &PeerKey| key.is_other() && is_required(key.vni);
    rows.iter()
        .filter(|(key, count)| is_idle(count) && !is_kept(key))
        .map(|(key, _)| *key)
        .collect()
}

fn path(key: &PeerKey) -> Option<Path> {
    Some(Path {
        breach: Breach::Cleartext,
        vni: key.vni,
        direction: key.direction()?,
        node: (!key.is_other()).then(|| ip_of_key(key.node)),
    })
}

pub(super) mod left;

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn rows_leave_when_they_are_idle_and_those_of_all_other_nodes_stay_while_required() {
        const SECOND: u64 = 1_000_000_000;
        let count = |last_s| PeerCount {
            last_ns: last_s * SECOND,
            ..PeerCount::default()
        };
        let node = |vni| PeerKey::new(Direction::Rx, vni, [7; 2]);
        let others = |vni| PeerKey::other(Direction::Rx, vni);
        let rows = HashMap::from_iter([
            (node(1), count(40)),
            (node(2), count(41)),
            (others(3), count(0)),
            (others(4), count(0)),
            (node(3), count(0)),
        ]);
        let now = 100 * SECOND;
        let mut left = idle(&rows, now, Duration::from_secs(60), |vni| vni == 3);
        left.sort_unstable_by_key(|key| (key.vni, key.is_other()));
        assert_eq!(left, [node(1), node(3), others(4)]);
    }
}
