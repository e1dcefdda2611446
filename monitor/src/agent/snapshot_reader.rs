//! Reads the maps into a snapshot, and evaluates the policy from it.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::anyhow;

use super::esp_networks::EspBook;
use super::exposure::Account;
use super::ledger::{Ledger, Rows};
use super::node_agent::{Agent, SharedAgent};
use super::snapshot::Snapshot;
use crate::base::failure::Failure;
use crate::host::ipsec;
use crate::kernel::Kernel;
use crate::policy::{Policy, SharedPolicy};
use crate::traffic::counted::{Counted, HookState};

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
        let mut snapshot = read_maps(
            &self.kernel,
            &self.ledger,
            &self.esp_networks,
            self.hooks(),
            account.as_deref(),
            peers,
        )?;
        snapshot.counted.esp_active = self
            .trend
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .observe(&snapshot.counted.esp, Instant::now());
        // Before the account is unlocked: no row leaves between the two.
        self.exported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(
                &mut snapshot.counted,
                |vni| self.described.contains(&vni),
                |node| self.esp_nodes.contains(&node),
            );
        drop(account);
        snapshot.counted.xfrm_errors = ipsec::errors();
        snapshot.counted.docker_up = self.docker.as_ref().and_then(|state| state.borrow().up);
        snapshot.counted.lost = self.lost;
        snapshot.counted.unwatched_ports = self.unwatched_ports();
        snapshot.held = Some(self.held().clone());
        self.evaluate_networks(&mut snapshot);
        Ok(snapshot)
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

/// Reads the maps. `peers` is the number of entries in `PEERS`; the ledger adds the counts of removed interfaces.
///
/// # Errors
/// A runtime failure, if a map cannot be read.
fn read_maps(
    kernel: &Kernel,
    ledger: &Ledger,
    esp_book: &EspBook,
    hooks: Vec<HookState>,
    account: Option<&Account>,
    peers: usize,
) -> Result<Snapshot, Failure> {
    let rows = Rows::read(kernel)?;
    let inside_esp = kernel.esp_networks()?;
    let state = kernel.state()?;
    let (exposure, pending, exposures) = match account {
        Some(account) => account.read()?,
        None => (Vec::new(), Vec::new(), 0),
    };
    let maps = kernel.sizes().in_use(
        rows.counters.len(),
        rows.esp.len(),
        inside_esp.len(),
        rows.reasons.len(),
        exposures,
        peers,
        &state,
    );
    let (traffic, esp, unparsed) = ledger.rows(&rows);
    let (esp_networks, esp_others) = esp_book.rows(&inside_esp);
    let counted = Counted {
        traffic,
        esp,
        esp_peers: Vec::new(),
        esp_networks,
        esp_others,
        attribution: esp_book.attribution().clone(),
        esp_overhead: kernel.counts_esp_overhead(),
        unparsed,
        exposure,
        pending,
        evicted: account.map_or(0, Account::evicted) + state.flows_refused,
        state,
        maps,
        hooks,
        esp_active: Vec::new(),
        xfrm_errors: BTreeMap::new(),
        docker_up: None,
        credential_flows: account.map(Account::credential_flows).unwrap_or_default(),
        lost: 0,
        unwatched_ports: Vec::new(),
    };
    Ok(Snapshot {
        counted,
        ..Snapshot::default()
    })
}

fn lock(policy: &SharedPolicy) -> MutexGuard<'_, Policy> {
    policy.lock().unwrap_or_else(PoisonError::into_inner)
}
