//! Reads the maps into a snapshot, and evaluates the policy from it.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::anyhow;
use monitor_common::packet_time::PacketTimes;

use super::exposure::Account;
use super::ledger::Rows;
use super::node_agent::{Agent, SharedAgent};
use super::snapshot::Snapshot;
use crate::base::failure::Failure;
use crate::host::ipsec;
use crate::kernel::Reading;
use crate::policy::{Policy, SharedPolicy};
use crate::traffic::counted::Counted;

/// What a shared agent counts now. It waits for the agent's lock, so it has no place in a thread that must not wait.
///
/// # Errors
/// A runtime failure, if a map cannot be read or a thread that held the agent has panicked.
pub fn snapshot_of(agent: &SharedAgent) -> Result<Snapshot, Failure> {
    let agent = agent.lock();
    let agent = agent.map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
    agent.snapshot()
}

impl Agent {
    /// What is counted now, and the states of networks that follow from it.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, Failure> {
        let peers = self.poll_policy()?;
        let account = self
            .account
            .as_ref()
            .map(|account| account.lock().unwrap_or_else(PoisonError::into_inner));
        let reading = self.kernel.read()?;
        let snapshot = self.snapshot_from(reading, account.as_deref(), peers);
        drop(account);
        let mut snapshot = self.evaluated(snapshot);
        snapshot.counted.esp_times = self.esp_timed()?;
        snapshot.counted.packet_times = self.packet_times()?;
        Ok(snapshot)
    }

    /// What a reading of the maps says is counted. `peers` is the number of entries in `PEERS`.
    pub(super) fn snapshot_from(
        &self,
        reading: Reading,
        account: Option<&Account>,
        peers: usize,
    ) -> Snapshot {
        let mut snapshot = self.counted(reading, account, peers);
        snapshot.counted.esp_active = self
            .trend
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .observe(&snapshot.counted.esp, Instant::now());
        // While the account is locked: no row leaves between the two.
        self.exported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(
                &mut snapshot.counted,
                |vni| self.described.contains(&vni),
                |node| self.esp_nodes.contains(&node),
            );
        snapshot
    }

    /// The snapshot with what is known beside the maps, and the states of networks that follow from both.
    fn evaluated(&self, mut snapshot: Snapshot) -> Snapshot {
        snapshot.counted.xfrm_errors = ipsec::errors();
        snapshot.counted.docker_up = self.docker.as_ref().and_then(|state| state.borrow().up);
        snapshot.counted.lost = self.lost;
        snapshot.counted.unwatched_ports = self.unwatched_ports();
        snapshot.held = Some(self.held().clone());
        snapshot.program_runs = self.kernel.program_runs();
        self.evaluate_networks(&mut snapshot);
        snapshot
    }

    /// Reads all counters to update the states of the networks, which are evaluated over these readings.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn update_states(&self) -> Result<(), Failure> {
        self.snapshot().map(drop)
    }

    /// Polls cleartext in networks that must be encrypted; returns the rows in use.
    fn poll_policy(&self) -> Result<usize, Failure> {
        let Some(policy) = &self.policy else {
            return Ok(0);
        };
        let mut policy = lock(policy);
        policy.poll()?;
        Ok(policy.peers())
    }

    /// Evaluates the networks from what was counted.
    fn evaluate_networks(&self, snapshot: &mut Snapshot) {
        if let Some(policy) = &self.policy {
            let mut policy = lock(policy);
            policy.update_states(&snapshot.counted);
            snapshot.policy = policy.report();
        }
    }
}

impl Agent {
    /// The counts of a reading; the books add those of removed interfaces and rows.
    fn counted(&self, reading: Reading, account: Option<&Account>, peers: usize) -> Snapshot {
        let mut state = reading.state;
        state.add(&self.inherited);
        let inside_esp = reading.esp_networks;
        let (exposure, pending, exposures) = match account {
            Some(account) => account.read_of(reading.exposure),
            None => (Vec::new(), Vec::new(), 0),
        };
        let maps = self.kernel.sizes().in_use(
            reading.counters.len(),
            reading.esp.len(),
            inside_esp.len(),
            reading.reasons.len(),
            exposures,
            peers,
            &state,
        );
        let (traffic, esp, unparsed) = self.ledger.rows(&Rows {
            counters: reading.counters,
            esp: reading.esp,
            reasons: reading.reasons,
        });
        let (esp_networks, esp_others) = self.esp_networks.rows(&inside_esp);
        let counted = Counted {
            traffic,
            esp,
            esp_peers: Vec::new(),
            esp_networks,
            esp_others,
            attribution: self.esp_networks.attribution().clone(),
            esp_overhead: self.kernel.counts_esp_overhead(),
            esp_times: Vec::new(),
            packet_times: PacketTimes::default(),
            unparsed,
            exposure,
            pending,
            evicted: account.map_or(0, Account::evicted) + state.flows_refused,
            state,
            maps,
            hooks: self.hooks(),
            esp_active: Vec::new(),
            xfrm_errors: BTreeMap::new(),
            docker_up: None,
            credential_flows: account.map(Account::credential_flows).unwrap_or_default(),
            lost: 0,
            counting_since: self.counting_since,
            unwatched_ports: Vec::new(),
        };
        Snapshot {
            counted,
            ..Snapshot::default()
        }
    }
}

fn lock(policy: &SharedPolicy) -> MutexGuard<'_, Policy> {
    policy.lock().unwrap_or_else(PoisonError::into_inner)
}
