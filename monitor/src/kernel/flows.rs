//! Flows without a verdict, and how the room for them is shared out.
//!
//! The programs put flows into `FLOWS` and count them, by network (`SHARES`) and by group of networks (`MADE`). Here they
//! are taken out, and counted too (`RETURNED`, `ROOM`). What a network has in the map is the difference. Each number
//! has one writer and only grows, so the difference is exact, and neither side can overwrite what the other adds.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aya::Ebpf;
use monitor_common::key::{FlowState, Group, NetworkId, Returned, Room, Share, flow_share};

use super::table::{Table, map};
use crate::base::failure::Failure;
use crate::base::hash::HashMap;

/// A network that made no flow for so long gives its row to others, where rows run out.
const QUIET: Duration = Duration::from_secs(3600);

/// Of the room for flows, this part is kept for described networks, where there are any.
const FOR_DESCRIBED: u64 = 2;
/// And this part is kept for all others.
const FOR_UNKNOWN: u64 = 4;

/// The flows, and who may have how many.
pub struct Flows {
    flows: Table<u64, FlowState>,
    shares: Table<u32, Share>,
    returned: Table<u32, Returned>,
    room: Table<u32, Room>,
    /// Flows that `FLOWS` has room for.
    capacity: u64,
    /// Networks that `SHARES` has room for.
    networks: u64,
    books: Mutex<Books>,
}

/// What was taken out of the map.
#[derive(Default)]
struct Books {
    described: BTreeSet<NetworkId>,
    /// By network.
    returned: HashMap<NetworkId, u64>,
    /// By [`Group`].
    groups: [u64; 2],
    /// Networks of which the programs have an older number.
    stale: HashSet<NetworkId>,
    /// Networks that have a row in `RETURNED`.
    published: HashSet<NetworkId>,
    /// Flows that each network had made, and when that was seen first; kept where rows run out.
    quiet: HashMap<NetworkId, (u64, Instant)>,
}

impl Books {
    /// How much of the map a group may take.
    fn limit(&self, group: Group, capacity: u64) -> u64 {
        match group {
            Group::Unknown if self.described.is_empty() => capacity,
            Group::Unknown => capacity - capacity / FOR_DESCRIBED,
            Group::Described => capacity - capacity / FOR_UNKNOWN,
        }
    }

    fn group(&self, network: NetworkId) -> Group {
        if self.described.contains(&network) {
            Group::Described
        } else {
            Group::Unknown
        }
    }
}

impl Flows {
    pub(super) fn new(ebpf: &Ebpf, capacity: u32, networks: u32) -> Result<Flows, Failure> {
        let flows = Flows {
            flows: Table::new(map(ebpf, "FLOWS")?, "FLOWS", 1)?,
            shares: Table::new(map(ebpf, "SHARES")?, "SHARES", 1)?,
            returned: Table::new(map(ebpf, "RETURNED")?, "RETURNED", 1)?,
            room: Table::new(map(ebpf, "ROOM")?, "ROOM", 1)?,
            capacity: u64::from(capacity),
            networks: u64::from(networks),
            books: Mutex::default(),
        };
        flows.publish_room(&flows.books())?;
        Ok(flows)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps room for the flows of these networks, whatever the others do. Called again when the list changes.
    ///
    /// # Errors
    /// A runtime failure, if a map is full or cannot be changed.
    pub fn describe(&self, networks: impl IntoIterator<Item = NetworkId>) -> Result<(), Failure> {
        let mut books = self.books();
        let described: BTreeSet<NetworkId> = networks.into_iter().collect();
        let changed: Vec<NetworkId> = described
            .symmetric_difference(&books.described)
            .copied()
            .collect();
        books.described = described;
        for network in changed {
            if books.described.contains(&network) {
                // A network without traffic gets its row too, so that a later flood does not take its place.
                // If it is full already, `forget_quiet` tries again.
                drop(self.shares.ensure(network.0, Share::default()));
            }
            books.stale.insert(network);
        }
        self.publish_stale(&mut books)?;
        self.publish_room(&books)
    }

    /// Whether a network is described.
    #[must_use]
    pub fn group(&self, network: NetworkId) -> Group {
        self.books().group(network)
    }

    /// All flows that have no verdict, or had none.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn all(&self) -> Result<Vec<(u64, FlowState)>, Failure> {
        let mut all = Vec::new();
        self.flows.each(|flow, values| {
            all.extend(values.next().map(|state| (flow, state)));
        })?;
        Ok(all)
    }

