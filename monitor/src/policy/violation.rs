//! Violations: packets that break a network's requirement, from the first one to the last.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use monitor_common::count::{Count, Total};
use monitor_common::direction::Direction;

use super::known_networks::Networks;
use crate::base::clock::Moment;
use crate::base::hash::HashMap;

/// Nodes listed in a violation; packets of further nodes are summed.
pub const PEERS: usize = 64;
/// Nodes of a violation that are logged when they appear.
const SAID: usize = 8;
/// Ended violations that are kept.
const ENDED: usize = 256;
/// Networks and directions with totals of their own; further ones are summed.
const TOTALS: usize = 16_384;

/// How a requirement is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breach {
    /// Cleartext where ESP is required.
    Cleartext,
    /// ESP where it is forbidden.
    Encrypted,
}

impl Breach {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Breach::Cleartext => "cleartext",
            Breach::Encrypted => "encrypted",
        }
    }
}

/// One direction between this node and another one, in one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// How it breaks the requirement.
    pub breach: Breach,
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// Direction on this node.
    pub direction: Direction,
    /// The other node; `None` for the nodes without a row in the map, summed.
    pub node: Option<IpAddr>,
}

/// What was counted on a path since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Packets and bytes.
    pub count: Count,
    /// Time of the first packet.
    pub first: Moment,
    /// Time of the last packet.
    pub last: Moment,
}

/// What one node sent or received in a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` for the nodes without a row in the map, summed.
    pub node: Option<IpAddr>,
    /// Packets and bytes, and their times.
    pub tally: Tally,
}

/// A violation in one network and one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// Name of the network as it was given: escape it before it is shown.
    pub name: String,
    /// Direction on this node. Received cleartext: injected, or the sender's rule is missing. Sent: a rule here is missing.
    pub direction: Direction,
    /// How the requirement is broken.
    pub breach: Breach,
    /// All nodes together.
    pub tally: Tally,
    /// By node, in order of appearance; at most [`PEERS`].
    pub peers: Vec<Peer>,
    /// Packets and bytes of further nodes.
    pub others: Count,
    /// When it ended; `None` while it is open.
    pub ended: Option<Moment>,
    /// Its likeliest causes, the likeliest first, as sentences fit to be shown.
    pub causes: Vec<String>,
}

/// A change of a violation that is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A violation opened.
    Opened(Violation),
    /// Another node takes part in an open violation.
    Spread(Violation, IpAddr),
    /// A violation ended.
    Ended(Violation, Since),
}

/// What was seen of a network, in the direction of a violation, since it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Traffic that meets the requirement.
    Kept,
    /// No traffic at all.
    Silent,
    /// Unknown: this host cannot attribute ESP to networks.
    Unseen,
}

impl Event {
    /// Its name in the log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Event::Opened(_) => "violation",
            Event::Spread(_, _) => "violation_spread",
            Event::Ended(_, _) => "violation_ended",
        }
    }

    /// The violation that changed.
    #[must_use]
    pub const fn violation(&self) -> &Violation {
        match self {
            Event::Opened(violation) | Event::Spread(violation, _) | Event::Ended(violation, _) => {
                violation
            }
        }
    }
}

/// Network and direction.
type Side = (u32, Direction);

/// All violations.
#[derive(Debug, Default)]
pub struct Violations {
    counted: HashMap<Path, Count>,
    open: BTreeMap<(Breach, Side), Violation>,
    ended: VecDeque<Violation>,
    totals: BTreeMap<Side, Count>,
    /// Of the sides beyond [`TOTALS`].
    other_totals: [Count; 2],
}

impl Violations {
    /// Updates the violations from what was counted on each path. A path that was removed from the counters with
    /// [`Violations::forget`] starts from zero.
    pub fn update(
        &mut self,
        paths: impl IntoIterator<Item = (Path, Tally)>,
        networks: &Networks,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for (path, tally) in paths {
            let before = self.counted.get(&path).copied();
            let known = before.unwrap_or_default();
            let new = tally.count.since(known);
            if new.is_zero() {
                continue;
            }
            self.counted.insert(path, tally.count);
            self.add_total(path.direction, path.vni, new);
            let new = Tally {
                count: new,
                // The first packet of a known path since the last poll came at about the same time as its last.
                first: if before.is_some() {
                    tally.last
                } else {
                    tally.first
                },
                last: tally.last,
            };
            self.account(path, new, networks, &mut events);
        }
        events
    }

