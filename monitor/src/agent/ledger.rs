//! Whose counts are whose: the maps count by interface index, the metrics by name.
//!
//! No exported counter ever goes down, whatever becomes of interfaces:
//!
//! - What an interface counts belongs to the name that it has at that moment. A rename leaves the counts so far with the
//!   old name; the new one begins with what is counted after.
//! - Rows of one name are one row, whichever interfaces had that name, one after the other.
//! - A removed interface keeps its counts under its last name. Its rows are moved from the maps to the books after a
//!   while, so that interfaces which come and go for months do not fill the maps.
//! - Containers leave many names behind: the last `NAMES` removed ones keep their series, and older ones are summed as
//!   [`OTHER`]. A row for which a book has no room is summed under "other" of its interface.

mod book;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use monitor_common::count::{Count, EspCount, Total};
use monitor_common::direction::Direction;
use monitor_common::key::{CounterKey, EspKey, ReasonKey};

pub(super) use self::book::TrafficRow;
use self::book::{Book, EspRow, Key};
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::kernel::Kernel;
use crate::traffic::counted::{Traffic, Unparsed};
use crate::traffic::counted_association::{CountedAssociation, FORGOTTEN};

/// Names of removed interfaces whose counts are kept apart, at most.
const NAMES: usize = 256;
/// The name that stands for the others.
pub const OTHER: &str = "other";

/// Names of interfaces that are watched, or were until a moment ago, by index: for samples. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<RwLock<HashMap<u32, String>>>);

impl Names {
    /// The name of an interface; `?` for one that was removed long ago.
    #[must_use]
    pub fn of(&self, index: u32) -> String {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&index).map_or("?", String::as_str).to_owned()
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<u32, String>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the maps hold, by interface index.
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

/// The books.
#[derive(Debug, Default)]
pub struct Ledger {
    names: Names,
    known: BTreeMap<u32, Known>,
    traffic: Book<CounterKey>,
    esp: Book<EspKey>,
    reasons: Book<ReasonKey>,
    /// Names of removed interfaces in the books, the longest removed first.
    gone: VecDeque<Arc<str>>,
    /// Names whose rows became those of [`OTHER`], until they are taken.
    renamed: Vec<Arc<str>>,
}

/// What became of rows of the books.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Names whose rows are those of [`OTHER`] from now on.
    pub(super) renamed: Vec<Arc<str>>,
    /// Rows of traffic without room, with what was added to "other" of their interface instead.
    pub(super) overflow: Vec<((Arc<str>, TrafficRow), Count)>,
    /// The same of nodes in ESP.
    pub(super) esp_overflow: Vec<(Node, EspCount)>,
}

/// Name of the interface, direction, and address of the other node.
pub(super) type Node = (Arc<str>, Direction, IpAddr);

#[derive(Debug)]
struct Known {
    name: Arc<str>,
    /// Since when it is no longer watched; `None` while it is.
    ended: Option<Instant>,
}

impl Ledger {
    /// The names, for samples.
    #[must_use]
    pub fn names(&self) -> Names {
        self.names.clone()
    }

    /// An interface is about to be watched. `rows` reads the maps; it is called only if the index is that of an interface
    /// whose rows are still in the maps.
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

    /// Takes over what another process had counted. `name` is that of an interface by its index there; `names` are all of
    /// them, the longest removed first.
    pub(super) fn inherit(
        &mut self,
        rows: &Rows,
        names: impl Iterator<Item = Arc<str>>,
        name: impl Fn(u32) -> Arc<str>,
    ) {
        for (key, count) in &rows.counters {
            self.traffic.inherit(name(key.ifindex), key, *count);
        }
        for (key, count) in &rows.esp {
            // Its keys are of the other process's time: those in the maps now are others.
            let sum = EspKey { spi: 0, ..*key };
            self.esp.inherit(name(key.ifindex), &sum, *count);
        }
        for (key, packets) in &rows.reasons {
            self.reasons.inherit(name(key.ifindex), key, *packets);
        }
        for name in names {
            self.gone.retain(|gone| *gone != name);
            self.gone.push_back(name);
        }
        self.bound();
    }

    /// The names under which anything is counted, those of interfaces that are watched last.
    pub(super) fn counted_names(&self) -> Vec<Arc<str>> {
        let watched: BTreeSet<&Arc<str>> = self.known.values().map(|known| &known.name).collect();
        let gone = self.gone.iter().filter(|name| !watched.contains(name));
        gone.chain(watched.iter().copied()).cloned().collect()
    }

