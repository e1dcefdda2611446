//! Idle rows. Every change of keys makes new security associations, and nodes come and go: without removal the maps
//! that count them would fill within weeks.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A row without a packet for this time is removed. It starts from zero when it is used again.
const IDLE: Duration = Duration::from_secs(3600);

/// How long rows have been idle, by key.
#[derive(Debug)]
pub(super) struct IdleRows<K>(HashMap<K, (u64, Instant)>);

impl<K> Default for IdleRows<K> {
    fn default() -> IdleRows<K> {
        IdleRows(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash> IdleRows<K> {
    /// Updates from the packets of each row, and returns the rows to remove: none while less than half of the map's
    /// `capacity` is in use.
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
        let mut idle = Vec::new();
        let mut there = HashSet::new();
        for (key, packets) in rows {
            there.insert(key);
            let seen = self.0.entry(key).or_insert((packets, now));
            if seen.0 != packets {
                *seen = (packets, now);
            } else if now.duration_since(seen.1) >= IDLE {
                idle.push(key);
            }
        }
        self.0.retain(|key, _| there.contains(key));
        idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_removed_after_an_idle_hour_if_the_map_is_half_full() {
        let start = Instant::now();
        let later = start + IDLE;
        let mut idle_rows = IdleRows::default();
        let mut find = |rows: &[(u32, u64)], now| idle_rows.find(rows.iter().copied(), 3, 4, now);
        assert_eq!(find(&[(1, 5), (2, 5)], start), [0_u32; 0]);
        assert_eq!(find(&[(1, 5), (2, 6)], later), [1]);
        assert_eq!(find(&[(2, 6)], later + IDLE), [2]);
    }

    #[test]
    fn no_row_is_removed_while_the_map_has_room() {
        let start = Instant::now();
        let mut idle_rows = IdleRows::default();
        let none = [0_u32; 0];
        let row = || [(1, 5)].into_iter();
        assert_eq!(idle_rows.find(row(), 2, 5, start), none);
        assert_eq!(idle_rows.find(row(), 2, 5, start + IDLE), none);
        assert_eq!(
            idle_rows.find(row(), 2, 4, start + IDLE),
            none,
            "from now on"
        );
    }
}
