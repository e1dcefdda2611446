//! The room of the kernel's map of verdicts: which flows have one there, and which of them makes room for a new one.
//!
//! A removed verdict is hard to replace: packets in the middle of a connection are harder to classify than its
//! beginning. So the room is shared out by network, and a network of many flows displaces its own verdicts.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use monitor_common::key::{Group, NetworkId};

use crate::base::failure::Failure;
use crate::base::hash::{HashMap, HashSet};
use crate::base::memory;
use crate::kernel::Counts;

/// Verdicts in use that are passed over in search of an unused one; the next one is removed anyway.
const PASSED_OVER: usize = 4;

/// Verdicts that are looked at in one go, so that samples never wait long for it.
const AT_ONCE: usize = 4_096;

/// The verdicts that are in the kernel's map.
pub(super) struct VerdictRoom {
    capacity: usize,
    flows: HashSet<u64>,
    networks: HashMap<NetworkId, Queue>,
    /// By [`Group`]: networks by the number of their verdicts.
    sizes: [BTreeSet<(usize, NetworkId)>; 2],
    /// By [`Group`]: verdicts.
    totals: [usize; 2],
    /// Verdicts of which it is to be looked whether they are used.
    listed: Vec<u64>,
}

/// Flows of a network, the one with the oldest verdict first.
struct Queue {
    group: Group,
    flows: VecDeque<u64>,
}

/// What becomes of a verdict that is asked to make room.
enum Fate {
    Gone,
    Spared,
}

impl VerdictRoom {
    pub(super) fn new(capacity: u32) -> VerdictRoom {
        VerdictRoom {
            capacity: capacity as usize,
            flows: HashSet::default(),
            networks: HashMap::default(),
            sizes: [BTreeSet::new(), BTreeSet::new()],
            totals: [0; 2],
            listed: Vec::new(),
        }
    }

    /// Makes room for a verdict on this flow of a network, unless it has it already.
    pub(super) fn make_room(
        &mut self,
        counts: &Arc<Counts>,
        flow: u64,
        network: NetworkId,
    ) -> Result<(), Failure> {
        if self.flows.contains(&flow) {
            return Ok(());
        }
        self.insert(
            flow,
            network,
            counts.flows.group(network),
            |flow, may_spare| {
                match counts.verdict_in_use(flow)? {
                    Some((class, true)) if may_spare => {
                        counts.rest_verdict(flow, class)?;
                        Ok(Fate::Spared)
                    }
                    Some(_) => {
                        counts.remove_verdict(flow)?;
                        Ok(Fate::Gone)
                    }
                    // A SYN of a new connection has removed it.
                    None => Ok(Fate::Gone),
                }
            },
        )
    }

    fn insert(
        &mut self,
        flow: u64,
        network: NetworkId,
        group: Group,
        mut displace: impl FnMut(u64, bool) -> Result<Fate, Failure>,
    ) -> Result<(), Failure> {
        while self.flows.len() >= self.capacity {
            self.displace(&mut displace)?;
        }
        let before = self.size(network);
        let queue = self.networks.entry(network).or_insert_with(|| Queue {
            group,
            flows: VecDeque::new(),
        });
        // The network may have been described in the meantime.
        let moved = queue.group;
        queue.group = group;
        queue.flows.push_back(flow);
        self.flows.insert(flow);
        self.totals[moved as usize] -= before;
        self.totals[group as usize] += before + 1;
        self.sizes[moved as usize].remove(&(before, network));
        self.sizes[group as usize].insert((before + 1, network));
        Ok(())
    }

    /// Lists the verdicts of networks that nothing describes.
    pub(super) fn begin_sweep(&mut self) {
        let unknown = self
            .networks
            .values()
            .filter(|of| of.group == Group::Unknown);
        self.listed = unknown.flat_map(|of| &of.flows).copied().collect();
    }

    /// Removes listed verdicts that are unused, and lets the others rest. Returns whether more are listed.
    pub(super) fn sweep(&mut self, counts: &Counts) -> Result<bool, Failure> {
        self.sweep_with(|flow| match counts.verdict_in_use(flow)? {
            Some((class, true)) => {
                counts.rest_verdict(flow, class)?;
                Ok(Fate::Spared)
            }
            Some((_, false)) => {
                counts.remove_verdict(flow)?;
                Ok(Fate::Gone)
            }
            None => Ok(Fate::Gone),
        })
    }

