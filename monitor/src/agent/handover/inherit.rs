//! The side of the process that starts.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};

use anyhow::Context;
use monitor_common::key::{PeerCount, PeerKey};

use super::record::{Record, decode};
use super::{LINK, MAP, RECORD};
use crate::agent::Agent;
use crate::agent::ledger::{OTHER, Rows};
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::host::interface::{self, Link};
use crate::kernel::attach::{LeftAttached, clsact};
use crate::kernel::{PastMaps, Reading};

/// The process before this one: what it counted, and what of it is still attached and counting.
pub struct Predecessor {
    record: Record,
    shown: Reading,
    maps_then: Reading,
    peers_then: HashMap<PeerKey, PeerCount>,
    maps: PastMaps,
    links: LeftAttached,
}

impl Predecessor {
    /// Reads what a process has left; `None` if nothing was left.
    ///
    /// # Errors
    /// If it cannot be used: a version with other maps has left it. Its programs are detached then.
    pub fn read(left: Vec<(String, OwnedFd)>) -> anyhow::Result<Option<Predecessor>> {
        if left.is_empty() {
            return Ok(None);
        }
        let (mut record, mut maps, mut links) = (None, Vec::new(), Vec::new());
        // systemd passes the latest of a name first.
        let mut seen = HashSet::new();
        for (name, descriptor) in left {
            if !seen.insert(name.clone()) {
                continue;
            }
            if name == RECORD {
                record = Some(descriptor);
            } else if let Some(name) = name.strip_prefix(MAP) {
                maps.push((name.to_owned(), descriptor));
            } else if let Some(Ok(place)) = name.strip_prefix(LINK).map(str::parse) {
                links.push((place, descriptor));
            }
        }
        // If anything fails now, they are detached.
        let mut links = LeftAttached::new(links);
        let mut file = File::from(record.context("it left no record")?);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut bytes))
            .context("its record cannot be read")?;
        let record = Record::parse(&bytes)?;
        links.set_owner(record.owner.clone());
        Ok(Some(Predecessor {
            shown: record.shown.reading()?,
            maps_then: record.maps.reading()?,
            peers_then: decode(&record.peers)?,
            maps: PastMaps::new(maps)?,
            links,
            record,
        }))
    }

    /// The name of an interface by its index in the old maps.
    fn name_of(&self, index: u32) -> Arc<str> {
        let at = self.record.interfaces.iter().find(|at| at.0 == index);
        at.map_or_else(|| OTHER.into(), |at| self.name(at.1))
    }

    fn name(&self, number: u32) -> Arc<str> {
        let name = self.record.names.get(number as usize);
        name.map_or(OTHER, String::as_str).into()
    }
}

impl Agent {
    /// Goes on from what another process had shown, before anything is attached.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub(in crate::agent) fn inherit(&mut self, from: &mut Predecessor) -> Result<(), Failure> {
        self.left = std::mem::take(&mut from.links);
        let names = (0..).take(from.record.names.len());
        self.ledger.inherit(
            &rows(&from.shown),
            names.map(|number| from.name(number)),
            |number| from.name(number),
        );
        self.esp_networks.inherit(from.shown.esp_networks.iter());
        self.inherited = from.shown.state;
        self.inherit_esp_times(&from.record.esp_times, from.record.packet_times());
        self.counting_since = from.record.counting_since()?;
        if let Some(account) = &self.account {
            let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = decode(&from.record.waiting).map_err(Failure::runtime)?;
            account.inherit(&from.shown.exposure, from.record.evicted);
            account.inherit(&waiting, 0);
            account.inherit_credential_flows(from.record.credentials());
        }
        self.described_before = from.record.described.iter().copied().collect();
        self.described.clone_from(&self.described_before);
        self.esp_nodes = from.record.esp_nodes.iter().copied().collect();
        // No row has a series yet.
        drop(self.ledger.take_moves());
        // Now, so that what had a series has it again, whatever has come since.
        let reading = self.kernel.read()?;
        let account = self
            .account
            .as_ref()
            .map(|account| account.lock().unwrap_or_else(PoisonError::into_inner));
        let snapshot = self.snapshot_from(reading, account.as_deref(), 0);
        drop(account);
        if let Some(policy) = &self.policy {
            let mut policy = policy.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(left) = from.record.policy.take() {
                policy.inherit(left);
            }
            policy.begin_at(&snapshot.counted);
        }
        Ok(())
    }

    /// Adds what the other process's programs have counted since, after ours took their places. `links` are the interfaces of
    /// this host.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read, or the kernel refuses to wait for its programs.
    pub(in crate::agent) fn inherit_rest(
        &mut self,
        from: &Predecessor,
        links: &[Link],
    ) -> Result<(), Failure> {
        // Of interfaces that are not watched any more.
        self.left = LeftAttached::default();
        detach_from(links);
        self.kernel.wait_for_programs()?;
        let rest = from.maps.read()?.since(&from.maps_then);
        let name = |index| from.name_of(index);
        self.ledger.inherit(&rows(&rest), std::iter::empty(), name);
        self.esp_networks.inherit(rest.esp_networks.iter());
        self.inherited.add(&rest.state);
        if let Some(account) = &self.account {
            let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
            account.inherit(&rest.exposure, 0);
        }
        if let Some(policy) = &self.policy {
            let peers = since(from.maps.peers()?, &from.peers_then);
            let mut policy = policy.lock().unwrap_or_else(PoisonError::into_inner);
            policy.inherit_peers(&peers);
        }
        self.export_moves();
        let packets: u64 = rest.counters.values().map(|count| count.packets).sum();
        tracing::info!(
            "went on from the counts of version {}, whose programs counted {packets} packets of overlays meanwhile",
            from.record.version
        );
        Ok(())
    }
}

/// Removes the TC filters of a predecessor from which this process does not go on. [`LeftAttached`] detaches links.
pub fn detach_left() {
    detach_from(&interface::list().unwrap_or_default());
}

fn detach_from(links: &[Link]) {
    for interface in links.iter().filter_map(Link::interface) {
        if let Err(error) = clsact::detach(&interface) {
            tracing::warn!(
                "{}: TC filters of the process before this one stay: {error}; run `overlay-monitor detach`",
                interface.name
            );
        }
    }
}

fn rows(reading: &Reading) -> Rows {
    Rows {
        counters: reading.counters.clone(),
        esp: reading.esp.clone(),
        reasons: reading.reasons.clone(),
    }
}

/// What was counted of each node since `before`.
fn since(
    mut rows: HashMap<PeerKey, PeerCount>,
    before: &HashMap<PeerKey, PeerCount>,
) -> HashMap<PeerKey, PeerCount> {
    rows.retain(|key, count| {
        if let Some(before) = before.get(key) {
            count.packets = count.packets.saturating_sub(before.packets);
            count.bytes = count.bytes.saturating_sub(before.bytes);
        }
        count.packets != 0
    });
    rows
}
