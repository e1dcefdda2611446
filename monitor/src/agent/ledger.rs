//! Whose counts are whose: the maps count by interface index, the metrics by name.
//!
//! No exported counter ever goes down, whatever becomes of interfaces:
//!
//! - What an interface counts belongs to the name that it has at that moment. A rename leaves the counts so far with the
//!   old name; the new one begins with what is counted after.
//! - Rows of one name are one row, whichever interfaces had that name, one after the other.
//! - An interface that is gone keeps its counts under its last name. Its rows in the maps are put away here after
//!   a while, so that interfaces which come and go for months do not fill the maps.
//! - Names that are gone are many with containers: the counts of the longest gone beyond [`NAMES`] are added up under
//!   the name [`OTHER`], and a row too many under "other" of its interface.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use monitor_common::key::{Count, CounterKey, EspCount, EspKey, ReasonKey};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;

use crate::base::failure::Failure;
use crate::kernel::Kernel;
use crate::traffic::address::ip_of_key;
use crate::traffic::counted::{Traffic, Unparsed, Vni};
use crate::traffic::counted_association::CountedAssociation;

/// Names of interfaces that are gone of which the counts are kept apart.
const NAMES: usize = 256;
/// The name that stands for the others.
pub const OTHER: &str = "other";
/// Rows of traffic, and of ESP, that are kept of interfaces that are gone.
const ROWS: usize = 32_768;

/// Names of the interfaces that are or were watched a moment ago, by index: for samples. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<RwLock<HashMap<u32, String>>>);

impl Names {
    /// The name of an interface; `?` for one that is long gone.
    #[must_use]
    pub fn of(&self, index: u32) -> String {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&index).map_or("?", String::as_str).to_owned()
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<u32, String>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the maps say, by interface index.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// `COUNTERS`.
    pub counters: HashMap<CounterKey, Count>,
    /// `ESP`.
    pub esp: HashMap<EspKey, EspCount>,
    /// `REASONS`.
    pub reasons: HashMap<ReasonKey, u64>,
}

impl Rows {
    /// Reads the maps.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn read(kernel: &Kernel) -> Result<Rows, Failure> {
        Ok(Rows {
            counters: kernel.counters()?,
            esp: kernel.esp()?,
            reasons: kernel.reasons()?,
        })
    }
}

type TrafficKey = (Arc<str>, Direction, Encapsulation, Vni);
type EspRow = (
    Arc<str>,
    Direction,
    Encapsulation,
    Option<(IpAddr, IpAddr)>,
    u32,
);
type ReasonRow = (Arc<str>, Direction, Reason);

/// Counts by name.
#[derive(Clone, Debug, Default)]
struct Totals {
    traffic: BTreeMap<TrafficKey, Count>,
    esp: BTreeMap<EspRow, EspCount>,
    reasons: BTreeMap<ReasonRow, u64>,
}

/// The books.
#[derive(Debug, Default)]
pub struct Ledger {
    names: Names,
    known: BTreeMap<u32, Known>,
    /// What of the maps is in `settled` already.
    booked: Rows,
    settled: Totals,
    /// Names in `settled`, the longest gone first.
    gone: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Known {
    name: Arc<str>,
    /// Since when it is not watched any more; `None` while it is.
    ended: Option<Instant>,
}

impl Ledger {
    /// The names, for samples.
    #[must_use]
    pub fn names(&self) -> Names {
        self.names.clone()
    }

    /// An interface is about to be watched. `rows` reads the maps, where that is needed: if the index is that of one
    /// which is gone and not put away.
    ///
    /// # Errors
    /// That of `rows`.
    pub fn begin(
        &mut self,
        index: u32,
        name: &str,
        rows: impl FnOnce() -> Result<Rows, Failure>,
    ) -> Result<(), Failure> {
        self.rename(index, name, rows)?;
        let known = Known {
            name: name.into(),
            ended: None,
        };
        self.known.insert(index, known);
        self.names
            .change(|names| drop(names.insert(index, name.to_owned())));
        Ok(())
    }

    /// An interface has a new name.
    ///
    /// # Errors
    /// That of `rows`, which reads the maps.
    pub fn rename(
        &mut self,
        index: u32,
        name: &str,
        rows: impl FnOnce() -> Result<Rows, Failure>,
    ) -> Result<(), Failure> {
        match self.known.get(&index) {
            Some(known) if *known.name != *name => {}
            _ => return Ok(()),
        }
        self.book(&rows()?, |at| at == index);
        if let Some(known) = self.known.get_mut(&index) {
            known.name = name.into();
        }
        self.names
            .change(|names| drop(names.insert(index, name.to_owned())));
        Ok(())
    }