    /// The present name of each interface whose rows are in the maps, by its index.
    pub(super) fn known_names(&self) -> impl Iterator<Item = (u32, Arc<str>)> {
        let known = self.known.iter();
        known.map(|(index, known)| (*index, Arc::clone(&known.name)))
    }

    /// An interface is no longer watched.
    pub fn end(&mut self, index: u32) {
        if let Some(known) = self.known.get_mut(&index) {
            known.ended = Some(Instant::now());
        }
    }

    /// Interfaces that are no longer watched and whose rows are still in the maps.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.known
            .values()
            .filter(|known| known.ended.is_some())
            .count()
    }

    /// Interfaces that were last watched `after` ago, in ascending order.
    fn due(&self, after: Duration) -> Vec<u32> {
        let is_due = |known: &Known| known.ended.is_some_and(|at| at.elapsed() >= after);
        self.known
            .iter()
            .filter(|(_, known)| is_due(known))
            .map(|(index, _)| *index)
            .collect()
    }

    /// Moves the rows of interfaces that were last watched `after` ago from the maps to the books. It must be long enough
    /// that a detached program has finished its last packet.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read or changed.
    pub fn put_away(&mut self, kernel: &Kernel, after: Duration) -> Result<(), Failure> {
        let ended = self.due(after);
        if ended.is_empty() {
            return Ok(());
        }
        let rows = Rows::read(kernel)?;
        let is_ended = |index: u32| ended.binary_search(&index).is_ok();
        self.book(&rows, is_ended);
        kernel.forget(
            rows.counters
                .into_keys()
                .filter(|key| is_ended(key.ifindex)),
            rows.esp.into_keys().filter(|key| is_ended(key.ifindex)),
            rows.reasons.into_keys().filter(|key| is_ended(key.ifindex)),
        )?;
        self.forget(is_ended);
        for index in ended {
            self.known.remove(&index);
            self.names.change(|names| drop(names.remove(&index)));
        }
        self.bound();
        Ok(())
    }

    /// An association was removed from the map, with this count. Its row becomes one with those of the same addresses
    /// that were removed before: SPI 0.
    pub fn retire(&mut self, key: EspKey, count: EspCount) {
        let name = named(&self.known)(key.ifindex);
        if let Some((direction, encapsulation, addresses, _)) = key.row() {
            let row = (direction, encapsulation, addresses, 0);
            self.esp.retire(&key, count, name, row);
        }
    }

    /// Everything that was counted of traffic, by the name of its interface.
    pub(super) fn traffic(
        &self,
        counters: &HashMap<CounterKey, Count>,
    ) -> HashMap<(Arc<str>, TrafficRow), Count> {
        self.traffic.totals(counters, named(&self.known))
    }

    /// Where a row of `COUNTERS` is counted.
    pub(super) fn place(&self, key: &CounterKey) -> Option<(Arc<str>, TrafficRow)> {
        Some((named(&self.known)(key.ifindex), key.row()?))
    }

    /// A row of `COUNTERS` was removed from the map, with this count. It stays in the books until it is dropped.
    pub(super) fn settle_last(&mut self, key: &CounterKey, last: Count) {
        let name = named(&self.known)(key.ifindex);
        self.traffic.settle_last(key, last, name);
    }

    /// A row whose keys have left the map leaves the books. Returns all that it had counted.
    pub(super) fn drop_traffic(&mut self, place: &(Arc<str>, TrafficRow)) -> Count {
        self.traffic.drop_row(place)
    }

    /// The node of a row of `ESP`: name of the interface, direction, and address of the other node.
    pub(super) fn node(&self, key: &EspKey) -> Option<Node> {
        node_of(&(named(&self.known)(key.ifindex), key.row()?))
    }

    /// Everything that was counted of ESP and AH, by node.
    pub(super) fn esp_nodes(&self, esp: &HashMap<EspKey, EspCount>) -> HashMap<Node, EspCount> {
        let mut nodes = HashMap::<_, EspCount>::default();
        for (place, count) in self.esp.totals(esp, named(&self.known)) {
            if let Some(node) = node_of(&place) {
                nodes.entry(node).or_default().add(count);
            }
        }
        nodes
    }

    /// Forgets nodes whose associations have left the map. Returns what each had counted of ESP. It is counted as that of
    /// [`FORGOTTEN`], so that no sum over nodes goes down.
    pub(super) fn forget_nodes(&mut self, nodes: &HashSet<Node>) -> HashMap<Node, EspCount> {
        let mut last = HashMap::<_, EspCount>::default();
        let is_leaving = |place: &_| node_of(place).is_some_and(|node| nodes.contains(&node));
        for (place, count) in self.esp.take_rows(is_leaving) {
            let Some(node) = node_of(&place) else {
                continue;
            };
            let (name, (direction, encapsulation, _, _)) = place;
            if encapsulation.is_esp() {
                last.entry(node).or_default().add(count);
            }
            let row = (direction, encapsulation, Some((FORGOTTEN, FORGOTTEN)), 0);
            self.esp.add_row((name, row), count);
        }
        last
    }

    /// What became of rows since this was called last.
    pub(super) fn take_moves(&mut self) -> Moves {
        let esp = self.esp.take_overflow().into_iter();
        Moves {
            renamed: std::mem::take(&mut self.renamed),
            overflow: self.traffic.take_overflow(),
            esp_overflow: esp
                .filter(|((_, (_, encapsulation, ..)), _)| encapsulation.is_esp())
                .filter_map(|(place, count)| Some((node_of(&place)?, count)))
                .collect(),
        }
    }

    /// Credits what the maps hold of these interfaces, and is not booked yet, to their present names.
    fn book(&mut self, rows: &Rows, which: impl Fn(u32) -> bool) {
        let name = named(&self.known);
        self.traffic.book(&rows.counters, &which, &name);
        self.esp.book(&rows.esp, &which, &name);
        self.reasons.book(&rows.reasons, &which, &name);
        for (index, known) in &self.known {
            if which(*index) {
                self.gone.retain(|name| *name != known.name);
                self.gone.push_back(Arc::clone(&known.name));
            }
        }
    }

    /// The rows of these interfaces are no longer in the maps.
    fn forget(&mut self, which: impl Fn(u32) -> bool) {
        self.traffic.forget(&which);
        self.esp.forget(&which);
        self.reasons.forget(&which);
    }

    /// Adds the longest removed names to [`OTHER`].
    fn bound(&mut self) {
        let other: Arc<str> = OTHER.into();
        while self.gone.len() > NAMES {
            let Some(name) = self.gone.pop_front() else {
                return;
            };
            if *name == *OTHER || self.known.values().any(|known| known.name == name) {
                continue;
            }
            self.renamed.push(Arc::clone(&name));
            self.traffic.rename(&name, &other);
            self.esp.rename(&name, &other);
            self.reasons.rename(&name, &other);
        }
    }

    /// Everything ever counted, by name, in no order.
    #[must_use]
    pub fn rows(&self, now: &Rows) -> (Vec<Traffic>, Vec<CountedAssociation>, Vec<Unparsed>) {
        let name = named(&self.known);
        let traffic = self.traffic.totals(&now.counters, &name).into_iter().map(
            |((interface, (direction, encapsulation, vni)), count)| Traffic {
                interface,
                direction,
                encapsulation,
                vni,
                count,
            },
        );
        let esp = self.esp.totals(&now.esp, &name).into_iter().map(
            |((interface, (direction, encapsulation, addresses, spi)), count)| CountedAssociation {
                interface,
                direction,
                encapsulation,
                addresses,
                spi,
                count,
            },
        );
        let unparsed = self.reasons.totals(&now.reasons, &name).into_iter().map(
            |((interface, (direction, reason)), packets)| Unparsed {
                interface,
                direction,
                reason,
                packets,
            },
        );
        (traffic.collect(), esp.collect(), unparsed.collect())
    }
}

/// The node of a row, unless it is the sum of several.
fn node_of((name, (direction, _, addresses, _)): &(Arc<str>, EspRow)) -> Option<Node> {
    let (source, destination) = (*addresses)?;
    let node = match direction {
        Direction::Rx => source,
        Direction::Tx => destination,
    };
    (node != FORGOTTEN).then(|| (Arc::clone(name), *direction, node))
}

/// The present name of an interface by its index; [`OTHER`] for one that was never known.
fn named(known: &BTreeMap<u32, Known>) -> impl Fn(u32) -> Arc<str> {
    |index| {
        known
            .get(&index)
            .map_or_else(|| OTHER.into(), |known| Arc::clone(&known.name))
    }
}

#[cfg(test)]
mod tests;
