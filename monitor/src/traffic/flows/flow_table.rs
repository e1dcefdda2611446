//! A table of flows by key, with a limit, ordered by their last packet.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use monitor_common::address::{Addresses, Version};
use monitor_common::key::NetworkId;

use super::paths::PathId;

/// The identity of a flow: network, protocol, and both ends, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) network: u32,
    /// The layers below the outermost.
    pub(super) path: PathId,
    pub(super) protocol: u8,
    pub(super) is_v6: bool,
    /// Address and port of each end.
    pub(super) low: ([u64; 2], u16),
    pub(super) high: ([u64; 2], u16),
}

/// One end of a flow: the one that sorts lower, or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Low = 0,
    High = 1,
}

impl End {
    pub(super) fn other(self) -> End {
        match self {
            End::Low => End::High,
            End::High => End::Low,
        }
    }
}

impl Key {
    /// The key of a packet, and the end that sent it.
    #[inline]
    pub(super) fn new(
        (network, path): (NetworkId, PathId),
        protocol: u8,
        addresses: &Addresses,
        ports: (u16, u16),
    ) -> (Key, End) {
        let source = (addresses.source, ports.0);
        let destination = (addresses.destination, ports.1);
        let (low, high, end) = if source <= destination {
            (source, destination, End::Low)
        } else {
            (destination, source, End::High)
        };
        let key = Key {
            network: network.0,
            path,
            protocol,
            is_v6: addresses.version == Version::V6,
            low,
            high,
        };
        (key, end)
    }
}

/// Index of a flow's slot.
type SlotIndex = u32;
const NOWHERE: SlotIndex = SlotIndex::MAX;

/// The two queues of a table: open flows, and closed TCP connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Open = 0,
    Closed = 1,
}

struct Slot<T> {
    key: Key,
    value: T,
    queue: Queue,
    newer: SlotIndex,
    older: SlotIndex,
}

/// Flows by key, in two queues ordered by last packet.
pub(super) struct Table<T> {
    places: HashMap<Key, SlotIndex, RandomState>,
    slots: Vec<Option<Slot<T>>>,
    free: Vec<SlotIndex>,
    newest: [SlotIndex; 2],
    oldest: [SlotIndex; 2],
    limit: usize,
}

