//! Rows of the metrics about requirements, states and violations of networks.

use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;

use monitor_common::count::Count;
use monitor_common::direction::Direction;

use super::definition::Rows;
use crate::agent::snapshot::Snapshot;
use crate::base::hash::HashMap;
use crate::host::described_network::shown;
use crate::policy::{State, StateTimes};

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

/// Nodes of one network and direction, and of all, that have rows of `violation_peer_timestamp_seconds`.
pub(crate) const PEERS: usize = 8;
pub(crate) const PEERS_OF_ALL: usize = 256;

/// The rows of `violation_peer_timestamp_seconds`: of the nodes that were seen last.
pub(super) fn peers(snapshot: &Snapshot, rows: &mut Rows<'_, '_>) -> fmt::Result {
    let mut last_seen: HashMap<(u32, Direction, IpAddr), u64> = HashMap::default();
    for violation in &snapshot.policy.violations {
        for peer in &violation.peers {
            if let Some(node) = peer.node {
                let at = u64::try_from(peer.tally.last.wall().as_second()).unwrap_or_default();
                let key = (violation.vni, violation.direction, node);
                let seen = last_seen.entry(key).or_default();
                *seen = at.max(*seen);
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
    latest.truncate(PEERS_OF_ALL);
    latest.sort_unstable_by_key(|(key, _)| *key);
    latest.iter().try_for_each(|((vni, direction, node), at)| {
        rows.value(
            &[&vni.to_string(), direction.label(), &node.to_string()],
            *at,
        )
    })
}

fn vni(vni: Option<u32>) -> String {
    vni.map_or_else(|| "other".to_owned(), |vni| vni.to_string())
}
