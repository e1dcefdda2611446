//! The book of one map: what each of its rows has counted, under the name of its interface.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use monitor_common::address;
use monitor_common::count::{Count, EspCount, Total};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{CounterKey, EspKey, ReasonKey};
use monitor_common::reason::Reason;

use crate::base::hash::HashMap;
use crate::traffic::counted::Vni;

/// Rows of a book that are kept of removed interfaces, at most.
const ROWS: usize = 32_768;

/// A key of a map that counts by interface.
pub(super) trait Key: Copy + Debug + Eq + Hash {
    /// What the map counts.
    type Count: Total + Debug;
    /// What the key says beside the interface.
    type Row: Clone + Debug + Hash + Ord;

    /// Index of the interface.
    fn ifindex(&self) -> u32;

    /// What the key says. `None` for a key that no program of ours writes.
    fn row(&self) -> Option<Self::Row>;

    /// The row that takes the counts of this one if the book has no room for it.
    fn other(row: &Self::Row) -> Self::Row;

    /// Whether a row is exported that the agent inserted and in which nothing was counted yet.
    fn is_exported_empty(row: &Self::Row) -> bool;
}

/// Interface, direction, encapsulation and VNI of `COUNTERS`.
pub(in crate::agent) type TrafficRow = (Direction, Encapsulation, Vni);

impl Key for CounterKey {
    type Count = Count;
    type Row = TrafficRow;

    fn ifindex(&self) -> u32 {
        self.ifindex
    }

    fn row(&self) -> Option<TrafficRow> {
        let encapsulation = self.encapsulation()?;
        let vni = match self.vni() {
            None => Vni::Other,
            Some(vni) if encapsulation.has_vni() => Vni::Id(vni),
            Some(_) => Vni::None,
        };
        Some((self.direction(), encapsulation, vni))
    }

    fn other((direction, encapsulation, _): &TrafficRow) -> TrafficRow {
        (*direction, *encapsulation, Vni::Other)
    }

    fn is_exported_empty(_: &TrafficRow) -> bool {
        false
    }
}

/// Direction, encapsulation, addresses and SPI of `ESP`; no addresses and SPI 0 for "other".
pub(super) type EspRow = (Direction, Encapsulation, Option<(IpAddr, IpAddr)>, u32);

impl Key for EspKey {
    type Count = EspCount;
    type Row = EspRow;

    fn ifindex(&self) -> u32 {
        self.ifindex
    }

    fn row(&self) -> Option<EspRow> {
        let addresses = (!self.is_other()).then(|| {
            (
                address::to_ip(self.source),
                address::to_ip(self.destination),
            )
        });
        Some((self.direction(), self.encapsulation()?, addresses, self.spi))
    }

    fn other((direction, encapsulation, _, _): &EspRow) -> EspRow {
        (*direction, *encapsulation, None, 0)
    }

    fn is_exported_empty((_, _, addresses, _): &EspRow) -> bool {
        addresses.is_some()
    }
}

impl Key for ReasonKey {
    type Count = u64;
    type Row = (Direction, Reason);

    fn ifindex(&self) -> u32 {
        self.ifindex
    }

    fn row(&self) -> Option<(Direction, Reason)> {
        Some((self.direction()?, self.reason()?))
    }

    /// There are few, so each has room.
    fn other(row: &(Direction, Reason)) -> (Direction, Reason) {
        *row
    }

    fn is_exported_empty(_: &(Direction, Reason)) -> bool {
        true
    }
}

/// Name of the interface, row, and count.
pub(super) type Entry<K> = ((Arc<str>, <K as Key>::Row), <K as Key>::Count);

/// Counts by name of the interface and row.
pub(super) type Totals<K> = BTreeMap<(Arc<str>, <K as Key>::Row), <K as Key>::Count>;

/// What was counted under each name.
#[derive(Debug)]
pub(super) struct Book<K: Key> {
    /// What of the map is in `settled` already.
    booked: HashMap<K, K::Count>,
    settled: Totals<K>,
    /// What was added to "other" of a row because there was no room.
    overflow: Vec<Entry<K>>,
}

impl<K: Key> Default for Book<K> {
    fn default() -> Book<K> {
        Book {
            booked: HashMap::default(),
            settled: Totals::<K>::new(),
            overflow: Vec::new(),
        }
    }
}

impl<K: Key> Book<K> {
    /// Credits what the map holds of the interfaces `which`, and is not booked yet, to their present names.
    pub(super) fn book(
        &mut self,
        map: &HashMap<K, K::Count>,
        which: impl Fn(u32) -> bool,
        name: impl Fn(u32) -> Arc<str>,
    ) {
        for (key, count) in map.iter().filter(|(key, _)| which(key.ifindex())) {
            if let Some((row, new)) = self.unbooked(key, *count)
                && !new.is_zero()
            {
                self.settle(name(key.ifindex()), row, new);
            }
            self.booked.insert(*key, *count);
        }
    }

