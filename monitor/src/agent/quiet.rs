//! Rows that nobody adds to any more: every change of keys makes new security associations, nodes come and go,
//! and the maps that count them would be full after weeks.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A row that was silent for so long is put away. One that speaks again is counted anew.
const SILENT: Duration = Duration::from_secs(3600);

/// How long rows with these keys have been silent.
#[derive(Debug)]
pub(super) struct Quiet<K>(HashMap<K, (u64, Instant)>);

impl<K> Default for Quiet<K> {
    fn default() -> Quiet<K> {
        Quiet(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash> Quiet<K> {
    /// Takes the packets of each row `now` into account, and gives those to put away: none as long as less than half
    /// of the map's `capacity` is in use.
    pub(super) fn find(
        &mut self,
        rows: impl Iterator<Item = (K, u64)>,
        in_use: usize,
        capacity: u32,
        now: Instant,
    ) -> Vec<K> {
        if in_use * 2 < capacity as usize {
            self.0.clear();
            return Vec::new();
        }
        let mut silent = Vec::new();
        let mut there = HashSet::new();
        for (key, packets) in rows {
            there.insert(key);
            let seen = self.0.entry(key).or_insert((packets, now));
            if seen.0 != packets {
                *seen = (packets, now);
            } else if now.duration_since(seen.1) >= SILENT {
                silent.push(key);
            }
        }
        self.0.retain(|key, _| there.contains(key));
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_silent_for_an_hour_goes_where_room_is_scarce() {
        let start = Instant::now();
        let later = start + SILENT;
        let mut quiet = Quiet::default();
        let mut find = |rows: &[(u32, u64)], now| quiet.find(rows.iter().copied(), 3, 4, now);
        assert_eq!(find(&[(1, 5), (2, 5)], start), [0_u32; 0]);
        assert_eq!(find(&[(1, 5), (2, 6)], later), [1]);
        assert_eq!(find(&[(2, 6)], later + SILENT), [2]);
    }

    #[test]
    fn where_there_is_room_nothing_goes() {
        let start = Instant::now();
        let mut quiet = Quiet::default();
        let none = [0_u32; 0];
        let row = || [(1, 5)].into_iter();
        assert_eq!(quiet.find(row(), 2, 5, start), none);
        assert_eq!(quiet.find(row(), 2, 5, start + SILENT), none);
        assert_eq!(quiet.find(row(), 2, 4, start + SILENT), none, "from now on");
    }
}
