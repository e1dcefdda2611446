//! Rows of the maps into which programs insert: how many the programs may have, and how a row is removed without losing a
//! packet.
//!
//! **Room.** A part of each map is the agent's: programs stop inserting before they reach it. So a row that must always be
//! found, such as one for a new interface or for a network that was just described, finds room after any flood.
//!
//! **Removal.** A program may hold a row at the moment when it is deleted, and what it adds then is lost, or another
//! row's. So the agent lists the rows in `LEAVING`, sets `REMOVING`, waits until every program that may have seen it unset
//! has ended, and only then reads and deletes the rows. Meanwhile programs count their packets as "other". A program that
//! found a row before it was deleted must still see it listed: so the agent waits once more before it unsets `REMOVING`.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aya::Ebpf;
use monitor_common::map_size;
use monitor_common::row_room::{RowKey, RowMap, RowRoom};
use monitor_common::shared::Shared;

use super::grace::Grace;
use super::size::MapSizes;
use super::table::{Table, map};
use crate::base::failure::Failure;

/// Who has which rows.
pub(super) struct Rows {
    inserted: Table<u32, u64>,
    room: Table<u32, RowRoom>,
    leaving: Table<u64, u64>,
    removing: Table<u32, u32>,
    grace: Grace,
    books: Mutex<[Book; RowMap::ALL.len()]>,
    /// Held while rows are removed: one list at a time.
    removal: Mutex<()>,
}

/// How often the keys of a map changed: while both numbers stay, it has the same keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RowNumbers {
    /// Rows that programs have inserted.
    pub(super) inserted: u64,
    /// Rows that the agent has inserted or removed.
    pub(super) changed: u64,
}

/// The rows of one map.
struct Book {
    capacity: u64,
    /// Room that the programs leave beyond the rows that the agent has: for rows that it will insert.
    kept: u64,
    /// Rows that the agent has inserted, by their keys in `LEAVING`.
    own: HashSet<u64>,
    /// Rows of programs that the agent has removed.
    returned: u64,
    /// Rows that the agent has inserted or removed.
    changed: u64,
}

impl Book {
    fn new(map: RowMap, sizes: &MapSizes) -> Book {
        let (capacity, part) = match map {
            RowMap::Counters => (sizes.counters, 8),
            RowMap::Esp => (sizes.esp, 8),
            RowMap::EspNetworks => (sizes.esp_networks, 4),
            RowMap::Exposure => (sizes.exposure, 4),
            RowMap::Peers => (sizes.peers, 2),
        };
        let capacity = u64::from(capacity);
        Book {
            capacity,
            kept: capacity / part,
            own: HashSet::new(),
            returned: 0,
            changed: 0,
        }
    }

    /// The agent has inserted this row.
    fn has_inserted(&mut self, row: u64) {
        self.own.insert(row);
        self.changed += 1;
    }

    /// The agent has removed this row, its own or one of the programs.
    fn has_removed(&mut self, row: u64) {
        self.returned += u64::from(!self.own.remove(&row));
        self.changed += 1;
    }

    fn room(&self, map: RowMap) -> RowRoom {
        let left = self.capacity.saturating_sub(self.own.len() as u64);
        let limit = match map {
            // One "other" for each network that must be encrypted has a place, whether it is in use or not.
            RowMap::Peers => left.min(self.capacity - self.kept),
            _ => left.saturating_sub(self.kept),
        };
        RowRoom {
            limit,
            described: match map {
                RowMap::Peers => limit,
                _ => limit + self.kept / 2,
            },
            returned: self.returned,
        }
    }
}

impl Rows {
    pub(super) fn new(ebpf: &Ebpf, sizes: &MapSizes) -> Result<Rows, Failure> {
        let rows = Rows {
            inserted: Table::new(map(ebpf, "INSERTED")?, "INSERTED", 1)?,
            room: Table::new(map(ebpf, "ROWS_ROOM")?, "ROWS_ROOM", 1)?,
            leaving: Table::new(map(ebpf, "LEAVING")?, "LEAVING", 1)?,
            removing: Table::new(map(ebpf, ".data.removing")?, ".data.removing", 1)?,
            grace: Grace::new()?,
            books: Mutex::new(RowMap::ALL.map(|map| Book::new(map, sizes))),
            removal: Mutex::new(()),
        };
        for map in RowMap::ALL {
            rows.publish(map)?;
        }
        Ok(rows)
    }

