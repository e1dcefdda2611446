//! Networks that must be encrypted, and their cleartext by the other node.

use std::collections::HashMap;

use aya::maps::Map;
use monitor_common::direction::Direction;
use monitor_common::key::{PeerCount, PeerKey, required_bit};

use super::table::Table;
use crate::base::failure::Failure;

/// Which networks must be encrypted, and their cleartext.
pub struct Peers {
    required: Table<u32, u64>,
    peers: Table<PeerKey, PeerCount>,
}

impl Peers {
    pub(super) fn new(required: &Map, peers: &Map) -> Result<Peers, Failure> {
        Ok(Peers {
            required: Table::new(required, "REQUIRED", 1)?,
            peers: Table::new(peers, "PEERS", 1)?,
        })
    }

    /// Sets whether a network must be encrypted: while it must, its cleartext is counted here. One caller at a time,
    /// because the bits of 64 networks are read and written together.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed, or the programs were loaded without policy.
    pub fn require(&self, vni: u32, required: bool) -> Result<(), Failure> {
        if required {
            for direction in Direction::ALL {
                let other = PeerKey::other(direction, vni);
                self.peers.ensure(other, PeerCount::default())?;
            }
        }
        let (word, bit) = required_bit(vni);
        let before = self.required.get_one(word)?.unwrap_or_default();
        let after = if required {
            before | bit
        } else {
            before & !bit
        };
        self.required.set(word, after)
    }

    /// Cleartext packets and bytes per direction, VNI and other node.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn read(&self) -> Result<HashMap<PeerKey, PeerCount>, Failure> {
        let mut all = HashMap::new();
        self.peers.each(|key, values| {
            if let Some(value) = values.next() {
                all.insert(key, value);
            }
        })?;
        Ok(all)
    }

    /// Removes a row, and returns its last count. `None` if there was no such row.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn take(&self, key: &PeerKey) -> Result<Option<PeerCount>, Failure> {
        self.peers.take_one(*key)
    }
}