    /// An interface is not watched any more.
    pub fn end(&mut self, index: u32) {
        if let Some(known) = self.known.get_mut(&index) {
            known.ended = Some(Instant::now());
        }
    }

    /// Interfaces whose rows wait to be put away.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.known
            .values()
            .filter(|known| known.ended.is_some())
            .count()
    }

    /// Puts the rows of interfaces that have not been watched for so long away, out of the maps. A program
    /// that was just detached may still be at work on a packet.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read or changed.
    pub fn put_away(&mut self, kernel: &Kernel, after: Duration) -> Result<(), Failure> {
        let is_due = |known: &Known| known.ended.is_some_and(|at| at.elapsed() >= after);
        if !self.known.values().any(is_due) {
            return Ok(());
        }
        let rows = Rows::read(kernel)?;
        let ended: Vec<u32> = self
            .known
            .iter()
            .filter(|(_, known)| is_due(known))
            .map(|(index, _)| *index)
            .collect();
        let is_ended = |index: u32| ended.binary_search(&index).is_ok();
        self.book(&rows, is_ended);
        kernel.forget(
            rows.counters
                .into_keys()
                .filter(|key| is_ended(key.ifindex)),
            rows.esp.into_keys().filter(|key| is_ended(key.ifindex)),
            rows.reasons.into_keys().filter(|key| is_ended(key.ifindex)),
        )?;
        self.booked.counters.retain(|key, _| !is_ended(key.ifindex));
        self.booked.esp.retain(|key, _| !is_ended(key.ifindex));
        self.booked.reasons.retain(|key, _| !is_ended(key.ifindex));
        for index in ended {
            self.known.remove(&index);
            self.names.change(|names| drop(names.remove(&index)));
        }
        self.bound();
        Ok(())
    }

    /// An association was taken out of the map, with this count at the end. Its row becomes one with those of
    /// the same addresses that were put away before: SPI 0.
    pub fn retire(&mut self, key: EspKey, count: EspCount) {
        let rows = Rows {
            esp: HashMap::from([(key, count)]),
            ..Rows::default()
        };
        let mut last = Totals::default();
        self.add(&rows, &mut last, true);
        self.booked.esp.remove(&key);
        for (mut row, count) in last.esp {
            row.4 = 0;
            add_esp(&mut self.settled.esp, row, count, true);
        }
    }

    /// Credits what the maps hold of these interfaces, and is not booked yet, to their names of now.
    fn book(&mut self, rows: &Rows, which: impl Fn(u32) -> bool) {
        let mine = Rows {
            counters: pick(&rows.counters, |key| which(key.ifindex)),
            esp: pick(&rows.esp, |key| which(key.ifindex)),
            reasons: pick(&rows.reasons, |key| which(key.ifindex)),
        };
        let mut totals = std::mem::take(&mut self.settled);
        self.add(&mine, &mut totals, true);
        self.settled = totals;
        self.booked.counters.extend(mine.counters);
        self.booked.esp.extend(mine.esp);
        self.booked.reasons.extend(mine.reasons);
        for (index, known) in &self.known {
            if which(*index) {
                self.gone.retain(|name| *name != known.name);
                self.gone.push_back(Arc::clone(&known.name));
            }
        }
    }

    /// Adds what is not booked yet, by name.
    fn add(&self, rows: &Rows, totals: &mut Totals, limited: bool) {
        let unknown: Arc<str> = OTHER.into();
        let name = |index: u32| {
            let known = self.known.get(&index);
            Arc::clone(known.map_or(&unknown, |known| &known.name))
        };
        for (key, count) in &rows.counters {
            let Some(encapsulation) = key.encapsulation() else {
                continue;
            };
            let before = self.booked.counters.get(key).copied().unwrap_or_default();
            let count = Count {
                packets: count.packets.saturating_sub(before.packets),
                bytes: count.bytes.saturating_sub(before.bytes),
            };
            // Made beforehand; worth a row only once it holds something.
            if count.packets == 0 {
                continue;
            }
            let vni = match (key.vni(), encapsulation) {
                (None, _) => Vni::Other,
                (Some(vni), encapsulation) if encapsulation.has_vni() => Vni::Id(vni),
                (Some(_), _) => Vni::None,
            };
            let row = (name(key.ifindex), key.direction(), encapsulation, vni);
            add_traffic(&mut totals.traffic, row, count, limited);
        }
        for (key, count) in &rows.esp {
            let direction = u8::try_from(key.direction)
                .ok()
                .and_then(Direction::from_index);
            let encapsulation = u8::try_from(key.encapsulation)
                .ok()
                .and_then(Encapsulation::from_index);
            let (Some(direction), Some(encapsulation)) = (direction, encapsulation) else {
                continue;
            };
            let before = self.booked.esp.get(key).copied().unwrap_or_default();
            let count = EspCount {
                packets: count.packets.saturating_sub(before.packets),
                bytes: count.bytes.saturating_sub(before.bytes),
                later_fragments: count.later_fragments.saturating_sub(before.later_fragments),
                ..*count
            };
            let addresses =
                (key.spi != 0).then(|| (ip_of_key(key.source), ip_of_key(key.destination)));
            if (limited || addresses.is_none()) && count.packets == 0 {
                continue;
            }
            let row = (
                name(key.ifindex),
                direction,
                encapsulation,
                addresses,
                key.spi,
            );
            add_esp(&mut totals.esp, row, count, limited);
        }
        for (key, packets) in &rows.reasons {
            let (Some(direction), Some(reason)) = (key.direction(), key.reason()) else {
                continue;
            };
            let before = self.booked.reasons.get(key).copied().unwrap_or_default();
            let packets = packets.saturating_sub(before);
            if limited && packets == 0 {
                continue;
            }
            let row = (name(key.ifindex), direction, reason);
            *totals.reasons.entry(row).or_default() += packets;
        }
    }

