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

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_common::address::Addresses;
    use monitor_common::key::NetworkId;

    fn key(port: u16) -> Key {
        let addresses = Addresses::v4(1, 2);
        let network = (NetworkId::HOST, Default::default());
        Key::new(network, 6, &addresses, (port, 80)).0
    }

    #[test]
    fn the_rest_of_a_flow_is_known_once_and_any_flow_may_be_one_after_too_many() {
        let mut early = ReportedEarly::default();
        assert!(!early.take(&key(1)));
        early.insert(&key(1));
        assert!(!early.take(&key(2)));
        assert!(early.take(&key(1)));
        assert!(!early.take(&key(1)));
        for n in 0..=LIMIT {
            early.known.insert(n as u64);
        }
        early.insert(&key(3));
        assert!(early.take(&key(3)) && early.take(&key(4)));
    }
}