    /// Adds what another process had counted of a row.
    pub(super) fn inherit(&mut self, name: Arc<str>, key: &K, count: K::Count) {
        if let Some(row) = key.row()
            && !count.is_zero()
        {
            self.settle(name, row, count);
        }
    }

    /// The rows of the interfaces `which` are no longer in the map.
    pub(super) fn forget(&mut self, which: impl Fn(u32) -> bool) {
        self.booked.retain(|key, _| !which(key.ifindex()));
    }

    /// Credits the last count of a key that is no longer in the map to a row.
    pub(super) fn retire(&mut self, key: &K, last: K::Count, name: Arc<str>, row: K::Row) {
        if let Some((_, new)) = self.unbooked(key, last)
            && !new.is_zero()
        {
            self.settle(name, row, new);
        }
        self.booked.remove(key);
    }

    /// Credits the last count of a key that is no longer in the map to its own row, which leaves the books next.
    pub(super) fn settle_last(&mut self, key: &K, last: K::Count, name: Arc<str>) {
        if let Some((row, new)) = self.unbooked(key, last)
            && !new.is_zero()
        {
            add::<K>(&mut self.settled, (name, row), new);
        }
        self.booked.remove(key);
    }

    /// Removes what is settled of a row, and returns it.
    pub(super) fn drop_row(&mut self, place: &(Arc<str>, K::Row)) -> K::Count {
        self.settled.remove(place).unwrap_or_default()
    }

    /// Removes what is settled of some rows, and returns it.
    pub(super) fn take_rows(&mut self, which: impl Fn(&(Arc<str>, K::Row)) -> bool) -> Totals<K> {
        self.settled
            .extract_if(.., |place, _| which(place))
            .collect()
    }

    /// Adds to a row, whether there is room or not: for rows of which there are few.
    pub(super) fn add_row(&mut self, place: (Arc<str>, K::Row), count: K::Count) {
        add::<K>(&mut self.settled, place, count);
    }

    /// Rows that found no room since this was called last, with what went to their "other" instead.
    pub(super) fn take_overflow(&mut self) -> Vec<Entry<K>> {
        std::mem::take(&mut self.overflow)
    }

    /// Moves what is settled under a name to another one.
    pub(super) fn rename(&mut self, from: &str, to: &Arc<str>) {
        for ((name, row), count) in std::mem::take(&mut self.settled) {
            if *name == *from || name == *to {
                self.settle(Arc::clone(to), row, count);
            } else {
                self.settled.insert((name, row), count);
            }
        }
    }

    /// Everything ever counted, with what the map holds now: each row once, in no order.
    pub(super) fn totals(
        &self,
        map: &HashMap<K, K::Count>,
        name: impl Fn(u32) -> Arc<str>,
    ) -> HashMap<(Arc<str>, K::Row), K::Count> {
        let settled = self.settled.iter();
        let mut totals: HashMap<_, _> = settled.map(|(at, count)| (at.clone(), *count)).collect();
        totals.reserve(map.len());
        // Most rows are those of one interface, and its name is looked for once.
        let mut last: Option<(u32, Arc<str>)> = None;
        for (key, count) in map {
            let Some((row, new)) = self.unbooked(key, *count) else {
                continue;
            };
            if new.is_zero() && !K::is_exported_empty(&row) {
                continue;
            }
            let index = key.ifindex();
            let known = last.take().filter(|(of, _)| *of == index);
            let (_, name) = last.insert(known.unwrap_or_else(|| (index, name(index))));
            let sum: &mut K::Count = totals.entry((Arc::clone(name), row)).or_default();
            sum.add(new);
        }
        totals
    }

    /// Adds to a row, or to its "other" if there is no room for one more.
    fn settle(&mut self, name: Arc<str>, row: K::Row, count: K::Count) {
        let mut place = (name, row);
        if self.settled.len() >= ROWS && !self.settled.contains_key(&place) {
            let other = K::other(&place.1);
            self.overflow.push((place.clone(), count));
            place.1 = other;
        }
        add::<K>(&mut self.settled, place, count);
    }

    /// What a key has counted beyond what is booked, and its row.
    fn unbooked(&self, key: &K, count: K::Count) -> Option<(K::Row, K::Count)> {
        let before = match self.booked.is_empty() {
            true => K::Count::default(),
            false => self.booked.get(key).copied().unwrap_or_default(),
        };
        Some((key.row()?, count.since(before)))
    }
}

fn add<K: Key>(totals: &mut Totals<K>, place: (Arc<str>, K::Row), count: K::Count) {
    totals.entry(place).or_default().add(count);
}
