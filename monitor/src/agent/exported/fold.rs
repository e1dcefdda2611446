//! What of each row is summed in "other", so that no sum goes down when rows get series, lose them, or leave.

use std::collections::BTreeMap;
use std::hash::Hash;

use monitor_common::count::{Count, Total};

use crate::base::hash::HashMap;
use crate::base::memory;

/// Whether a row has a series of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Series {
    Always,
    /// While there is room. A row that has one keeps it.
    IfRoom,
    Never,
}

/// The last reading of a row.
#[derive(Clone, Copy, Debug, Default)]
struct Reading<C> {
    count: C,
    /// What of it was summed in "other".
    in_other: C,
    /// Whether it has one of the series of which there are few.
    is_chosen: bool,
    /// The number of the reading.
    number: u64,
}

/// The rows of one map by `K`, and the sums of "other" by `O`.
#[derive(Debug)]
pub(super) struct Fold<K, O, C = Count> {
    rows: HashMap<K, Reading<C>>,
    others: BTreeMap<O, C>,
    /// Rows that are chosen, at most and now.
    limit: usize,
    chosen: usize,
    number: u64,
}

impl<K: Clone + Eq + Hash, O: Clone + Ord, C: Total> Fold<K, O, C> {
    /// At most so many rows have a series if there is room.
    pub(super) fn new(limit: usize) -> Fold<K, O, C> {
        Fold {
            rows: HashMap::default(),
            others: BTreeMap::new(),
            limit,
            chosen: 0,
            number: 0,
        }
    }

    pub(super) fn begin(&mut self) -> Folding<'_, K, O, C> {
        self.number += 1;
        Folding { fold: self }
    }

    /// A row is gone, and starts from nothing if it returns. What it had counted in the end and was not read becomes "other".
    pub(super) fn left(&mut self, key: &K, other: O, last: C) {
        let reading = self.rows.remove(key).unwrap_or_default();
        self.chosen -= usize::from(reading.is_chosen);
        let late = last.since(reading.count);
        if !late.is_zero() {
            self.others.entry(other).or_default().add(late);
        }
    }

    /// What a row had counted is counted in the map's own row "other" from now on: what was summed here is so no more.
    pub(super) fn moved(&mut self, key: &K, other: &O, count: C) {
        let Some(reading) = self.rows.get_mut(key) else {
            return;
        };
        // The smaller of the two.
        let twice = count.since(count.since(reading.in_other));
        reading.count = reading.count.since(count);
        reading.in_other = reading.in_other.since(twice);
        if let Some(sum) = self.others.get_mut(other) {
            *sum = sum.since(twice);
        }
    }

    /// Gives rows and sums another key, where there is one; those of one key are added.
    pub(super) fn rename(
        &mut self,
        key: impl Fn(&K) -> Option<K>,
        other: impl Fn(&O) -> Option<O>,
    ) {
        let renamed = self
            .rows
            .keys()
            .filter_map(|row| Some((row.clone(), key(row)?)));
        for (from, to) in renamed.collect::<Vec<_>>() {
            let reading = self.rows.remove(&from).unwrap_or_default();
            let sum = self.rows.entry(to).or_default();
            sum.count.add(reading.count);
            sum.in_other.add(reading.in_other);
            sum.number = reading.number;
            self.chosen -= usize::from(reading.is_chosen && sum.is_chosen);
            sum.is_chosen |= reading.is_chosen;
        }
        let renamed = self
            .others
            .keys()
            .filter_map(|row| Some((row.clone(), other(row)?)));
        for (from, to) in renamed.collect::<Vec<_>>() {
            let count = self.others.remove(&from).unwrap_or_default();
            self.others.entry(to).or_default().add(count);
        }
    }
}

/// One reading of all rows.
pub(super) struct Folding<'a, K, O, C> {
    fold: &'a mut Fold<K, O, C>,
}

impl<K: Clone + Eq + Hash, O: Clone + Ord, C: Total> Folding<'_, K, O, C> {
    /// Takes a row. Returns whether it has a series, with what of its count is not in "other".
    pub(super) fn row(
        &mut self,
        key: K,
        other: impl FnOnce() -> O,
        series: Series,
        count: &mut C,
    ) -> bool {
        let Fold {
            rows,
            others,
            limit,
            chosen,
            number,
        } = &mut *self.fold;
        let reading = rows.entry(key).or_default();
        reading.number = *number;
        let was_chosen = reading.is_chosen;
        reading.is_chosen = series == Series::IfRoom && (was_chosen || *chosen < *limit);
        *chosen = *chosen - usize::from(was_chosen) + usize::from(reading.is_chosen);
        let is_own = series == Series::Always || reading.is_chosen;
        if !is_own {
            let new = count.since(reading.count);
            others.entry(other()).or_default().add(new);
            reading.in_other.add(new);
        }
        reading.count = *count;
        *count = count.since(reading.in_other);
        is_own
    }

    /// The sums of "other".
    pub(super) fn end(self) -> Vec<(O, C)> {
        let fold = self.fold;
        fold.rows.retain(|_, reading| {
            let is_there = reading.number == fold.number;
            fold.chosen -= usize::from(reading.is_chosen && !is_there);
            is_there
        });
        memory::shrink(&mut fold.rows);
        let others = fold.others.iter();
        others
            .map(|(other, count)| (other.clone(), *count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Fold<&'static str, ()>;

    /// Reads rows that have a series if there is room. Returns those that have one.
    fn read(fold: &mut Rows, rows: &[&'static str]) -> Vec<&'static str> {
        let mut reading = fold.begin();
        let mut own = rows.to_vec();
        own.retain(|row| {
            let mut count = Count {
                packets: 1,
                bytes: 100,
            };
            reading.row(*row, || (), Series::IfRoom, &mut count)
        });
        reading.end();
        own
    }

    #[test]
    fn a_row_that_leaves_makes_room_for_one() {
        let mut fold = Rows::new(1);
        assert_eq!(read(&mut fold, &["a", "b", "c"]), ["a"]);
        fold.left(&"a", (), Count::ZERO);
        assert_eq!(read(&mut fold, &["b", "c"]), ["b"]);
        // Not read any more.
        assert_eq!(
            read(&mut fold, &["c", "d"]),
            [""; 0],
            "it leaves at the end of the reading"
        );
        assert_eq!(read(&mut fold, &["c", "d"]), ["c"]);
    }

    #[test]
    fn a_row_keeps_its_series_under_another_key() {
        let mut fold = Rows::new(1);
        assert_eq!(read(&mut fold, &["a", "b"]), ["a"]);
        let renamed = |row: &&'static str| (*row == "a").then_some("z");
        fold.rename(renamed, |()| None);
        assert_eq!(read(&mut fold, &["b", "z"]), ["z"]);
        // Two of one key are one series.
        fold.rename(|row| (*row == "b").then_some("z"), |()| None);
        assert_eq!(read(&mut fold, &["z"]), ["z"]);
        fold.left(&"z", (), Count::ZERO);
        assert_eq!(read(&mut fold, &["c", "d"]), ["c"]);
    }
}
