//! Rows of the metrics about requirements, states and violations of networks.

use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;

use monitor_common::count::Count;
use monitor_common::direction::Direction;

use super::definition::Rows;
use crate::agent::snapshot::Snapshot;
use crate::base::clock::Moment;
use crate::base::hash::HashMap;
use crate::host::described_network::shown;
use crate::policy::{State, StateTimes, Violation};

/// The rows of `network_info`.
pub(super) fn info(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    for status in &snapshot.policy.networks {
        let Some(network) = &status.network else {
            continue;
        };
        let labels = [
            &status.vni.to_string(),
            &shown(&network.name),
            network.source.name(),
            network.required.name(),
            network.kind.name(),
        ];
        rows.value(&labels, 1)?;
    }
    Ok(())
}

/// The rows of `network_state`.
pub(super) fn state(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    for status in &snapshot.policy.networks {
        let vni = status.vni.to_string();
        for state in State::ALL {
            let is_so = u64::from(status.state == state);
            rows.value(&[&vni, state.name()], is_so)?;
        }
    }
    Ok(())
}

/// The rows of `network_watched_seconds`.
pub(super) fn watched(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    let mut timed = timed(snapshot);
    timed.try_for_each(|(vni, times)| rows.seconds(&[&vni], times.watched()))
}

/// The rows of `network_state_seconds`.
pub(super) fn state_times(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    timed(snapshot).try_for_each(|(vni, times)| {
        let mut states = State::ALL.into_iter();
        states.try_for_each(|state| rows.seconds(&[&vni, state.name()], times.of(state)))
    })
}

/// The known networks, with their time in each state.
fn timed(snapshot: &Snapshot) -> impl Iterator<Item = (String, StateTimes)> {
    let networks = snapshot.policy.networks.iter();
    networks.filter_map(|status| Some((status.vni.to_string(), status.times?)))
}

/// The rows of `violation_active`.
pub(super) fn active(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    let mut totals = snapshot.policy.totals.iter();
    totals.try_for_each(|total| {
        let labels = [&vni(total.vni), total.direction.label()];
        rows.value(&labels, u64::from(total.active))
    })
}

/// The rows of a count of violations.
pub(super) fn total(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&Count) -> u64,
) -> fmt::Result {
    let mut totals = snapshot.policy.totals.iter();
    totals.try_for_each(|total| {
        rows.value(
            &[&vni(total.vni), total.direction.label()],
            value(&total.count),
        )
    })
}

/// Nodes of one network and direction that have rows of `violation_peer_timestamp_seconds`.
const PEERS: usize = 8;
/// The same of all networks.
pub const VIOLATION_PEERS: usize = 256;

/// The rows of `violation_peer_timestamp_seconds`.
pub(super) fn peers(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    let latest = latest_peers(&snapshot.policy.violations);
    latest
        .into_iter()
        .try_for_each(|((vni, direction, node), at)| {
            let labels = [&vni.to_string(), direction.label(), &node.to_string()];
            rows.value(&labels, u64::try_from(at.wall().as_second()).unwrap_or(0))
        })
}

/// The nodes of violations that were seen last, with when, in order.
fn latest_peers(violations: &[Violation]) -> Vec<((u32, Direction, IpAddr), Moment)> {
    let mut last_seen: HashMap<(u32, Direction, IpAddr), Moment> = HashMap::default();
    for violation in violations {
        for peer in &violation.peers {
            if let Some(node) = peer.node {
                let last = peer.tally.last;
                let seen = last_seen
                    .entry((violation.vni, violation.direction, node))
                    .or_insert(last);
                *seen = last.max(*seen);
            }
        }
    }
    let mut latest: Vec<_> = last_seen.into_iter().collect();
    latest.sort_unstable_by_key(|(key, at)| (Reverse(*at), *key));
    let mut listed: HashMap<(u32, Direction), usize> = HashMap::default();
    latest.retain(|((vni, direction, _), _)| {
        let count = listed.entry((*vni, *direction)).or_default();
        *count += 1;
        *count <= PEERS
    });
    latest.truncate(VIOLATION_PEERS);
    latest.sort_unstable_by_key(|(key, _)| *key);
    latest
}

fn vni(vni: Option<u32>) -> String {
    vni.map_or_else(|| "other".to_owned(), |vni| vni.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::violation::{Breach, Peer, Tally};

    /// A violation with nodes that were seen at these seconds; the node's number is the second.
    fn violation(vni: u32, seconds: impl Iterator<Item = u8>) -> Violation {
        let peer = |second: u8| Peer {
            node: Some(IpAddr::from([192, 0, 2, second])),
            tally: tally(second),
        };
        Violation {
            vni,
            name: String::new(),
            direction: Direction::Rx,
            breach: Breach::Cleartext,
            tally: tally(0),
            peers: seconds.map(peer).collect(),
            others: Count::default(),
            ended: None,
            causes: Vec::new(),
        }
    }

    fn tally(second: u8) -> Tally {
        Tally {
            count: Count::default(),
            first: Moment::second(0),
            last: Moment::second(second.into()),
        }
    }

    #[test]
    fn of_many_nodes_those_that_were_seen_last_are_listed() {
        let listed = latest_peers(&[
            violation(7, 1..=20),
            violation(7, 1..=3),
            violation(8, 2..=3),
        ]);
        let seconds = |of: u32| -> Vec<Moment> {
            let rows = listed.iter().filter(|((vni, ..), _)| *vni == of);
            rows.map(|(_, at)| *at).collect()
        };
        assert_eq!(seconds(7), Vec::from_iter((13..=20).map(Moment::second)));
        assert_eq!(seconds(8), [2, 3].map(Moment::second));

        let many: Vec<Violation> = (0..100).map(|vni| violation(vni, 1..=20)).collect();
        assert_eq!(latest_peers(&many).len(), VIOLATION_PEERS);
    }
}