    fn sweep_with(
        &mut self,
        mut displace: impl FnMut(u64) -> Result<Fate, Failure>,
    ) -> Result<bool, Failure> {
        let from = self.listed.len().saturating_sub(AT_ONCE);
        let mut gone = HashSet::default();
        for flow in self.listed.drain(from..) {
            if let Fate::Gone = displace(flow)? {
                gone.insert(flow);
            }
        }
        self.remove(&gone);
        Ok(!self.listed.is_empty())
    }

    fn remove(&mut self, gone: &HashSet<u64>) {
        if gone.is_empty() {
            return;
        }
        self.flows.retain(|flow| !gone.contains(flow));
        memory::shrink_set(&mut self.flows);
        self.networks.retain(|network, queue| {
            let before = queue.flows.len();
            queue.flows.retain(|flow| !gone.contains(flow));
            let after = queue.flows.len();
            if before != after {
                let group = queue.group as usize;
                self.totals[group] -= before - after;
                self.sizes[group].remove(&(before, *network));
                if after != 0 {
                    self.sizes[group].insert((after, *network));
                }
                queue.flows.shrink_to(after * 2);
            }
            after != 0
        });
        memory::shrink(&mut self.networks);
    }

    fn size(&self, network: NetworkId) -> usize {
        self.networks.get(&network).map_or(0, |of| of.flows.len())
    }

    /// The network that loses a verdict: the largest one of a group that exceeds its reserved part.
    fn victim(&self) -> Option<NetworkId> {
        let largest = |group: Group| self.sizes[group as usize].last().copied();
        let is_over =
            |group: Group, part: usize| self.totals[group as usize] > self.capacity / part;
        let candidates = [
            is_over(Group::Unknown, 4).then(|| largest(Group::Unknown)),
            is_over(Group::Described, 2).then(|| largest(Group::Described)),
        ];
        let most = candidates.into_iter().flatten().flatten().max();
        let any = || Group::ALL.into_iter().filter_map(largest).max();
        most.or_else(any).map(|(_, network)| network)
    }

