//! The maps that count, from one process to the next: the first leaves them while its programs go on counting, the next reads
//! what they counted until its own programs took their places.

use std::os::fd::{BorrowedFd, OwnedFd};

use anyhow::anyhow;
use aya::util::nr_cpus;
use monitor_common::key::{PeerCount, PeerKey};

use super::count_tables::{CountTables, Reading};
use super::counts::Counts;
use super::table::Table;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;

/// The maps of a process that has ended, in which its programs counted until ours took their places.
pub struct PastMaps {
    tables: CountTables,
    peers: Table<PeerKey, PeerCount>,
}

impl PastMaps {
    /// The maps of these names.
    ///
    /// # Errors
    /// A runtime failure, if one is missing, or has another layout than those of this process.
    pub fn new(maps: Vec<(String, OwnedFd)>) -> Result<PastMaps, Failure> {
        let cpus = nr_cpus().map_err(|(path, error)| {
            Failure::runtime(anyhow!(
                "cannot read the number of CPUs from {path}: {error}"
            ))
        })?;
        let mut maps: HashMap<String, OwnedFd> = maps.into_iter().collect();
        let mut take = |name| {
            maps.remove(name)
                .ok_or_else(|| Failure::runtime(anyhow!("map {name} is missing")))
        };
        Ok(PastMaps {
            tables: CountTables {
                counters: Table::of_another(take("COUNTERS")?, "COUNTERS", cpus)?,
                esp: Table::of_another(take("ESP")?, "ESP", cpus)?,
                esp_networks: Table::of_another(take("ESP_NETWORKS")?, "ESP_NETWORKS", cpus)?,
                reasons: Table::of_another(take("REASONS")?, "REASONS", cpus)?,
                exposure: Table::of_another(take("EXPOSURE")?, "EXPOSURE", cpus)?,
                state: Table::of_another(take("STATE")?, "STATE", cpus)?,
            },
            peers: Table::of_another(take("PEERS")?, "PEERS", 1)?,
        })
    }

    /// What they hold.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn read(&self) -> Result<Reading, Failure> {
        self.tables.read()
    }

    /// Cleartext packets and bytes per direction, VNI and other node.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn peers(&self) -> Result<HashMap<PeerKey, PeerCount>, Failure> {
        self.peers.all()
    }
}

impl Counts {
    /// The maps that [`PastMaps`] takes, by name.
    #[must_use]
    pub fn descriptors(&self) -> [(&'static str, BorrowedFd<'_>); 7] {
        let tables = &self.tables;
        [
            tables.counters.descriptor(),
            tables.esp.descriptor(),
            tables.esp_networks.descriptor(),
            tables.reasons.descriptor(),
            tables.exposure.descriptor(),
            tables.state.descriptor(),
            self.peers.descriptor(),
        ]
    }

    /// What was counted, in maps and slots.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn read(&self) -> Result<Reading, Failure> {
        Ok(Reading {
            counters: self.counters()?,
            esp: self.esp()?,
            esp_networks: self.esp_networks()?,
            reasons: self.reasons()?,
            exposure: self.exposure()?,
            state: self.state()?,
        })
    }

    /// Empties the slots, so that programs count in the maps alone from now on, where another process can read it. Returns
    /// what the maps hold, and the same with what the slots had counted.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read, or the kernel refuses to wait for its programs.
    pub fn leave_slots(&self) -> Result<(Reading, Reading), Failure> {
        if let Some(slots) = &self.slots {
            slots.reclaim(|_| true)?;
        }
        self.esp_slots.leave()?;
        let in_maps = self.tables.read()?;
        let mut all = in_maps.clone();
        self.add_slots(&mut all);
        Ok((in_maps, all))
    }

    /// Waits until every program that runs now has ended.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub fn wait_for_programs(&self) -> Result<(), Failure> {
        self.rows.wait()
    }

    fn add_slots(&self, reading: &mut Reading) {
        if let Some(slots) = &self.slots {
            slots.add_counters(&mut reading.counters);
            slots.add_exposure(&mut reading.exposure);
        }
        self.esp_slots.add(&mut reading.esp);
    }
}