impl<T> Table<T> {
    pub(super) fn new(limit: usize) -> Table<T> {
        Table {
            places: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            newest: [NOWHERE; 2],
            oldest: [NOWHERE; 2],
            limit,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.len() >= self.limit
    }

    /// The flow of a key, which becomes the newest of its queue.
    #[inline]
    pub(super) fn touch(&mut self, key: &Key) -> Option<&mut T> {
        let place = *self.places.get(key)?;
        let slot = self.slots.get(place as usize)?.as_ref()?;
        let queue = slot.queue;
        if self.newest[queue as usize] != place {
            self.unlink(place);
            self.link(place, queue);
        }
        let slot = self.slots.get_mut(place as usize)?.as_mut()?;
        Some(&mut slot.value)
    }

    /// The flow of a key, without changing the order.
    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut T> {
        let place = *self.places.get(key)?;
        let slot = self.slots.get_mut(place as usize)?.as_mut()?;
        Some(&mut slot.value)
    }

    /// Inserts a flow as the newest open one. The key must not be in the table, and the table must not be full.
    pub(super) fn insert(&mut self, key: Key, value: T) {
        let slot = Some(Slot {
            key,
            value,
            queue: Queue::Open,
            newer: NOWHERE,
            older: NOWHERE,
        });
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = slot;
                place
            }
            None => {
                self.slots.push(slot);
                // The limit is far below 2^32.
                (self.slots.len() - 1) as SlotIndex
            }
        };
        self.places.insert(key, place);
        self.link(place, Queue::Open);
    }

    /// Moves a flow to another queue, as its newest.
    pub(super) fn set_queue(&mut self, key: &Key, queue: Queue) {
        let Some(place) = self.places.get(key).copied() else {
            return;
        };
        self.unlink(place);
        self.link(place, queue);
    }

    /// Removes a flow.
    pub(super) fn remove(&mut self, key: &Key) -> Option<(Key, T)> {
        let place = self.places.remove(key)?;
        self.unlink(place);
        let slot = self.slots.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some((slot.key, slot.value))
    }

    /// The flow of a queue whose last packet is longest ago.
    #[inline]
    pub(super) fn oldest(&self, queue: Queue) -> Option<(&Key, &T)> {
        let slot = self.slot(self.oldest[queue as usize])?;
        Some((&slot.key, &slot.value))
    }

    /// Removes all flows, in the order of `order`, without a second copy in memory.
    pub(super) fn drain_by<K: Ord, F: Fn(&T) -> K>(
        &mut self,
        order: F,
    ) -> impl Iterator<Item = (Key, T)> + use<T, K, F> {
        self.places = HashMap::default();
        self.free = Vec::new();
        (self.newest, self.oldest) = ([NOWHERE; 2], [NOWHERE; 2]);
        let mut slots = std::mem::take(&mut self.slots);
        let mut places: Vec<usize> = (0..slots.len()).collect();
        places.sort_unstable_by_key(|place| slots[*place].as_ref().map(|slot| order(&slot.value)));
        places.into_iter().filter_map(move |place| {
            let slot = slots[place].take()?;
            Some((slot.key, slot.value))
        })
    }

    #[inline]
    fn slot(&self, place: SlotIndex) -> Option<&Slot<T>> {
        self.slots.get(place as usize)?.as_ref()
    }

    #[inline]
    fn slot_mut(&mut self, place: SlotIndex) -> Option<&mut Slot<T>> {
        self.slots.get_mut(place as usize)?.as_mut()
    }

    /// Removes a slot from its queue.
    #[inline]
    fn unlink(&mut self, place: SlotIndex) {
        let Some(slot) = self.slot(place) else {
            return;
        };
        let (queue, newer, older) = (slot.queue as usize, slot.newer, slot.older);
        match self.slot_mut(newer) {
            Some(newer) => newer.older = older,
            None => self.newest[queue] = older,
        }
        match self.slot_mut(older) {
            Some(older) => older.newer = newer,
            None => self.oldest[queue] = newer,
        }
    }

    /// Adds a slot to a queue as its newest.
    #[inline]
    fn link(&mut self, place: SlotIndex, queue: Queue) {
        let before = self.newest[queue as usize];
        self.newest[queue as usize] = place;
        match self.slot_mut(before) {
            Some(before) => before.newer = place,
            None => self.oldest[queue as usize] = place,
        }
        if let Some(slot) = self.slot_mut(place) {
            slot.queue = queue;
            slot.newer = NOWHERE;
            slot.older = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> Key {
        let addresses = Addresses::v4(1, 2);
        Key::new(
            (NetworkId::HOST, PathId::default()),
            6,
            &addresses,
            (port, 80),
        )
        .0
    }

    #[test]
    fn both_directions_have_one_key() {
        let of = |vni| (NetworkId::vni(vni), PathId::default());
        let (there, from) = Key::new(of(7), 6, &Addresses::v4(9, 2), (1000, 80));
        let (back, to) = Key::new(of(7), 6, &Addresses::v4(2, 9), (80, 1000));
        assert_eq!(there, back);
        assert_eq!((from, to), (End::High, End::Low));
        let other = Key::new(of(8), 6, &Addresses::v4(9, 2), (1000, 80)).0;
        assert_ne!(there, other);
    }

    #[test]
    fn the_oldest_of_each_queue_is_known_after_every_operation() {
        let mut table = Table::new(4);
        for port in 0..4 {
            table.insert(key(port), port);
        }
        assert!(table.is_full());
        assert_eq!(table.touch(&key(0)), Some(&mut 0));
        assert_eq!(table.oldest(Queue::Open), Some((&key(1), &1)));
        table.set_queue(&key(1), Queue::Closed);
        assert_eq!(table.oldest(Queue::Open), Some((&key(2), &2)));
        assert_eq!(table.oldest(Queue::Closed), Some((&key(1), &1)));
        assert_eq!(table.remove(&key(2)), Some((key(2), 2)));
        assert_eq!(table.remove(&key(1)), Some((key(1), 1)));
        assert_eq!(table.oldest(Queue::Closed), None);
        assert_eq!(table.oldest(Queue::Open), Some((&key(3), &3)));
        table.insert(key(9), 9);
        assert_eq!(table.touch(&key(3)), Some(&mut 3));
        assert_eq!(table.oldest(Queue::Open), Some((&key(0), &0)));
        let all: Vec<u16> = table
            .drain_by(|value| !*value)
            .map(|(_, value)| value)
            .collect();
        assert_eq!(all, [9, 3, 0]);
        assert_eq!(table.oldest(Queue::Open), None);
        assert_eq!(table.touch(&key(0)), None);
    }
}
