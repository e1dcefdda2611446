//! The policy at work: what is required is told to the kernel, what it counts is judged.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use monitor_common::key::{Count, PeerCount, PeerKey};
use monitor_common::label::Direction;

use super::forbidden::Forbidden;
use super::state::judge;
use super::violation::{Breach, Event, Path, Tally};
use super::{Doubt, History, Network, Networks, Requirement, Seen, State, Violation, Violations};
use crate::base::clock::{Clock, monotonic_ns};
use crate::base::failure::Failure;
use crate::kernel::Attribution;
use crate::kernel::Counts;
use crate::traffic::address::ip_of_key;
use crate::traffic::counted::Counted;

/// The policy, as those see it who share it.
pub type Shared = Arc<Mutex<Policy>>;

/// Events that wait to be said; there are never as many unless nobody says them.
const EVENTS: usize = 1024;
/// A wall clock that was set by more than this is followed.
const STEP: SignedDuration = SignedDuration::from_millis(500);

/// What a network should be, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// What somebody said of it; `None` for one that was only seen.
    pub network: Option<Network>,
    /// What it is.
    pub state: State,
    /// What was seen of it over the window.
    pub seen: Seen,
    /// Why the state is not known, or what was seen may be less than what was there.
    pub doubts: Vec<Doubt>,
}

/// Packets and bytes that a network must not have had, in a direction, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// VXLAN Network Identifier; `None` for those that are too many to keep apart.
    pub vni: Option<u32>,
    /// Which way.
    pub direction: Direction,
    /// Packets and bytes.
    pub count: Count,
    /// Whether it goes on.
    pub active: bool,
}

/// Networks and violations at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Those that are known, and those that were seen in the window; by VNI.
    pub networks: Vec<Status>,
    /// Those that go on, then those that are over, the latest first.
    pub violations: Vec<Violation>,
    /// Both directions of each network that is restricted or was violated.
    pub totals: Vec<Total>,
}

/// What networks should be, what was seen of them, and what they must not have.
pub struct Policy {
    counts: Arc<Counts>,
    networks: Networks,
    /// Networks that the kernel was told must be encrypted.
    required: BTreeSet<u32>,
    /// Networks without rows of their own in the maps.
    without_rows: BTreeSet<u32>,
    history: History,
    violations: Violations,
    events: Vec<Event>,
    /// A violation ends after such a time without a packet.
    window: Duration,
    clock: Clock,
    forbidden: Forbidden,
    /// Nodes for which a network card encrypts.
    offloaded: BTreeSet<IpAddr>,
    peers: usize,
}

impl Policy {
    /// A policy for these networks. States are judged over `judged_over`, and a violation ends after `window`.
    ///
    /// # Errors
    /// A runtime failure, if the kernel cannot be told.
    pub fn new(
        counts: Arc<Counts>,
        networks: Vec<Network>,
        window: Duration,
        judged_over: Duration,
    ) -> Result<Policy, Failure> {
        let mut policy = Policy {
            counts,
            networks: Networks::new(networks),
            required: BTreeSet::new(),
            without_rows: BTreeSet::new(),
            history: History::new(judged_over),
            violations: Violations::default(),
            events: Vec::new(),
            window,
            clock: Clock::now(),
            forbidden: Forbidden::default(),
            offloaded: BTreeSet::new(),
            peers: 0,
        };
        policy.tell()?;
        Ok(policy)
    }

    /// The networks that are known.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Replaces what Docker tells of networks.
    ///
    /// # Errors
    /// A runtime failure, if the kernel cannot be told.
    pub fn set_docker(&mut self, networks: Vec<Network>) -> Result<(), Failure> {
        if self.networks.set_docker(networks) {
            self.tell()?;
        }
        Ok(())
    }

    /// Notes which networks have no rows of their own in the maps, because there is no room.
    pub fn set_without_rows(&mut self, vnis: BTreeSet<u32>) {
        self.without_rows = vnis;
    }

    /// Notes for which nodes a network card encrypts (XFRM packet offload): what is sent to them is still readable where
    /// it is counted, and no violation.
    pub fn set_offloaded(&mut self, nodes: BTreeSet<IpAddr>) {
        if nodes != self.offloaded && !nodes.is_empty() {
            tracing::warn!(
                "a network card encrypts for {} nodes (packet offload): whether what is sent to them is encrypted cannot be \
                 told here",
                nodes.len()
            );
        }
        self.offloaded = nodes;
    }

    /// Tells the kernel which networks must be encrypted.
    fn tell(&mut self) -> Result<(), Failure> {
        let required: BTreeSet<u32> = self
            .networks
            .with(Requirement::Required)
            .map(|network| network.vni)
            .collect();
        for vni in self.required.difference(&required) {
            self.counts.peers.require(*vni, false)?;
        }
        for vni in required.difference(&self.required) {
            self.counts.peers.require(*vni, true)?;
        }
        self.required = required;
        Ok(())
    }

