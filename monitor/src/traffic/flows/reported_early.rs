//! Flows that were reported before their end, so that the rest of one is not called complete.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::flow_table::Key;

/// Most flows that are remembered.
const LIMIT: usize = 262_144;

/// Flows that were reported early, by the hash of their key.
#[derive(Default)]
pub(super) struct ReportedEarly {
    hasher: RandomState,
    known: HashSet<u64, RandomState>,
    /// Whether some are not remembered any more: any flow without a beginning may then be the rest of one.
    is_incomplete: bool,
}

impl ReportedEarly {
    /// Stores a flow that was reported early.
    pub(super) fn insert(&mut self, key: &Key) {
        if self.known.len() >= LIMIT {
            self.known.clear();
            self.is_incomplete = true;
        }
        self.known.insert(self.hasher.hash_one(key));
    }

    /// Whether a flow that now begins may be the rest of one that was reported early.
    pub(super) fn take(&mut self, key: &Key) -> bool {
        if self.known.is_empty() && !self.is_incomplete {
            return false;
        }
        self.known.remove(&self.hasher.hash_one(key)) || self.is_incomplete
    }
}
