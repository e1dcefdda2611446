//! Slots of associations: ESP packets of the busiest ones. [`monitor_common::esp_slot`] has the layout.
//!
//! Between two uses of a place its key is that of no packet, for two grace periods: one before what its rows hold is
//! booked, and one after they were emptied. So a program that finds a key in a row finds the counts that belong to it,
//! whatever the order in which another CPU sees the words.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aya::Ebpf;
use monitor_common::count::{EspCount, Total};
use monitor_common::encapsulation::Encapsulation;
use monitor_common::esp_slot::{self, EspSlot};
use monitor_common::key::EspKey;

use super::mapped::Mapped;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::kernel::grace::Grace;

/// An association that carried fewer packets since the last look needs no place.
const BUSY: u64 = 100;

/// The slots of associations of one load of the programs.
pub(in crate::kernel) struct EspSlots {
    rows: Mapped<EspSlot>,
    cpus: u32,
    places: u32,
    seed: [u64; 4],
    grace: Grace,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Who has which place.
    given: HashMap<Place, EspKey>,
    /// The same, by association.
    by_key: HashMap<EspKey, Place>,
    /// What places that were taken back had counted.
    counted: HashMap<EspKey, EspCount>,
    /// Packets of each association at the last look.
    seen: HashMap<EspKey, u64>,
}

/// A direction, and a place in it.
type Place = (u32, u32);

