//! Slots of flows: VXLAN packets under the verdict on their flow. [`monitor_common::slot`] has the layout.
//!
//! The agent alone gives slots and puts flows in. It never changes a row that a program may be adding to: a slot is
//! reclaimed by taking every way to it out, waiting until no program can have read one of them ([`Grace`]), and only then
//! booking what its rows hold. So each packet is in exactly one place: a row, the books here, or the maps.

use std::collections::HashSet;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aya::Ebpf;
use monitor_common::count::{Count, Total};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{Class, CounterKey, ExposureKey, Group, NetworkId};
use monitor_common::slot::{self, Line, SlotRow, WAYS};

use super::mapped::Mapped;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::kernel::grace::Grace;

/// A slot in which nothing was counted for so long is given to others, where slots run out.
const IDLE: Duration = Duration::from_secs(60);
/// Networks that are not described leave one part in this many of the slots to the others.
const RESERVED: usize = 16;
/// Slots run out when fewer than one part in this many is free.
const SCARCE: usize = 8;

/// What a slot counts: VXLAN packets of the flows of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotKey {
    /// Index of the interface that they cross.
    pub ifindex: u32,
    /// Their VNI.
    pub vni: u32,
    /// The verdict on the flows.
    pub class: Class,
}

impl SlotKey {
    fn counter(&self, direction: Direction) -> CounterKey {
        CounterKey::new(self.ifindex, direction, Encapsulation::Vxlan, self.vni)
    }

    fn exposure(&self, direction: Direction) -> ExposureKey {
        ExposureKey::new(direction, NetworkId::vni(self.vni), self.class)
    }
}

/// The slots of one load of the programs.
pub(in crate::kernel) struct FlowSlots {
    lines: Mapped<Line>,
    rows: Mapped<SlotRow>,
    cpus: u32,
    slots: u32,
    grace: Grace,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Slots in use, by what they count.
    by_key: HashMap<SlotKey, u32>,
    /// Slots in use, by number.
    given: Vec<Option<Given>>,
    /// Slots that are free. Slot 0 is never given: a free way leads there.
    free: Vec<u32>,
    /// What reclaimed slots had counted.
    counters: HashMap<CounterKey, Count>,
    exposure: HashMap<ExposureKey, Count>,
}

#[derive(Clone, Copy)]
struct Given {
    key: SlotKey,
    /// What it had counted when it was looked at, and when that was seen first.
    packets: u64,
    since: Instant,
}