    fn displace(
        &mut self,
        displace: &mut impl FnMut(u64, bool) -> Result<Fate, Failure>,
    ) -> Result<(), Failure> {
        let Some(network) = self.victim() else {
            return Ok(());
        };
        let Some(queue) = self.networks.get_mut(&network) else {
            return Ok(());
        };
        let group = queue.group as usize;
        let before = queue.flows.len();
        for tried in 0..=PASSED_OVER {
            let Some(flow) = queue.flows.front().copied() else {
                break;
            };
            let fate = displace(flow, tried < PASSED_OVER)?;
            queue.flows.pop_front();
            match fate {
                Fate::Spared => queue.flows.push_back(flow),
                Fate::Gone => {
                    self.flows.remove(&flow);
                    break;
                }
            }
        }
        let after = queue.flows.len();
        self.totals[group] -= before - after;
        self.sizes[group].remove(&(before, network));
        if after == 0 {
            self.networks.remove(&network);
        } else {
            self.sizes[group].insert((after, network));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verdicts in use, and those that are gone.
    #[derive(Default)]
    struct Map {
        used: HashSet<u64>,
        gone: HashSet<u64>,
    }

    fn insert(room: &mut VerdictRoom, map: &mut Map, flow: u64, vni: u32, group: Group) {
        let displace = |flow, may_spare| {
            if may_spare && map.used.remove(&flow) {
                return Ok(Fate::Spared);
            }
            map.gone.insert(flow);
            Ok(Fate::Gone)
        };
        room.insert(flow, NetworkId::vni(vni), group, displace)
            .unwrap();
        assert!(room.flows.len() <= room.capacity);
        check(room);
    }

    /// Sets, queues, sizes and totals say the same.
    fn check(room: &VerdictRoom) {
        let queued = room.networks.values().flat_map(|of| &of.flows);
        assert_eq!(queued.copied().collect::<HashSet<u64>>(), room.flows);
        for group in Group::ALL {
            let of_group = room.networks.iter().filter(|(_, of)| of.group == group);
            let sizes: BTreeSet<_> = of_group.map(|(vni, of)| (of.flows.len(), *vni)).collect();
            assert_eq!(sizes, room.sizes[group as usize]);
            let total: usize = sizes.iter().map(|(size, _)| size).sum();
            assert_eq!(total, room.totals[group as usize]);
        }
    }

    #[test]
    fn a_network_of_many_flows_displaces_its_own_verdicts() {
        let (mut room, mut map) = (VerdictRoom::new(100), Map::default());
        for flow in 0..10 {
            insert(&mut room, &mut map, flow, 1, Group::Unknown);
        }
        for flow in 1000..2000 {
            insert(&mut room, &mut map, flow, 2, Group::Unknown);
        }
        assert!((0..10).all(|flow| !map.gone.contains(&flow)));
        assert_eq!(map.gone.len(), 910);
    }

    #[test]
    fn forged_networks_displace_no_described_one() {
        let (mut room, mut map) = (VerdictRoom::new(100), Map::default());
        for flow in 0..50 {
            insert(&mut room, &mut map, flow, 1, Group::Described);
        }
        for flow in 1000..2000 {
            insert(&mut room, &mut map, flow, flow as u32, Group::Unknown);
        }
        assert!((0..50).all(|flow| !map.gone.contains(&flow)));
        // Nor the other way round.
        for flow in 5000..6000 {
            insert(&mut room, &mut map, flow, 1, Group::Described);
        }
        assert!(room.totals[Group::Unknown as usize] >= 25);
    }

    #[test]
    fn a_verdict_in_use_is_passed_over() {
        let (mut room, mut map) = (VerdictRoom::new(10), Map::default());
        for flow in 0..100 {
            map.used.insert(0);
            insert(&mut room, &mut map, flow, 1, Group::Unknown);
        }
        assert!(!map.gone.contains(&0));
        assert_eq!(map.gone.len(), 90);
        // Where all are in use, one is removed anyway.
        map.used = (0..200).collect();
        insert(&mut room, &mut map, 100, 1, Group::Unknown);
        assert_eq!(map.gone.len(), 91);
        assert_eq!(map.used.len(), 200 - PASSED_OVER, "the others still count");
    }

    #[test]
    fn a_sweep_removes_unused_verdicts_of_unknown_networks_some_at_a_time() {
        let many = AT_ONCE as u64 + 100;
        let (mut room, mut map) = (VerdictRoom::new(100_000), Map::default());
        for flow in 0..many {
            room.insert(flow, NetworkId::vni(1), Group::Unknown, |_, _| {
                Ok(Fate::Gone)
            })
            .unwrap();
        }
        for (flow, vni, group) in [(9_001, 2, Group::Unknown), (9_002, 3, Group::Described)] {
            insert(&mut room, &mut map, flow, vni, group);
        }
        let sweep = |room: &mut VerdictRoom, used: &[u64]| {
            let is_more = room.sweep_with(|flow| match used.contains(&flow) {
                true => Ok(Fate::Spared),
                false => Ok(Fate::Gone),
            });
            check(room);
            is_more.unwrap()
        };
        room.begin_sweep();
        assert!(sweep(&mut room, &[7]));
        assert!(!sweep(&mut room, &[7]));
        assert_eq!(room.flows, [7, 9_002].into_iter().collect());
        room.begin_sweep();
        assert!(!sweep(&mut room, &[7]));
        assert_eq!(room.flows.len(), 2);
        room.begin_sweep();
        assert!(!sweep(&mut room, &[]));
        assert_eq!(room.flows, [9_002].into_iter().collect());
    }

    #[test]
    fn a_network_that_is_described_later_changes_its_group() {
        let (mut room, mut map) = (VerdictRoom::new(100), Map::default());
        for flow in 0..10 {
            insert(&mut room, &mut map, flow, 1, Group::Unknown);
        }
        insert(&mut room, &mut map, 10, 1, Group::Described);
        assert_eq!(room.totals, [0, 11]);
        assert_eq!(room.sizes[0].len(), 0);
    }
}
