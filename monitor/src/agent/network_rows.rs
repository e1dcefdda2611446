//! Rows for known networks, made beforehand: a flood of other VNIs cannot take them.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use monitor_common::direction::Direction;
use monitor_common::key::NetworkId;
use monitor_common::map_size::DEVICES;

use super::node_agent::Agent;
use super::watched::Watched;
use crate::policy::Requirement;

/// For how long the networks that the process before this one knew count as described: until Docker has reported its own.
const HOLDS_BEFORE: Duration = Duration::from_secs(60);

impl Agent {
    /// Makes the rows of known networks on all watched interfaces where they are missing: those of the configuration, of
    /// Docker, and of the devices of this host. They may take half of the map, those that must be encrypted first. A network
    /// without a row is logged, and its state is unknown.
    pub fn prepare_networks(&mut self) {
        let mut policy = self
            .policy
            .as_ref()
            .map(|policy| policy.lock().unwrap_or_else(PoisonError::into_inner));
        let version = policy.as_ref().map(|policy| policy.networks().version());
        let devices: BTreeSet<u32> = self
            .overlays
            .iter()
            .filter_map(|link| link.overlay?.vni)
            .take(DEVICES)
            .collect();
        let holds_before = self.started.elapsed() < HOLDS_BEFORE;
        let prepared = (version, devices.clone(), holds_before);
        let is_done = |at: &Watched| at.prepared.as_ref() == Some(&prepared);
        if self.watched.values().all(is_done) {
            return;
        }
        let mut networks: Vec<(Requirement, u32)> = policy
            .iter()
            .flat_map(|policy| policy.networks().iter())
            .map(|network| (network.required, network.vni))
            .collect();
        let in_policy: BTreeSet<u32> = networks.iter().map(|at| at.1).collect();
        let of_devices = devices.difference(&in_policy);
        networks.extend(of_devices.map(|vni| (Requirement::Optional, *vni)));
        networks.sort_unstable();
        let room = networks_with_rows(self.kernel.sizes().counters, self.watched.len());
        let mut without: BTreeSet<u32> = networks.iter().skip(room).map(|at| at.1).collect();
        for (index, watched) in &mut self.watched {
            for (_, vni) in networks.iter().take(room) {
                if self.kernel.prepare_network(*index, *vni).is_err() {
                    without.insert(*vni);
                }
            }
            watched.prepared = Some(prepared.clone());
        }
        // Two directions; half of the map is left to the nodes.
        let room = self.kernel.sizes().esp_networks as usize / 4;
        for (_, vni) in networks.iter().take(room) {
            if let Err(failure) = self.kernel.know_network(*vni) {
                // A network without a row is counted under "other".
                tracing::debug!(
                    "VNI {vni}: no row of its own for ESP, so it is counted under \"other\": {failure}"
                );
            }
        }
        let described = networks.iter().map(|(_, vni)| NetworkId::vni(*vni));
        // Without shares there is nothing that a group could have its part of.
        if self.kernel.sizes().returned > 1
            && let Err(failure) = self.kernel.flows.describe(described)
        {
            tracing::warn!(
                "known networks have no share of their own of the flows that wait for a verdict: {failure}"
            );
        }
        if !without.is_empty() && !self.room_logged {
            tracing::warn!(
                "known networks without a row of their own in the map: {}; while the map is full they are counted under \
                 \"other\", and their state is unknown; select fewer interfaces or networks",
                without.len()
            );
        }
        self.room_logged = !without.is_empty();
        self.described = networks.into_iter().map(|(_, vni)| vni).collect();
        if holds_before {
            self.described.extend(&self.described_before);
        }
        if let Some(policy) = &mut policy {
            policy.set_without_rows(without);
        }
    }
}

/// How many networks get rows: one for each direction of each interface, which take half of the map at most.
fn networks_with_rows(map: u32, interfaces: usize) -> usize {
    let rows_of_one = Direction::ALL.len() * interfaces.max(1);
    map as usize / 2 / rows_of_one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_known_networks_take_half_of_the_map() {
        assert_eq!(networks_with_rows(1_000, 1), 250);
        assert_eq!(networks_with_rows(1_000, 5), 50);
        assert_eq!(networks_with_rows(1_000, 0), 250);
    }
}
