//! Cleartext of networks that must be encrypted, by the other node.

use std::collections::HashMap;

use aya::maps::Map;
use monitor_common::key::{PeerCount, PeerKey, required_bit};
use monitor_common::label::Direction;

use super::table::Table;
use crate::base::failure::Failure;

/// Which networks must be encrypted, and what came of them in cleartext.
pub struct Peers {
    required: Table<4, 8>,
    peers: Table<{ PeerKey::SIZE }, { PeerCount::SIZE }>,
}

impl Peers {
    pub(super) fn new(required: &Map, peers: &Map) -> Result<Peers, Failure> {
        Ok(Peers {
            required: Table::new(required, "REQUIRED", 1)?,
            peers: Table::new(peers, "PEERS", 1)?,
        })
    }

    /// Says whether a network must be encrypted: from now on its cleartext is counted here, or not any more. One
    /// caller at a time.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed, or the programs were loaded without policy.
    pub fn require(&self, vni: u32, required: bool) -> Result<(), Failure> {
        if required {
            for direction in Direction::ALL {
                let other = PeerKey::other(direction, vni);
                self.peers
                    .ensure(&other.to_bytes(), &[0; PeerCount::SIZE])?;
            }
        }
        let (word, bit) = required_bit(vni);
        let key = word.to_ne_bytes();
        let values = self.required.get(&key)?.unwrap_or_default();
        let before = values.first().copied().map_or(0, u64::from_ne_bytes);
        let after = if required {
            before | bit
        } else {
            before & !bit
        };
        self.required.set(&key, &after.to_ne_bytes())
    }

    /// Cleartext packets and bytes per direction, VNI and other node.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn read(&self) -> Result<HashMap<PeerKey, PeerCount>, Failure> {
        let mut all = HashMap::new();
        self.peers.each(|key, values| {
            if let Some(value) = values.next() {
                all.insert(PeerKey::from_bytes(key), PeerCount::from_bytes(value));
            }
        })?;
        Ok(all)
    }

    /// Removes a row; what it had counted at the end. `None` if it was not there.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn take(&self, key: &PeerKey) -> Result<Option<PeerCount>, Failure> {
        let values = self.peers.take(&key.to_bytes())?;
        Ok(values
            .and_then(|values| values.first().copied())
            .map(|value| PeerCount::from_bytes(&value)))
    }
}
