//! The side of the process that ends.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::PoisonError;

use anyhow::Context;

use super::record::{Parts, Record, encode};
use super::shown::{self, Numbers};
use super::{LINK, MAP, RECORD};
use crate::agent::Agent;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;

/// What one process leaves to the next.
pub struct Legacy {
    /// What was counted.
    pub record: Vec<u8>,
    /// The maps in which the programs go on counting, and the links that keep these attached, by name.
    pub descriptors: Vec<(String, OwnedFd)>,
}

impl Legacy {
    /// The name of the record among the descriptors.
    pub const RECORD: &str = RECORD;
}

impl Agent {
    /// What the next process goes on from. From now on the programs count for it: this process must not change a map any
    /// more, and either ends with [`Agent::let_go`] or detaches.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read, or a descriptor cannot be duplicated.
    pub fn leave(&mut self) -> Result<Legacy, Failure> {
        let policy = self.policy.as_ref().map(|policy| {
            let mut policy = policy.lock().unwrap_or_else(PoisonError::into_inner);
            policy.leave()
        });
        let (policy, peers) = match policy.transpose()? {
            Some((policy, peers)) => (Some(policy), peers),
            None => (None, HashMap::default()),
        };
        let mut account = self
            .account
            .as_ref()
            .map(|account| account.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(account) = &mut account {
            account.leave();
        }
        let (maps, all) = self.kernel.leave_slots()?;
        let waiting = account.as_ref().map(|at| at.waiting(all.exposure.clone()));
        let snapshot = self.snapshot_from(all, account.as_deref(), peers.len());

        let mut numbers = Numbers::new(self.ledger.counted_names());
        let shown = shown::rows(&snapshot.counted, &mut numbers);
        let known = self.ledger.known_names();
        let interfaces = known
            .map(|(index, name)| (index, numbers.of(&name)))
            .collect();
        let parts = Parts {
            counting_since: self.counting_since,
            owner: self.owner.token().to_owned(),
            names: numbers.into_names(),
            interfaces,
            evicted: account.as_ref().map_or(0, |at| at.evicted()),
            credentials: account
                .as_ref()
                .map(|at| at.all_credential_flows())
                .unwrap_or_default(),
            policy,
            described: self.described.iter().copied().collect(),
            esp_nodes: self.esp_nodes.iter().copied().collect(),
            esp_times: self.esp_times_left()?,
            packet_times: self.packet_times()?,
        };
        let waiting = waiting.unwrap_or_default();
        let record = Record::new(parts, &shown, &maps, encode(&peers), &waiting);
        Ok(Legacy {
            record: serde_json::to_vec(&record)
                .context("cannot write the record")
                .map_err(Failure::runtime)?,
            descriptors: self
                .descriptors()
                .context("cannot duplicate a descriptor")
                .map_err(Failure::runtime)?,
        })
    }

    fn descriptors(&self) -> std::io::Result<Vec<(String, OwnedFd)>> {
        let maps = self.kernel.descriptors().into_iter();
        let maps = maps.map(|(name, fd)| (format!("{MAP}{name}"), fd));
        let slots = self.watched.values().flat_map(|watched| watched.slots());
        let links = slots
            .filter_map(|(_, slot)| slot.attachment.as_ref()?.link())
            .map(|(place, fd)| (format!("{LINK}{place}"), fd));
        maps.chain(links)
            .map(|(name, fd)| Ok((name, fd.as_fd().try_clone_to_owned()?)))
            .collect()
    }

    /// Ends without detaching: the programs are the next process's, which has what [`Agent::leave`] returned.
    pub fn let_go(mut self) {
        for watched in self.watched.values_mut() {
            for (_, slot) in watched.slots_mut() {
                if let Some(attachment) = slot.attachment.take() {
                    attachment.leave();
                }
            }
        }
    }
}
