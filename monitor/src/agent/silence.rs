//! Forgets what was silent for long: networks that nothing describes, associations, and nodes. Strangers can forge them
//! without end, and every change of keys makes new ones.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use monitor_common::key::{CounterKey, EspKey};

use super::exported::{Exported, TrafficSeries};
use super::ledger::{self, TrafficRow};
use super::node_agent::Agent;
use crate::base::failure::Failure;
use crate::base::memory;
use crate::host::ipsec;
use crate::traffic::counted::Vni;

/// Rows that take memory worth giving back.
const MANY: usize = 1_000;

impl Agent {
    /// Forgets what was silent for the time to forget.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read or changed. Nothing that was counted is lost.
    pub(super) fn forget_silent(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if std::mem::take(&mut self.silent.many) {
            // A period later: snapshots that had the rows are gone too.
            memory::give_back();
        }
        self.forget_networks(now)?;
        self.forget_associations(now)?;
        let described = &self.described;
        let mut exported = lock(&self.exported);
        self.esp_networks.put_away(
            &self.kernel,
            self.forget_after,
            |vni| described.contains(&vni),
            |direction, vni, last| exported.networks.esp_left(direction, vni, last),
        )
    }

    /// Removes the rows of networks that nothing describes.
    fn forget_networks(&mut self, now: Instant) -> Result<(), Failure> {
        let rows = self.kernel.counters()?;
        let is_described = |(_, _, vni): &TrafficRow| match vni {
            Vni::Id(vni) => self.described.contains(vni),
            Vni::None | Vni::Other => true,
        };
        let mut packets = BTreeMap::new();
        for (place, count) in self.ledger.traffic(&rows) {
            if !is_described(&place.1) {
                packets.insert(place, count.packets);
            }
        }
        // Rows that were made for a network while it was described, and in which nothing was counted.
        for place in rows.keys().filter_map(|key| self.ledger.place(key)) {
            if !is_described(&place.1) {
                packets.entry(place).or_insert(0);
            }
        }
        let idle = &mut self.silent.networks;
        let idle = idle.find(packets.into_iter(), self.forget_after, now);
        if idle.is_empty() {
            return Ok(());
        }
        self.silent.many |= idle.len() >= MANY;
        let idle: HashSet<(Arc<str>, TrafficRow)> = idle.into_iter().collect();
        let is_idle = |key: &&CounterKey| {
            let place = self.ledger.place(key);
            place.is_some_and(|place| idle.contains(&place))
        };
        let keys: Vec<CounterKey> = rows.keys().filter(is_idle).copied().collect();
        let ledger = &mut self.ledger;
        // After a failure the books keep what was removed, and the rest is in the map.
        self.kernel
            .take_counters(&keys, |key, last| ledger.settle_last(&key, last))?;
        let mut exported = lock(&self.exported);
        for place in idle {
            let last = self.ledger.drop_traffic(&place);
            if let Some(series) = series(&place) {
                exported.networks.traffic_left(&series, last);
            }
        }
        Ok(())
    }

    /// Moves silent associations from the map to the ledger, where those of the same addresses are one row, and forgets
    /// nodes with which none is left.
    fn forget_associations(&mut self, now: Instant) -> Result<(), Failure> {
        let rows = self.kernel.esp()?;
        self.kernel.place_associations(&rows)?;
        // The rows "other" stay.
        let own = rows.iter().filter(|(key, _)| !key.is_other());
        let packets = own.map(|(key, count)| (*key, count.packets));
        let idle = self
            .silent
            .associations
            .find(packets, self.forget_after, now);
        self.silent.many |= idle.len() >= MANY;
        let ledger = &mut self.ledger;
        self.kernel
            .take_esp(&idle, |key, count| ledger.retire(key, count))?;

        let rows = match idle.is_empty() {
            true => rows,
            false => self.kernel.esp()?,
        };
        let nodes = self.ledger.esp_nodes(&rows);
        let in_map: HashSet<_> = rows
            .keys()
            .filter_map(|key| self.ledger.node(key))
            .collect();
        let retired = nodes
            .into_iter()
            .filter(|(node, _)| !in_map.contains(node))
            .map(|(node, count)| (node, count.packets));
        let idle = self.silent.nodes.find(retired, self.forget_after, now);
        let idle: HashSet<_> = idle.into_iter().collect();
        let mut exported = lock(&self.exported);
        for ((name, direction, node), last) in self.ledger.forget_nodes(&idle) {
            exported.nodes.left(&(name, direction, node), last);
        }
        drop(exported);
        self.esp_nodes = if rows.keys().all(EspKey::is_other) {
            BTreeSet::new()
        } else {
            // Without permission to list them, every node is one like any other.
            let associations = ipsec::associations().unwrap_or_default();
            let nodes = associations
                .iter()
                .flat_map(|at| [at.source, at.destination]);
            nodes.collect()
        };
        Ok(())
    }

    /// Exports what became of rows in the ledger.
    pub(super) fn export_moves(&mut self) {
        let moves = self.ledger.take_moves();
        let mut exported = lock(&self.exported);
        let other = ledger::OTHER.into();
        for name in moves.renamed {
            exported.interface_renamed(&name, &other);
        }
        for (place, count) in moves.overflow {
            if let Some(series) = series(&place) {
                exported.networks.traffic_moved(&series, count);
            }
        }
        for ((name, direction, node), count) in moves.esp_overflow {
            let series = (name, direction, node);
            exported.nodes.moved(&series, count);
        }
    }
}

fn series(
    (name, (direction, encapsulation, vni)): &(Arc<str>, TrafficRow),
) -> Option<TrafficSeries> {
    match vni {
        Vni::Id(vni) => Some((Arc::clone(name), *direction, *encapsulation, *vni)),
        Vni::None | Vni::Other => None,
    }
}

fn lock(exported: &Mutex<Exported>) -> MutexGuard<'_, Exported> {
    exported.lock().unwrap_or_else(PoisonError::into_inner)
}