impl FlowSlots {
    pub(in crate::kernel) fn new(
        ebpf: &Ebpf,
        cpus: usize,
        slots: u32,
    ) -> Result<FlowSlots, Failure> {
        let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
        let books = Books {
            given: vec![None; slots as usize],
            free: (1..slots).rev().collect(),
            ..Books::default()
        };
        Ok(FlowSlots {
            lines: Mapped::new(ebpf, "SLOT_LINES", slot::LINES as usize)?,
            rows: Mapped::new(ebpf, "SLOT_ROWS", (cpus * 2 * slots) as usize)?,
            cpus,
            slots,
            grace: Grace::new()?,
            books: Mutex::new(books),
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the packets of a flow in the slot of this key from now on. Does nothing where slots have run out: then they
    /// are counted in the maps.
    pub(in crate::kernel) fn put(&self, flow: u64, key: SlotKey, group: Group) {
        let mut books = self.books();
        let Some(slot) = self.slot(&mut books, key, group) else {
            drop(books);
            return self.take(flow);
        };
        let word = slot::way(flow, slot);
        let mut vacant = None;
        for line in slot::lines(flow) {
            for at in 0..WAYS {
                let way = self.way(line, at).load(Ordering::Relaxed);
                if way != 0 && slot::is_of(way, flow) {
                    self.way(line, at).store(word, Ordering::Release);
                    return;
                }
                if way == 0 && vacant.is_none() {
                    vacant = Some((line, at));
                }
            }
        }
        let unused = || {
            let mut all = slot::lines(flow)
                .into_iter()
                .flat_map(|line| (0..WAYS).map(move |at| (line, at)));
            all.find(|(line, at)| self.used(*line, *at).load(Ordering::Relaxed) == 0)
        };
        // Another flow that is in use is not displaced: one of the two has to be counted in the maps.
        if let Some((line, at)) = vacant.or_else(unused) {
            self.used(line, at).store(0, Ordering::Relaxed);
            self.way(line, at).store(word, Ordering::Release);
        }
    }

    /// Takes a flow out: its packets are counted in the maps from now on, as soon as no program has read its way before.
    pub(in crate::kernel) fn take(&self, flow: u64) {
        let _books = self.books();
        for (line, at) in self.places(flow) {
            self.way(line, at).store(0, Ordering::Release);
        }
    }

    /// Whether packets of a flow were counted in a slot since it was put there or rested; `None` if it has none.
    pub(in crate::kernel) fn is_used(&self, flow: u64) -> Option<bool> {
        let (line, at) = self.places(flow).next()?;
        Some(self.used(line, at).load(Ordering::Relaxed) != 0)
    }

    /// Marks a flow as unused until the next packet.
    pub(in crate::kernel) fn rest(&self, flow: u64) {
        for (line, at) in self.places(flow) {
            self.used(line, at).store(0, Ordering::Relaxed);
        }
    }

    /// Adds what is counted in slots to the rows of `COUNTERS`.
    pub(in crate::kernel) fn add_counters(&self, rows: &mut HashMap<CounterKey, Count>) {
        let books = self.books();
        for (key, count) in &books.counters {
            rows.entry(*key).or_default().add(*count);
        }
        self.each(&books, |key, direction, count| {
            rows.entry(key.counter(direction)).or_default().add(count);
        });
    }

    /// Adds what is counted in slots to the rows of `EXPOSURE`.
    pub(in crate::kernel) fn add_exposure(&self, rows: &mut HashMap<ExposureKey, Count>) {
        let books = self.books();
        for (key, count) in &books.exposure {
            rows.entry(*key).or_default().add(*count);
        }
        self.each(&books, |key, direction, count| {
            rows.entry(key.exposure(direction)).or_default().add(count);
        });
    }

    fn each(&self, books: &Books, mut take: impl FnMut(&SlotKey, Direction, Count)) {
        // In the order of the rows in memory.
        for direction in Direction::ALL {
            for (slot, given) in (0..).zip(&books.given) {
                let Some(given) = given else { continue };
                let count = self.count(slot, direction);
                if !count.is_zero() {
                    take(&given.key, direction, count);
                }
            }
        }
    }

    /// Reclaims the slots of some keys, and books what they have counted.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs.
    pub(in crate::kernel) fn reclaim(
        &self,
        which: impl Fn(&SlotKey) -> bool,
    ) -> Result<(), Failure> {
        self.reclaim_from(&mut self.books(), which)
    }

    /// Fails if the kernel refuses to wait for its programs. Then no flow counts in these slots any more, and they stay.
    fn reclaim_from(
        &self,
        books: &mut Books,
        which: impl Fn(&SlotKey) -> bool,
    ) -> Result<(), Failure> {
        let mut goes = vec![false; self.slots as usize];
        for (goes, given) in goes.iter_mut().zip(&books.given) {
            *goes = given.is_some_and(|given| which(&given.key));
        }
        if !goes.contains(&true) {
            return Ok(());
        }
        for line in 0..slot::LINES {
            for at in 0..WAYS {
                let way = self.way(line, at);
                let slot = slot::slot(way.load(Ordering::Relaxed)) as usize;
                if goes.get(slot) == Some(&true) {
                    way.store(0, Ordering::Release);
                }
            }
        }
        // The books stay locked, so that no way to these slots is written meanwhile.
        self.grace.wait()?;
        for slot in (0..)
            .zip(goes)
            .filter_map(|(slot, goes)| goes.then_some(slot))
        {
            let Some(Given { key, .. }) = books.given.get_mut(slot as usize).and_then(Option::take)
            else {
                continue;
            };
            books.by_key.remove(&key);
            for direction in Direction::ALL {
                let count = self.count(slot, direction);
                if !count.is_zero() {
                    books
                        .counters
                        .entry(key.counter(direction))
                        .or_default()
                        .add(count);
                    books
                        .exposure
                        .entry(key.exposure(direction))
                        .or_default()
                        .add(count);
                }
            }
            self.reset(slot, 0, 0);
            books.free.push(slot);
        }
        Ok(())
    }

    /// Takes the counts of these keys out of the slots, and returns them. The rows of the keys leave the map.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs. Nothing is taken out then.
    pub(in crate::kernel) fn take_counters(
        &self,
        keys: &[CounterKey],
    ) -> Result<HashMap<CounterKey, Count>, Failure> {
        if keys.is_empty() {
            return Ok(HashMap::default());
        }
        let leaving: HashSet<&CounterKey> = keys.iter().collect();
        let mut books = self.books();
        self.reclaim_from(&mut books, |key| {
            Direction::ALL
                .into_iter()
                .any(|direction| leaving.contains(&key.counter(direction)))
        })?;
        let mut taken = HashMap::default();
        for key in keys {
            if let Some(count) = books.counters.remove(key) {
                taken.insert(*key, count);
            }
        }
        Ok(taken)
    }

    /// Takes the counts of these keys out of the slots, and returns them. The rows of the keys leave the map.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs. Nothing is taken out then.
    pub(in crate::kernel) fn take_exposure(
        &self,
        keys: &[ExposureKey],
    ) -> Result<HashMap<ExposureKey, Count>, Failure> {
        if keys.is_empty() {
            return Ok(HashMap::default());
        }
        let leaving: HashSet<&ExposureKey> = keys.iter().collect();
        let mut books = self.books();
        self.reclaim_from(&mut books, |key| {
            Direction::ALL
                .into_iter()
                .any(|direction| leaving.contains(&key.exposure(direction)))
        })?;
        let mut taken = HashMap::default();
        for key in keys {
            if let Some(count) = books.exposure.remove(key) {
                taken.insert(*key, count);
            }
        }
        Ok(taken)
    }

    /// Where slots run out, reclaims those in which nothing was counted for a while. Called now and then.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs.
    pub(in crate::kernel) fn tidy(&self, now: Instant) -> Result<(), Failure> {
        let mut books = self.books();
        if books.free.len() * SCARCE >= self.slots as usize {
            return Ok(());
        }
        let mut idle = HashSet::new();
        for (slot, given) in (0..).zip(&mut books.given) {
            let Some(given) = given else { continue };
            let packets = Direction::ALL
                .into_iter()
                .map(|direction| self.count(slot, direction).packets)
                .sum();
            if packets != given.packets {
                (given.packets, given.since) = (packets, now);
            } else if now.duration_since(given.since) >= IDLE {
                idle.insert(given.key);
            }
        }
        self.reclaim_from(&mut books, |key| idle.contains(key))
    }

    /// The slot of a key, given now if it has none; `None` where they have run out.
    fn slot(&self, books: &mut Books, key: SlotKey, group: Group) -> Option<u32> {
        if let Some(slot) = books.by_key.get(&key) {
            return Some(*slot);
        }
        if group == Group::Unknown && books.free.len() <= self.slots as usize / RESERVED {
            return None;
        }
        let slot = books.free.pop()?;
        self.reset(slot, key.ifindex, key.vni);
        *books.given.get_mut(slot as usize)? = Some(Given {
            key,
            packets: 0,
            since: Instant::now(),
        });
        books.by_key.insert(key, slot);
        Some(slot)
    }

    /// Empties the rows of a slot to which no way leads.
    fn reset(&self, slot: u32, ifindex: u32, vni: u32) {
        for row in self
            .rows_of(slot, Direction::Rx)
            .chain(self.rows_of(slot, Direction::Tx))
        {
            let word = |offset| self.rows.word(row, offset);
            word(offset_of!(SlotRow, packets)).store(0, Ordering::Relaxed);
            word(offset_of!(SlotRow, bytes)).store(0, Ordering::Relaxed);
            let half = |offset| self.rows.half(row, offset);
            half(offset_of!(SlotRow, ifindex)).store(ifindex, Ordering::Release);
            half(offset_of!(SlotRow, vni)).store(vni, Ordering::Release);
        }
    }

    /// What all CPUs have counted in a slot.
    fn count(&self, slot: u32, direction: Direction) -> Count {
        let mut total = Count::ZERO;
        for row in self.rows_of(slot, direction) {
            let word = |offset| self.rows.word(row, offset).load(Ordering::Relaxed);
            total.add(Count {
                packets: word(offset_of!(SlotRow, packets)),
                bytes: word(offset_of!(SlotRow, bytes)),
            });
        }
        total
    }

    fn rows_of(&self, slot: u32, direction: Direction) -> impl Iterator<Item = usize> {
        let slots = self.slots;
        (0..self.cpus).map(move |cpu| slot::row(cpu, direction as u32, slots, slot) as usize)
    }

    fn places(&self, flow: u64) -> impl Iterator<Item = (u32, usize)> + '_ {
        slot::lines(flow)
            .into_iter()
            .flat_map(|line| (0..WAYS).map(move |at| (line, at)))
            .filter(move |(line, at)| {
                let way = self.way(*line, *at).load(Ordering::Relaxed);
                way != 0 && slot::is_of(way, flow)
            })
    }

    fn way(&self, line: u32, at: usize) -> &AtomicU64 {
        let offset = offset_of!(Line, ways) + at * size_of::<u64>();
        self.lines.word(line as usize, offset)
    }

    fn used(&self, line: u32, at: usize) -> &AtomicU8 {
        self.lines.byte(line as usize, offset_of!(Line, used) + at)
    }
}