    fn account(&mut self, path: Path, new: Tally, networks: &Networks, events: &mut Vec<Event>) {
        let side = (path.vni, path.direction);
        let peer = Peer {
            node: path.node,
            tally: new,
        };
        let Some(violation) = self.open.get_mut(&(path.breach, side)) else {
            let network = networks.get(path.vni);
            let violation = Violation {
                vni: path.vni,
                name: network.map_or_else(String::new, |network| network.name.clone()),
                direction: path.direction,
                breach: path.breach,
                tally: new,
                peers: vec![peer],
                others: Count::default(),
                ended: None,
                causes: Vec::new(),
            };
            events.push(Event::Opened(violation.clone()));
            self.open.insert((path.breach, side), violation);
            return;
        };
        violation.tally.add(&new);
        if let Some(known) = violation.peers.iter_mut().find(|at| at.node == path.node) {
            known.tally.add(&new);
        } else if violation.peers.len() < PEERS {
            violation.peers.push(peer);
            if let Some(node) = path.node
                && violation.peers.len() <= SAID
            {
                events.push(Event::Spread(violation.clone(), node));
            }
        } else {
            violation.others.add(new.count);
        }
    }

    fn add_total(&mut self, direction: Direction, vni: u32, new: Count) {
        let side = (vni, direction);
        if self.totals.len() >= TOTALS && !self.totals.contains_key(&side) {
            return self.other_totals[direction as usize].add(new);
        }
        self.totals.entry(side).or_default().add(new);
    }

    /// Ends the violations without a packet for a window. `since` returns what was seen of a network in a direction in
    /// the meantime.
    pub fn end(
        &mut self,
        now: Moment,
        window: Duration,
        since: impl Fn(&Violation) -> Since,
    ) -> Vec<Event> {
        let is_over = |violation: &Violation| now.since(violation.tally.last) >= window;
        let over: Vec<_> = self
            .open
            .iter()
            .filter(|(_, violation)| is_over(violation))
            .map(|(key, _)| *key)
            .collect();
        let mut events = Vec::new();
        for key in over {
            let Some(mut violation) = self.open.remove(&key) else {
                continue;
            };
            violation.ended = Some(now);
            let seen = since(&violation);
            events.push(Event::Ended(violation.clone(), seen));
            self.ended.push_back(violation);
            if self.ended.len() > ENDED {
                self.ended.pop_front();
            }
        }
        events
    }

    /// A path was removed from the counters: its next count starts from zero.
    pub fn forget(&mut self, path: &Path) {
        self.counted.remove(path);
    }

    /// Sets the likeliest causes of a violation.
    pub fn explain(&mut self, breach: Breach, vni: u32, direction: Direction, causes: &[String]) {
        if let Some(violation) = self.open.get_mut(&(breach, (vni, direction))) {
            violation.causes = causes.to_vec();
        }
    }

    /// Open violations, then ended ones, the latest first.
    #[must_use]
    pub fn all(&self) -> Vec<Violation> {
        let ended = self.ended.iter().rev();
        self.open.values().chain(ended).cloned().collect()
    }

    /// Packets and bytes of each network and direction that was ever violated, all nodes together. The VNI is `None` for
    /// those beyond the limit, summed. No total ever decreases.
    pub fn totals(&self) -> impl Iterator<Item = (Option<u32>, Direction, Count)> {
        let mine = self.totals.iter();
        let others = Direction::ALL.into_iter().zip(self.other_totals);
        mine.map(|((vni, direction), count)| (Some(*vni), *direction, *count))
            .chain(
                others
                    .filter(|(_, count)| count.packets != 0)
                    .map(|(direction, count)| (None, direction, count)),
            )
    }

    /// Whether a violation of this network and direction is open.
    #[must_use]
    pub fn is_open(&self, vni: u32, direction: Direction) -> bool {
        let side = (vni, direction);
        [Breach::Cleartext, Breach::Encrypted]
            .into_iter()
            .any(|breach| self.open.contains_key(&(breach, side)))
    }
}

impl Tally {
    fn add(&mut self, more: &Tally) {
        self.count.add(more.count);
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }
}

pub(super) mod left;
#[cfg(test)]
mod tests;
