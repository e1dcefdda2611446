//! Which flow the later fragments of a packet belong to, as its first one told.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::packet::Fragment;
use super::table::{End, Key};

/// Packets whose fragments are awaited.
const LIMIT: usize = 8192;

/// Network, protocol, addresses and identification.
type Id = (u32, u8, [u64; 4], u32);

/// What the first fragment of a packet was.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    pub(super) key: Key,
    pub(super) from: End,
    /// See [`Fragment::is_packet`].
    pub(super) is_packet: bool,
}

/// The packets whose first fragment came, the newest of them.
#[derive(Default)]
pub(super) struct Fragments {
    known: HashMap<Id, First, RandomState>,
    order: VecDeque<Id>,
}

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
    /// Notes a first fragment.
    pub(super) fn note(&mut self, fragment: &Fragment, key: Key, from: End) {
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

    /// What the first fragment of this one was.
    pub(super) fn first(&self, fragment: &Fragment) -> Option<First> {
        self.known.get(&id(fragment)).copied()
    }
}
