//! Networks that are known: rows made for them beforehand, and what they are.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Agent;
use super::plan::WatchPlan;
use super::snapshot::Snapshot;
use crate::base::failure::Failure;
use crate::kernel::Attribution;
use crate::kernel::Kernel;
use crate::policy::{self, Policy};

/// Which version of the networks an interface has rows for, by its index.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    versions: HashMap<u32, u64>,
    said: bool,
}

/// The policy of these settings; `None` where there is none.
pub(super) fn policy(
    watch: &WatchPlan,
    kernel: &Kernel,
) -> Result<Option<policy::SharedPolicy>, Failure> {
    if !watch.policy {
        return Ok(None);
    }
    let networks = watch.networks.clone();
    let policy = Policy::new(kernel.counts(), networks, watch.window, watch.judged_over)?;
    Ok(Some(Arc::new(Mutex::new(policy))))
}

impl Agent {
    /// What networks should be and are; `None` if nobody asks.
    #[must_use]
    pub fn policy(&self) -> Option<policy::SharedPolicy> {
        self.policy.clone()
    }

    /// Makes the rows of known networks on all interfaces that are watched, where they are not made yet. They may take
    /// half of the map, those that must be encrypted first; what finds no room is said, and its state is known to be
    /// unknown.
    pub fn know_networks(&mut self) {
        let Some(policy) = &self.policy else {
            return;
        };
        let mut policy = lock(policy);
        let version = policy.networks().version();
        let watched = &self.watched;
        self.prepared
            .versions
            .retain(|index, _| watched.contains_key(index));
        let is_done = |index| self.prepared.versions.get(index) == Some(&version);
        if self.watched.keys().all(is_done) {
            return;
        }
        let mut networks: Vec<(policy::Requirement, u32)> = policy
            .networks()
            .iter()
            .map(|network| (network.required, network.vni))
            .collect();
        networks.sort_unstable();
        // Two directions, and each interface.
        let rows_of_one = 2 * self.watched.len().max(1);
        let room = self.kernel.sizes().counters as usize / 2 / rows_of_one;
        let mut without: BTreeSet<u32> = networks.iter().skip(room).map(|at| at.1).collect();
        for index in self.watched.keys() {
            for (_, vni) in networks.iter().take(room) {
                if self.kernel.prepare_network(*index, *vni).is_err() {
                    without.insert(*vni);
                }
            }
            self.prepared.versions.insert(*index, version);
        }
        // Two directions, and half of the map for the nodes.
        let room = self.kernel.sizes().esp_networks as usize / 4;
        for (_, vni) in networks.iter().take(room) {
            if let Err(failure) = self.kernel.know_network(*vni) {
                // What finds no room later is "other" there.
                tracing::debug!("VNI {vni}: no row of its own in ESP: {failure}");
            }
        }
        if !without.is_empty() && !self.prepared.said {
            tracing::warn!(
                "no room for {} networks that are known: if the map is full they are counted as \"other\", and their \
                 state is unknown",
                without.len()
            );
        }
        self.prepared.said = !without.is_empty();
        policy.set_without_rows(without);
    }

    /// Reads all that is counted, for what it says of the networks: their states are judged over what is noted so, again
    /// and again.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn look_at_networks(&self) -> Result<(), Failure> {
        self.snapshot().map(drop)
    }

    /// Whether the packets of ESP are attributed to their networks.
    #[must_use]
    pub fn attribution(&self) -> &Attribution {
        self.esp_networks.attribution()
    }

    /// Looks for cleartext where there must be none; how many rows the kernel has of it.
    pub(super) fn poll_policy(&self) -> Result<usize, Failure> {
        let Some(policy) = &self.policy else {
            return Ok(0);
        };
        let mut policy = lock(policy);
        policy.poll()?;
        Ok(policy.peers())
    }

    /// Says what the networks are, by what was counted.
    pub(super) fn judge_networks(&self, snapshot: &mut Snapshot) {
        if let Some(policy) = &self.policy {
            let mut policy = lock(policy);
            policy.update_states(&snapshot.counted);
            snapshot.policy = policy.report();
        }
    }
}

fn lock(policy: &policy::SharedPolicy) -> MutexGuard<'_, Policy> {
    policy.lock().unwrap_or_else(PoisonError::into_inner)
}
