//! Assigns later fragments of a packet to the flow of its first one.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::flow_table::{End, Key};
use super::packet_walk::Fragment;

/// Most packets whose later fragments are expected.
const LIMIT: usize = 8192;

/// Network, protocol, addresses and identification.
type Id = (u32, u8, [u64; 4], u32);

/// The flow of a packet's first fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    pub(super) key: Key,
    pub(super) from: End,
    /// See [`Fragment::is_packet`].
    pub(super) is_packet: bool,
}

/// The most recent packets whose first fragment was captured.
#[derive(Default)]
pub(super) struct Fragments {
    known: HashMap<Id, First, RandomState>,
    order: VecDeque<Id>,
}

/// The identity of the fragment's packet.
fn id(fragment: &Fragment) -> Id {
    let [a, b] = fragment.addresses.source;
    let [c, d] = fragment.addresses.destination;
    (
        fragment.network.0,
        fragment.protocol,
        [a, b, c, d],
        fragment.id,
    )
}

impl Fragments {
    /// Stores a first fragment.
    pub(super) fn insert(&mut self, fragment: &Fragment, key: Key, from: End) {
        let first = First {
            key,
            from,
            is_packet: fragment.is_packet,
        };
        let id = id(fragment);
        if self.known.insert(id, first).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// The first fragment of the packet of a later one.
    pub(super) fn first(&self, fragment: &Fragment) -> Option<First> {
        self.known.get(&id(fragment)).copied()
    }
}
