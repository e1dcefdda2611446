//! Reads the rows of a map into which programs insert, without a walk through it where that is possible.
//!
//! A walk looks at every bucket of the kernel's hash: tens of thousands, where most nodes have some tens of rows. Programs
//! count the rows that they insert, and the agent those that it inserts and removes. While neither number changes, the map
//! has the keys that it had, and they are looked up one by one.
//!
//! A program counts a row just after it has inserted it. If it is interrupted in between, readings have the row's packets
//! when it goes on.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use monitor_common::count::Total;
use monitor_common::row_room::RowMap;
use monitor_common::shared::Shared;

use super::rows::{RowNumbers, Rows};
use super::table::{Table, total};
use crate::base::failure::Failure;
use crate::base::hash::HashMap;

/// Another CPU may see that a row was counted before it sees the row. So the keys are those of a walk that began so long after the numbers
/// were seen.
const SETTLED: Duration = Duration::from_millis(50);
/// A look-up takes as long as the walk takes for so many rows for which the map has room.
const WALK: usize = 256;

/// What is known of the keys of one map.
pub(super) struct KnownRows<K> {
    map: RowMap,
    /// Rows are looked up one by one if there are at most so many.
    most: usize,
    state: Mutex<State<K>>,
}

/// The numbers when they were read last.
struct State<K> {
    numbers: RowNumbers,
    /// When they were these first.
    since: Instant,
    /// The keys of the map while they are these.
    keys: Option<Arc<[K]>>,
}

impl<K: Shared + Eq + Hash> KnownRows<K> {
    /// Of a map that has room for so many rows.
    pub(super) fn new(map: RowMap, capacity: u32) -> KnownRows<K> {
        KnownRows {
            map,
            most: capacity as usize / WALK,
            state: Mutex::new(State {
                numbers: RowNumbers::default(),
                since: Instant::now(),
                keys: None,
            }),
        }
    }

    /// Every row, the values of all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn totals<V: Shared + Total>(
        &self,
        rows: &Rows,
        table: &Table<K, V>,
    ) -> Result<HashMap<K, V>, Failure> {
        self.read(
            rows,
            |key| Ok(table.get(key)?.map(|each| total(each.into_iter()))),
            || table.totals(),
        )
    }

    /// Every row of a map whose values the CPUs share.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn all<V: Shared>(
        &self,
        rows: &Rows,
        table: &Table<K, V>,
    ) -> Result<HashMap<K, V>, Failure> {
        self.read(rows, |key| table.get_one(key), || table.all())
    }

    fn read<V>(
        &self,
        rows: &Rows,
        look_up: impl Fn(K) -> Result<Option<V>, Failure>,
        walk: impl FnOnce() -> Result<HashMap<K, V>, Failure>,
    ) -> Result<HashMap<K, V>, Failure> {
        let numbers = rows.numbers(self.map)?;
        let now = Instant::now();
        if let Some(keys) = self.keys(numbers, now) {
            let mut all = HashMap::default();
            all.reserve(keys.len());
            for key in keys.iter() {
                // A row that is gone was removed meanwhile.
                if let Some(value) = look_up(*key)? {
                    all.insert(*key, value);
                }
            }
            return Ok(all);
        }
        let all = walk()?;
        if all.len() <= self.most {
            self.learn(numbers, now, all.keys().copied());
        }
        Ok(all)
    }

    /// The keys, if they are known.
    fn keys(&self, numbers: RowNumbers, now: Instant) -> Option<Arc<[K]>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.numbers != numbers {
            *state = State {
                numbers,
                since: now,
                keys: None,
            };
        }
        state.keys.clone()
    }

    /// Takes the keys that a walk has found, which began at `began` with these numbers.
    fn learn(&self, numbers: RowNumbers, began: Instant, keys: impl Iterator<Item = K>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.numbers == numbers && began.saturating_duration_since(state.since) >= SETTLED {
            state.keys = Some(keys.collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(inserted: u64, changed: u64) -> RowNumbers {
        RowNumbers { inserted, changed }
    }

    #[test]
    fn keys_are_those_of_a_walk_while_nothing_is_inserted_or_removed() {
        let known = KnownRows::<u32>::new(RowMap::Peers, 1024);
        let start = Instant::now() + Duration::from_secs(1);
        let at = |ms| start + Duration::from_millis(ms);
        let learn = |numbers, ms| known.learn(numbers, at(ms), [1, 2].into_iter());
        assert_eq!(known.keys(numbers(2, 0), at(0)), None);
        learn(numbers(2, 0), 0);
        assert_eq!(known.keys(numbers(2, 0), at(49)), None, "too early");
        learn(numbers(2, 0), 49);
        assert_eq!(known.keys(numbers(2, 0), at(50)), None, "still too early");
        learn(numbers(2, 0), 50);
        assert_eq!(
            known.keys(numbers(2, 0), at(60)).as_deref(),
            Some(&[1, 2][..])
        );
        // A walk that began before a program inserted a row says nothing.
        assert_eq!(known.keys(numbers(3, 0), at(70)), None);
        learn(numbers(2, 0), 200);
        assert_eq!(known.keys(numbers(3, 0), at(200)), None);
        learn(numbers(3, 0), 200);
        assert!(known.keys(numbers(3, 0), at(210)).is_some());
        assert_eq!(
            known.keys(numbers(3, 1), at(220)),
            None,
            "the agent changed rows"
        );
    }
}
