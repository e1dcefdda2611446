//! ESP of networks that must not be encrypted: by which nodes, and since when.
//!
//! The kernel counts ESP by network without times, and moves the counts of idle nodes to a row without a node. So only
//! growth of a network's sum is new.

use std::collections::BTreeMap;

use monitor_common::count::{Count, Total};
use monitor_common::direction::Direction;

use super::known_networks::Networks;
use super::violation::{Breach, Path, Tally};
use crate::base::clock::Moment;
use crate::host::described_network::Requirement;
use crate::traffic::counted::EspNetwork;

/// Networks, directions and nodes that are kept. The bound is reached only if rows come and go.
const PATHS: usize = 16_384;

/// ESP counted in networks that must not be encrypted.
#[derive(Debug, Default)]
pub(super) struct ForbiddenEsp {
    /// What the rows held at the last update.
    rows: BTreeMap<Path, Count>,
    sums: BTreeMap<(u32, Direction), Count>,
    tallies: BTreeMap<Path, Tally>,
}

impl ForbiddenEsp {
    /// What was counted so far is of another process's time.
    pub(super) fn begin_at(&mut self, rows: &[EspNetwork], networks: &Networks, now: Moment) {
        self.update(rows, networks, now);
        self.tallies.clear();
    }

    /// Updates from the rows of `now`, and returns what was counted on each path since the start.
    pub(super) fn update(
        &mut self,
        rows: &[EspNetwork],
        networks: &Networks,
        now: Moment,
    ) -> Vec<(Path, Tally)> {
        let forbidden: Vec<_> = rows
            .iter()
            .filter(|row| {
                let network = networks.get(row.vni);
                network.is_some_and(|network| network.required == Requirement::Forbidden)
            })
            .map(|row| (path(row), row.count.count()))
            .collect();
        let mut sums = BTreeMap::<(u32, Direction), Count>::new();
        for (path, count) in &forbidden {
            sums.entry((path.vni, path.direction))
                .or_default()
                .add(*count);
        }
        let mut left: BTreeMap<_, _> = sums
            .iter()
            .map(|(side, sum)| {
                let before = self.sums.get(side).copied().unwrap_or_default();
                (*side, sum.since(before))
            })
            .collect();
        // Rows with a node first: what remains belongs to the row without one.
        for of_node in [true, false] {
            for (path, count) in &forbidden {
                if path.node.is_some() != of_node {
                    continue;
                }
                let before = self.rows.get(path).copied().unwrap_or_default();
                let new = count.since(before);
                let Some(left) = left.get_mut(&(path.vni, path.direction)) else {
                    continue;
                };
                let new = new.min(*left);
                if new.is_zero() || self.tallies.len() >= PATHS && !self.tallies.contains_key(path)
                {
                    continue;
                }
                *left = left.since(new);
                let tally = self.tallies.entry(*path).or_insert(Tally {
                    count: Count::default(),
                    first: now,
                    last: now,
                });
                tally.count.add(new);
                tally.last = now;
            }
        }
        self.rows = forbidden.into_iter().collect();
        self.sums = sums;
        self.tallies
            .iter()
            .map(|(path, tally)| (*path, *tally))
            .collect()
    }
}

fn path(row: &EspNetwork) -> Path {
    Path {
        breach: Breach::Encrypted,
        vni: row.vni,
        direction: row.direction,
        node: (!row.peer.is_unspecified()).then_some(row.peer),
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::count::EspCarried;

    use super::*;
    use crate::host::described_network::{Network, NetworkKind, Source};

    fn row(peer: &str, packets: u64) -> EspNetwork {
        EspNetwork {
            direction: Direction::Tx,
            vni: 4096,
            peer: peer.parse().unwrap(),
            count: EspCarried {
                packets,
                bytes: packets * 10,
                overhead: packets * 26,
            },
        }
    }

    #[test]
    fn a_row_that_is_moved_adds_nothing() {
        let networks = Networks::new(vec![Network {
            vni: 4096,
            name: String::new(),
            required: Requirement::Forbidden,
            source: Source::Config,
            kind: NetworkKind::Overlay,
        }]);
        let mut forbidden = ForbiddenEsp::default();
        let at = Moment::second;
        let other_network = EspNetwork {
            vni: 4097,
            ..row("192.168.77.2", 9)
        };
        let rows = [
            row("192.168.77.2", 5),
            row("192.168.77.3", 1),
            other_network,
        ];
        let first = forbidden.update(&rows, &networks, at(1));
        let packets = |all: &[(Path, Tally)]| -> Vec<u64> {
            all.iter().map(|(_, tally)| tally.count.packets).collect()
        };
        assert_eq!(packets(&first), [5, 1]);
        // Moved to the row without a node.
        let rows = [row("::", 5), row("192.168.77.3", 1)];
        assert_eq!(forbidden.update(&rows, &networks, at(2)), first);
        // The node is back, and another one has no row.
        let rows = [row("::", 7), row("192.168.77.2", 2), row("192.168.77.3", 1)];
        let now = forbidden.update(&rows, &networks, at(3));
        assert_eq!(packets(&now), [2, 7, 1]);
        assert_eq!(now[0].0.node, None);
        assert_eq!((now[1].1.first, now[1].1.last), (at(1), at(3)));
    }
}
