//! Idle rows. Strangers can forge networks and associations, every change of keys makes new associations, and nodes come
//! and go: without removal the maps that count them would fill, and stay full.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::base::hash::HashMap;
use crate::base::memory;

/// Rows that are removed in one go, so that a scrape never waits long for it.
const AT_ONCE: usize = 8_192;

/// How long rows have been idle, by key.
#[derive(Debug)]
pub(super) struct IdleRows<K>(HashMap<K, (u64, Instant)>);

impl<K> Default for IdleRows<K> {
    fn default() -> IdleRows<K> {
        IdleRows(HashMap::default())
    }
}

impl<K: Clone + Eq + Hash> IdleRows<K> {
    /// Updates from the packets of each row, and returns rows to remove: without a packet for `silence`. A row that is used
    /// again later starts at 0.
    pub(super) fn find(
        &mut self,
        rows: impl Iterator<Item = (K, u64)>,
        silence: Duration,
        now: Instant,
    ) -> Vec<K> {
        let mut idle = Vec::new();
        let mut there = HashSet::new();
        for (key, packets) in rows {
            there.insert(key.clone());
            let seen = self.0.entry(key.clone()).or_insert((packets, now));
            if seen.0 != packets {
                *seen = (packets, now);
            } else if now.duration_since(seen.1) >= silence && idle.len() < AT_ONCE {
                idle.push(key);
            }
        }
        self.0.retain(|key, _| there.contains(key));
        memory::shrink(&mut self.0);
        idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_row_is_removed_after_its_silence() {
        let start = Instant::now();
        let later = start + HOUR;
        let mut idle_rows = IdleRows::default();
        let mut find = |rows: &[(u32, u64)], now| idle_rows.find(rows.iter().copied(), HOUR, now);
        assert_eq!(find(&[(1, 5), (2, 5)], start), [0_u32; 0]);
        assert_eq!(find(&[(1, 5), (2, 6)], later), [1]);
        assert_eq!(find(&[(2, 6)], later + HOUR / 2), [0_u32; 0]);
        assert_eq!(find(&[(2, 6)], later + HOUR), [2]);
        // One that returns is new.
        assert_eq!(find(&[(1, 5)], later + HOUR * 3), [0_u32; 0]);
    }

    #[test]
    fn a_scan_is_removed_in_parts_and_leaves_no_memory() {
        let start = Instant::now();
        let mut idle_rows = IdleRows::default();
        let rows = |from: u32| (from..30_000).map(|key| (key, 1));
        assert!(idle_rows.find(rows(0), HOUR, start).is_empty());
        assert_eq!(idle_rows.find(rows(0), HOUR, start + HOUR).len(), AT_ONCE);
        assert!(idle_rows.find(rows(29_990), HOUR, start + HOUR).len() == 10);
        assert!(idle_rows.0.capacity() < 1_000);
    }
}
