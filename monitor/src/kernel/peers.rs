//! Networks that must be encrypted, and their cleartext by the other node.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use aya::maps::Map;
use monitor_common::direction::Direction;
use monitor_common::key::{PeerCount, PeerKey, required_bit};
use monitor_common::row_room::RowMap;

use super::known_rows::KnownRows;
use super::rows::Rows;
use super::size::MapSizes;
use super::table::Table;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;

/// Which networks must be encrypted, and their cleartext.
pub struct Peers {
    required: Table<u32, u64>,
    peers: Table<PeerKey, PeerCount>,
    known: KnownRows<PeerKey>,
    rows: Arc<Rows>,
}

impl Peers {
    pub(super) fn new(
        required: &Map,
        peers: &Map,
        sizes: &MapSizes,
        rows: Arc<Rows>,
    ) -> Result<Peers, Failure> {
        Ok(Peers {
            required: Table::new(required, "REQUIRED", 1)?,
            peers: Table::new(peers, "PEERS", 1)?,
            known: KnownRows::new(RowMap::Peers, sizes.peers),
            rows,
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
                self.rows.ensure(RowMap::Peers, &self.peers, other)?;
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
        self.known.all(&self.rows, &self.peers)
    }

    /// The map's descriptor, with its name.
    pub(super) fn descriptor(&self) -> (&'static str, BorrowedFd<'_>) {
        self.peers.descriptor()
    }

    /// Removes rows without losing a packet, and passes the last count of each to `taken`. It blocks until the programs
    /// that run now have ended.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed. What was removed before was passed on all the same.
    pub fn take(
        &self,
        keys: &[PeerKey],
        mut taken: impl FnMut(PeerKey, PeerCount),
    ) -> Result<(), Failure> {
        self.rows
            .take(RowMap::Peers, &self.peers, keys, |key, values| {
                values
                    .into_iter()
                    .take(1)
                    .for_each(|count| taken(key, count));
            })
    }
}