    /// Takes a flow out; what it had counted at the end. `None` if it was not there. Its room is free for others from
    /// the next [`Flows::publish`] on.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn take(&self, flow: u64) -> Result<Option<FlowState>, Failure> {
        // Only one at a time, so that a flow that is taken is counted once.
        let mut books = self.books();
        let Some(state) = self.flows.take_one(flow)? else {
            return Ok(None);
        };
        *books.returned.entry(state.network()).or_default() += 1;
        books.groups[state.group() as usize] += 1;
        books.stale.insert(state.network());
        Ok(Some(state))
    }

    /// Publishes what was taken out to the programs.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed. The next call publishes it again.
    pub fn publish(&self) -> Result<(), Failure> {
        let mut books = self.books();
        if books.stale.is_empty() {
            return Ok(());
        }
        self.publish_room(&books)?;
        self.publish_stale(&mut books)
    }

    fn publish_stale(&self, books: &mut Books) -> Result<(), Failure> {
        let stale = std::mem::take(&mut books.stale);
        let mut result = Ok(());
        for network in stale {
            let value = Returned {
                flows: books.returned.get(&network).copied().unwrap_or_default(),
                group: books.group(network) as u32,
                padding: 0,
            };
            match self.returned.set(network.0, value) {
                Ok(()) => drop(books.published.insert(network)),
                Err(failure) => {
                    books.stale.insert(network);
                    result = Err(failure);
                }
            }
        }
        result
    }

    fn publish_room(&self, books: &Books) -> Result<(), Failure> {
        Group::ALL.into_iter().try_for_each(|group| {
            let room = Room {
                limit: books.limit(group, self.capacity),
                returned: books.groups[group as usize],
            };
            self.room.set(group as u32, room)
        })
    }

    /// Networks among these flows that have nearly as many as they may have now.
    #[must_use]
    pub fn crowded(&self, flows: &[(u64, FlowState)]) -> HashSet<NetworkId> {
        let mut live = [0; 2];
        let mut held: HashMap<(NetworkId, Group), u64> = HashMap::default();
        for (_, state) in flows {
            live[state.group() as usize] += 1;
            *held.entry((state.network(), state.group())).or_default() += 1;
        }
        let books = self.books();
        held.into_iter()
            .filter(|((_, group), held)| {
                let limit = books.limit(*group, self.capacity);
                held + held / 8 >= flow_share(self.capacity, live, *group, limit)
            })
            .map(|((network, _), _)| network)
            .collect()
    }

    /// Where rows for networks run out, removes those of networks that have no flow: of those that made none for a long
    /// time, and where nearly no row is left of those that made none for longest. Called now and then.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read or changed.
    pub fn forget_quiet(&self, now: Instant) -> Result<(), Failure> {
        let mut rows: Vec<(NetworkId, u64)> = Vec::new();
        self.shares.each(|network, values| {
            rows.extend(values.next().map(|share| (NetworkId(network), share.made)));
        })?;
        let mut books = self.books();
        let Books {
            described,
            returned,
            stale,
            published,
            quiet,
            ..
        } = &mut *books;
        // A program may have counted a flow in a row that was being removed. It is back here, and not there.
        for (network, made) in &rows {
            if let Some(flows) = returned.get_mut(network)
                && *flows > *made
            {
                *flows = *made;
                stale.insert(*network);
            }
        }
        // Networks without a row in SHARES have made nothing there, so nothing of it is back. They were described once, or a
        // program inserted a flow of theirs while their row was being removed.
        let has_row: HashSet<NetworkId> = rows.iter().map(|(network, _)| *network).collect();
        let orphans: Vec<NetworkId> = published
            .iter()
            .filter(|network| !has_row.contains(network) && !described.contains(network))
            .copied()
            .collect();
        for network in orphans {
            self.returned.remove(network.0)?;
            published.remove(&network);
            returned.remove(&network);
            stale.remove(&network);
        }
        // Those that found no row when they were described. While the map is full they are tried again.
        for network in described
            .iter()
            .filter(|network| !has_row.contains(network))
        {
            if self.shares.ensure(network.0, Share::default()).is_err() {
                break;
            }
        }
        let count = rows.len() as u64;
        if count < self.networks - self.networks / 4 {
            quiet.clear();
            return Ok(());
        }
        let mut seen = HashMap::default();
        seen.reserve(rows.len());
        let mut empty = Vec::new();
        for (network, made) in rows {
            let since = match quiet.get(&network) {
                Some((before, since)) if *before == made => *since,
                _ => now,
            };
            seen.insert(network, (made, since));
            let is_empty = returned.get(&network).copied().unwrap_or_default() == made;
            if is_empty && since != now && !described.contains(&network) {
                empty.push((since, network));
            }
        }
        // Some are kept free for networks that come.
        let too_many = count.saturating_sub(self.networks - self.networks / 8);
        empty.sort_unstable();
        for (at, (since, network)) in empty.into_iter().enumerate() {
            if at as u64 >= too_many && now.duration_since(since) < QUIET {
                break;
            }
            self.shares.remove(network.0)?;
            self.returned.remove(network.0)?;
            published.remove(&network);
            returned.remove(&network);
            stale.remove(&network);
            seen.remove(&network);
        }
        *quiet = seen;
        Ok(())
    }
}
