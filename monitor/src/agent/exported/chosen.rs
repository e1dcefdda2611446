//! A stable choice among keys: one that was chosen stays while it is there.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, Hash};

/// The keys that are chosen, up to a limit.
#[derive(Debug)]
pub(super) struct Chosen<K> {
    limit: usize,
    keys: BTreeSet<K>,
}

impl<K: Copy + Hash + Ord> Chosen<K> {
    pub(super) fn new(limit: usize) -> Chosen<K> {
        Chosen {
            limit,
            keys: BTreeSet::new(),
        }
    }

    /// Keys that are gone make room, and others take it.
    pub(super) fn update<S: BuildHasher>(&mut self, there: &HashSet<K, S>) {
        self.keys.retain(|key| there.contains(key));
        let room = self.limit - self.keys.len();
        if room == 0 {
            return;
        }
        let mut new: Vec<K> = there.iter().copied().collect();
        new.retain(|key| !self.keys.contains(key));
        new.sort_unstable();
        self.keys.extend(new.into_iter().take(room));
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.keys.contains(key)
    }
}