    fn books(&self) -> MutexGuard<'_, [Book; RowMap::ALL.len()]> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every program that runs now has ended.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn wait(&self) -> Result<(), Failure> {
        self.grace.wait()
    }

    /// How often the keys of a map changed.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn numbers(&self, map: RowMap) -> Result<RowNumbers, Failure> {
        let changed = self.books()[map as usize].changed;
        Ok(RowNumbers {
            inserted: self.inserted.get_one(map as u32)?.unwrap_or_default(),
            changed,
        })
    }

    fn publish(&self, map: RowMap) -> Result<(), Failure> {
        let room = self.books()[map as usize].room(map);
        self.room.set(map as u32, room)
    }

    /// Inserts an empty row of the agent's, unless the row exists.
    ///
    /// # Errors
    /// A runtime failure, if the map is full or cannot be changed.
    pub(super) fn ensure<K: Shared + RowKey, V: Shared + Default>(
        &self,
        map: RowMap,
        table: &Table<K, V>,
        key: K,
    ) -> Result<(), Failure> {
        if table.insert(key, V::default())? {
            self.books()[map as usize].has_inserted(key.leaving());
            self.publish(map)?;
        }
        Ok(())
    }

    /// Removes rows, and passes the last values of each that was there, one for each CPU, to `taken`. No packet is lost, whatever programs count
    /// meanwhile.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed. Rows that were removed before were passed on all the same.
    pub(super) fn take<K: Shared + RowKey, V: Shared>(
        &self,
        map: RowMap,
        table: &Table<K, V>,
        keys: &[K],
        mut taken: impl FnMut(K, Vec<V>),
    ) -> Result<(), Failure> {
        let _one_at_a_time = self.removal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut result = Ok(());
        for keys in keys.chunks(map_size::LEAVING as usize) {
            result = self.begin(keys).and_then(|()| {
                keys.iter().try_for_each(|key| match table.take(*key)? {
                    Some(values) => {
                        self.removed(map, key);
                        taken(*key, values);
                        Ok(())
                    }
                    None => Ok(()),
                })
            });
            // A program that found a row before it was deleted looks whether it is leaving after that: until it has ended
            // the answer must not change.
            let settled = self.grace.wait();
            let ended = settled.and(self.end(keys));
            result = result.and(ended);
            if result.is_err() {
                break;
            }
        }
        result.and(self.publish(map))
    }

    /// From its end on no program uses these rows.
    fn begin<K: RowKey>(&self, keys: &[K]) -> Result<(), Failure> {
        keys.iter()
            .try_for_each(|key| self.leaving.set(key.leaving(), 0))?;
        self.removing.set(0, 1)?;
        self.grace.wait()
    }

    /// Programs may use, and insert, the rows again.
    fn end<K: RowKey>(&self, keys: &[K]) -> Result<(), Failure> {
        let result = self.removing.set(0, 0);
        // Every key, even if one fails: the list must be empty for the next ones.
        keys.iter().fold(result, |result, key| {
            result.and(self.leaving.remove(key.leaving()).map(drop))
        })
    }

    /// Removes rows in which no program counts any more.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed.
    pub(super) fn remove<K: Shared + RowKey, V: Shared>(
        &self,
        map: RowMap,
        table: &Table<K, V>,
        keys: impl Iterator<Item = K>,
    ) -> Result<(), Failure> {
        for key in keys {
            if table.remove(key)? {
                self.removed(map, &key);
            }
        }
        self.publish(map)
    }

    fn removed(&self, map: RowMap, key: &impl RowKey) {
        self.books()[map as usize].has_removed(key.leaving());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_leave_room_for_the_rows_of_the_agent() {
        let sizes = MapSizes::for_cpus(2, 1 << 20);
        for map in RowMap::ALL {
            let mut book = Book::new(map, &sizes);
            let before = book.room(map);
            assert!(before.limit + book.kept <= book.capacity, "{map:?}");
            assert!(before.described <= book.capacity, "{map:?}");
            book.own.extend(0..1000);
            let after = book.room(map);
            assert!(after.limit + 1000 <= book.capacity, "{map:?}");
            assert!(after.described + 1000 <= book.capacity, "{map:?}");
        }
        // As many networks on one interface, both ways, as the documents promise.
        let book = Book::new(RowMap::Counters, &sizes);
        assert!(book.room(RowMap::Counters).limit >= 31_000);
    }
}