    /// Looks at the cleartext of networks that must be encrypted.
    ///
    /// # Errors
    /// A runtime failure, if the kernel does not tell.
    pub fn poll(&mut self) -> Result<(), Failure> {
        self.follow_clock();
        let rows = self.counts.peers.read()?;
        self.peers = rows.len();
        self.update(&rows);
        let now = monotonic_ns();
        let silent = |count: &PeerCount| {
            Duration::from_nanos(now.saturating_sub(count.last_ns)) >= self.window
        };
        let over: Vec<PeerKey> = rows
            .iter()
            .filter(|(key, count)| silent(count) && !self.is_kept(key))
            .map(|(key, _)| *key)
            .collect();
        // What was silent for so long goes, so that whoever makes up nodes does not fill the map for ever.
        for key in over {
            if let Some(count) = self.counts.peers.take(&key)? {
                self.update(&[(key, count)].into());
            }
            if let Some(path) = path(&key) {
                self.violations.forget(&path);
            }
        }
        let ended = self.violations.end(self.clock.at(now), self.window);
        self.say(ended);
        Ok(())
    }

    /// Whether a row stays although it is silent: the one for nodes that find no room.
    fn is_kept(&self, key: &PeerKey) -> bool {
        key.is_other() && self.required.contains(&key.vni)
    }

    fn update(&mut self, rows: &HashMap<PeerKey, PeerCount>) {
        let clock = self.clock;
        let paths = rows.iter().filter_map(|(key, count)| {
            let tally = Tally {
                count: Count {
                    packets: count.packets,
                    bytes: count.bytes,
                },
                first: clock.at(count.first_ns),
                last: clock.at(count.last_ns),
            };
            Some((path(key)?, tally))
        });
        let mut paths: Vec<_> = paths
            .filter(|(_, tally)| tally.count.packets != 0)
            .collect();
        // The first one first: it opens the violation.
        paths.sort_unstable_by_key(|(path, tally)| (tally.first, *path));
        let events = self.violations.update(paths, &self.networks);
        self.say(events);
    }

    /// Takes what was counted into account: for the states, and for ESP where it is forbidden.
    pub fn note(&mut self, snapshot: &Counted) {
        let networks = &self.networks;
        let is_known = |vni| networks.get(vni).is_some();
        self.history.note(snapshot, is_known, Instant::now());
        let now = self.clock.at(monotonic_ns());
        let paths = self
            .forbidden
            .note(&snapshot.esp_networks, &self.networks, now);
        let events = self.violations.update(paths, &self.networks);
        self.say(events);
    }

    /// What networks are now, and what is wrong.
    #[must_use]
    pub fn report(&self) -> Report {
        let (mut seen, sight) = self.history.sum();
        for network in self.networks.iter() {
            seen.entry(network.vni).or_default();
        }
        let status = |(vni, seen): (u32, Seen)| {
            let network = self.networks.get(vni).cloned();
            let has_row = self.history.is_counted(vni)
                || network.is_some() && !self.without_rows.contains(&vni);
            let (state, doubts) = judge(&seen, &sight, has_row, !self.offloaded.is_empty());
            Status {
                vni,
                network,
                state,
                seen,
                doubts,
            }
        };
        Report {
            networks: seen.into_iter().map(status).collect(),
            violations: self.violations.all(),
            totals: self.totals(),
        }
    }

    fn totals(&self) -> Vec<Total> {
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
            .map(|((vni, direction), count)| Total {
                vni,
                direction,
                count,
                active: vni.is_some_and(|vni| self.violations.is_open(vni, direction)),
            })
            .collect()
    }

    /// Rows that the kernel has of other nodes.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers
    }

    /// What the log should say, once.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Notes the likeliest causes of a violation that goes on.
    pub fn explain(&mut self, violation: &Violation, causes: &[String]) {
        self.violations
            .explain(violation.breach, violation.vni, violation.direction, causes);
    }

    /// Whether any network is forbidden to be encrypted, which only [`Policy::note`] can tell.
    #[must_use]
    pub fn forbids(&self) -> bool {
        self.networks.with(Requirement::Forbidden).next().is_some()
    }

    /// What cannot be told of networks that must be encrypted, if anything.
    #[must_use]
    pub fn blind_spot(&self, attribution: &Attribution) -> Option<String> {
        let required = self.networks.with(Requirement::Required).count();
        let why = match attribution {
            Attribution::Exact => return None,
            Attribution::None => "ESP is not attributed to networks",
            Attribution::Impossible(why) => why,
        };
        (required != 0).then(|| {
            format!(
                "networks that must be encrypted: {required}. Cleartext in them is seen, but not whether there is ESP \
                 in its place ({why})"
            )
        })
    }

    fn say(&mut self, events: Vec<Event>) {
        let room = EVENTS.saturating_sub(self.events.len());
        self.events.extend(events.into_iter().take(room));
    }

    /// Keeps the clock that times are told by, unless somebody has set the wall clock: times that drift by what two
    /// readings differ would make one violation two.
    fn follow_clock(&mut self) {
        let ours = self.clock.at(monotonic_ns());
        if Timestamp::now().duration_since(ours).abs() > STEP {
            self.clock = Clock::now();
        }
    }
}

fn path(key: &PeerKey) -> Option<Path> {
    Some(Path {
        breach: Breach::Cleartext,
        vni: key.vni,
        direction: key.direction()?,
        node: (!key.is_other()).then(|| ip_of_key(key.node)),
    })
}
