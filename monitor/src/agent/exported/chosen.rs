//! A stable choice among keys: one that was chosen stays while it is there.

use std::collections::BTreeSet;

/// The keys that are chosen, up to a limit.
#[derive(Debug)]
pub(super) struct Chosen<K> {
    limit: usize,
    keys: BTreeSet<K>,
}

impl<K: Ord> Chosen<K> {
    pub(super) fn new(limit: usize) -> Chosen<K> {
        Chosen {
            limit,
            keys: BTreeSet::new(),
        }
    }

    /// Keys that are gone make room, and others take it.
    pub(super) fn update(&mut self, there: BTreeSet<K>) {
        self.keys.retain(|key| there.contains(key));
        for key in there {
            if self.keys.len() >= self.limit {
                return;
            }
            self.keys.insert(key);
        }
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.keys.contains(key)
    }
}