    /// Adds the names that are gone for longest to [`OTHER`].
    fn bound(&mut self) {
        while self.gone.len() > NAMES {
            let Some(name) = self.gone.pop_front() else {
                return;
            };
            if *name == *OTHER || self.known.values().any(|known| known.name == name) {
                continue;
            }
            let other: Arc<str> = OTHER.into();
            let totals = std::mem::take(&mut self.settled);
            for (mut row, count) in totals.traffic {
                if row.0 == name {
                    row.0 = Arc::clone(&other);
                }
                let limited = row.0 == other;
                add_traffic(&mut self.settled.traffic, row, count, limited);
            }
            for (mut row, count) in totals.esp {
                if row.0 == name {
                    row.0 = Arc::clone(&other);
                }
                let limited = row.0 == other;
                add_esp(&mut self.settled.esp, row, count, limited);
            }
            for (mut row, packets) in totals.reasons {
                if row.0 == name {
                    row.0 = Arc::clone(&other);
                }
                *self.settled.reasons.entry(row).or_default() += packets;
            }
        }
    }

    /// Everything ever counted, by name, sorted.
    #[must_use]
    pub fn rows(&self, now: &Rows) -> (Vec<Traffic>, Vec<CountedAssociation>, Vec<Unparsed>) {
        let mut totals = self.settled.clone();
        self.add(now, &mut totals, false);
        let traffic = totals.traffic.into_iter().map(|(row, count)| Traffic {
            interface: row.0.to_string(),
            direction: row.1,
            encapsulation: row.2,
            vni: row.3,
            count,
        });
        let esp = totals
            .esp
            .into_iter()
            .map(|(row, count)| CountedAssociation {
                interface: row.0.to_string(),
                direction: row.1,
                encapsulation: row.2,
                addresses: row.3,
                spi: row.4,
                count,
            });
        let unparsed = totals.reasons.into_iter().map(|(row, packets)| Unparsed {
            interface: row.0.to_string(),
            direction: row.1,
            reason: row.2,
            packets,
        });
        (traffic.collect(), esp.collect(), unparsed.collect())
    }
}

fn pick<K: Copy + Eq + std::hash::Hash, V: Copy>(
    all: &HashMap<K, V>,
    which: impl Fn(&K) -> bool,
) -> HashMap<K, V> {
    let mine = all.iter().filter(|(key, _)| which(key));
    mine.map(|(key, value)| (*key, *value)).collect()
}

fn add_traffic(
    to: &mut BTreeMap<TrafficKey, Count>,
    mut row: TrafficKey,
    count: Count,
    limited: bool,
) {
    if limited && to.len() >= ROWS && !to.contains_key(&row) {
        row.3 = Vni::Other;
    }
    let total = to.entry(row).or_default();
    total.packets += count.packets;
    total.bytes += count.bytes;
}

fn add_esp(to: &mut BTreeMap<EspRow, EspCount>, mut row: EspRow, count: EspCount, limited: bool) {
    if limited && to.len() >= ROWS && !to.contains_key(&row) {
        (row.3, row.4) = (None, 0);
    }
    to.entry(row)
        .and_modify(|total| {
            // 0: none was seen.
            if total.sequence_min == 0
                || (count.sequence_min != 0 && count.sequence_min < total.sequence_min)
            {
                total.sequence_min = count.sequence_min;
            }
            total.sequence_max = total.sequence_max.max(count.sequence_max);
            total.packets += count.packets;
            total.bytes += count.bytes;
            total.later_fragments += count.later_fragments;
        })
        .or_insert(count);
}

#[cfg(test)]
mod tests;