impl EspSlots {
    pub(in crate::kernel) fn new(
        ebpf: &Ebpf,
        cpus: usize,
        places: u32,
        seed: [u64; 4],
    ) -> Result<EspSlots, Failure> {
        let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
        Ok(EspSlots {
            rows: Mapped::new(ebpf, "ESP_SLOTS", (cpus * 2 * places) as usize)?,
            cpus,
            places,
            seed,
            grace: Grace::new()?,
            books: Mutex::default(),
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what is counted in slots to the rows of `ESP`.
    pub(in crate::kernel) fn add(&self, rows: &mut HashMap<EspKey, EspCount>) {
        let books = self.books();
        for (key, count) in &books.counted {
            rows.entry(*key).or_default().add(*count);
        }
        for (place, key) in &books.given {
            let count = self.count(*place);
            if !count.is_zero() {
                rows.entry(*key).or_default().add(count);
            }
        }
    }

    /// Gives places to the associations that carried the most packets since the last call. One in which nothing was
    /// counted meanwhile gives way to them. `rows` is everything that was counted.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs. Then no place changes its owner.
    pub(in crate::kernel) fn place(&self, rows: &HashMap<EspKey, EspCount>) -> Result<(), Failure> {
        let mut books = self.books();
        let packets = rows.iter().map(|(key, count)| (*key, count.packets));
        let before = std::mem::replace(&mut books.seen, packets.collect());
        let lately = |key: &EspKey| {
            let now = rows.get(key).map_or(0, |count| count.packets);
            now.saturating_sub(before.get(key).copied().unwrap_or(0))
        };
        let mut busy: Vec<&EspKey> = rows
            .keys()
            .filter(|key| has_usual_shape(key) && !books.by_key.contains_key(key))
            .filter(|key| lately(key) >= BUSY)
            .collect();
        busy.sort_by_key(|key| Reverse(lately(key)));
        let mut chosen: HashMap<Place, EspKey> = HashMap::default();
        for key in busy {
            let mut places = self.places_of(key).into_iter();
            let place = places.find(|place| {
                !chosen.contains_key(place)
                    && books
                        .given
                        .get(place)
                        .is_none_or(|owner| lately(owner) == 0)
            });
            if let Some(place) = place {
                chosen.insert(place, *key);
            }
        }
        let idle = chosen.keys().filter_map(|place| books.given.get(place));
        let idle: HashSet<EspKey> = idle.copied().collect();
        self.take_back(&mut books, &idle)?;
        for (place, key) in chosen {
            self.write_key(place, &key);
            books.given.insert(place, key);
            books.by_key.insert(key, place);
        }
        Ok(())
    }

    /// Takes all places back: programs count in the map alone from now on.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs.
    pub(in crate::kernel) fn leave(&self) -> Result<(), Failure> {
        let mut books = self.books();
        let all = books.by_key.keys().copied().collect();
        self.take_back(&mut books, &all)
    }

    /// Takes the counts of these associations out of the slots, and returns them. Their rows leave the map.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs. Nothing is taken out then.
    pub(in crate::kernel) fn take(
        &self,
        keys: &[EspKey],
    ) -> Result<HashMap<EspKey, EspCount>, Failure> {
        let mut books = self.books();
        self.take_back(&mut books, &keys.iter().copied().collect())?;
        let mut taken = HashMap::default();
        for key in keys {
            books.seen.remove(key);
            if let Some(count) = books.counted.remove(key) {
                taken.insert(*key, count);
            }
        }
        Ok(taken)
    }

    /// What is counted in the slot of an association; `None` if it has none.
    pub(in crate::kernel) fn of(&self, key: &EspKey) -> Option<EspCount> {
        let books = self.books();
        books.by_key.get(key).map(|place| self.count(*place))
    }

    /// Takes the places of these associations back, and books what they have counted.
    fn take_back(&self, books: &mut Books, keys: &HashSet<EspKey>) -> Result<(), Failure> {
        let leaving: Vec<(EspKey, Place)> = keys
            .iter()
            .filter_map(|key| Some((*key, *books.by_key.get(key)?)))
            .collect();
        if leaving.is_empty() {
            return Ok(());
        }
        for (_, place) in &leaving {
            for row in self.rows_of(*place) {
                self.half(row, offset_of!(EspSlot, ifindex))
                    .store(0, Ordering::Release);
            }
        }
        // The books stay locked, so that no key is written meanwhile. After a failure nothing is counted in these places
        // any more, and they stay given.
        self.grace.wait()?;
        for (key, place) in &leaving {
            let count = self.count(*place);
            books.by_key.remove(key);
            books.given.remove(place);
            if !count.is_zero() {
                books.counted.entry(*key).or_default().add(count);
            }
            self.empty(*place);
        }
        self.grace.wait()
    }

    /// Empties the rows of a place in which no program counts.
    fn empty(&self, place: Place) {
        for row in self.rows_of(place) {
            for at in (0..EspSlot::SIZE).step_by(size_of::<u64>()) {
                self.rows.word(row, at).store(0, Ordering::Relaxed);
            }
        }
    }

    /// Writes the key to the rows of an empty place. The interface is last: a row without it is that of no packet.
    fn write_key(&self, place: Place, key: &EspKey) {
        for row in self.rows_of(place) {
            let word =
                |offset: usize, value| self.rows.word(row, offset).store(value, Ordering::Relaxed);
            for (half, at) in [0, size_of::<u64>()].into_iter().enumerate() {
                word(offset_of!(EspSlot, source) + at, key.source[half]);
                word(offset_of!(EspSlot, destination) + at, key.destination[half]);
            }
            self.half(row, offset_of!(EspSlot, spi))
                .store(key.spi, Ordering::Relaxed);
            self.half(row, offset_of!(EspSlot, ifindex))
                .store(key.ifindex, Ordering::Release);
        }
    }
}

impl EspSlots {
    /// What all CPUs have counted at a place.
    fn count(&self, place: Place) -> EspCount {
        let mut total = EspCount::default();
        for row in self.rows_of(place) {
            let word = |offset| self.rows.word(row, offset).load(Ordering::Relaxed);
            let half = |offset| self.half(row, offset).load(Ordering::Relaxed);
            total.add(EspCount {
                packets: word(offset_of!(EspSlot, packets)),
                bytes: word(offset_of!(EspSlot, bytes)),
                sequence_min: half(offset_of!(EspSlot, sequence_min)),
                sequence_max: half(offset_of!(EspSlot, sequence_max)),
                later_fragments: 0,
            });
        }
        total
    }

    fn half(&self, row: usize, offset: usize) -> &AtomicU32 {
        self.rows.half(row, offset)
    }

    fn rows_of(&self, (direction, place): Place) -> impl Iterator<Item = usize> + use<> {
        let places = self.places;
        (0..self.cpus).map(move |cpu| esp_slot::index(cpu, direction, places, place) as usize)
    }

    fn places_of(&self, key: &EspKey) -> [Place; 2] {
        let between = (key.source, key.destination);
        esp_slot::places(&self.seed, key.ifindex, key.spi, between, self.places)
            .map(|place| (key.direction, place))
    }
}

/// Whether packets of an association may be of the shape that the programs count in slots.
fn has_usual_shape(key: &EspKey) -> bool {
    key.encapsulation() == Some(Encapsulation::Esp) && key.spi != 0
}
