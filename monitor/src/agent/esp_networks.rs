//! ESP by network: idle nodes make room in the map, and no count decreases.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use monitor_common::count::{EspCarried, Total};
use monitor_common::direction::Direction;
use monitor_common::key::EspNetworkKey;

use super::idle_rows::IdleRows;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::kernel::Attribution;
use crate::kernel::Kernel;
use crate::traffic::address::ip_of_key;
use crate::traffic::counted::{EspNetwork, EspOther};

/// Networks whose removed rows are kept apart; those of further networks are summed as "other".
const NETWORKS: usize = 32_768;

/// Counts of ESP by network, of the map and of rows removed from it.
#[derive(Debug, Default)]
pub struct EspBook {
    attribution: Attribution,
    idle: IdleRows<EspNetworkKey>,
    idle_networks: IdleRows<EspNetworkKey>,
    /// Counts of removed rows, under the key of their network or "other".
    settled: BTreeMap<EspNetworkKey, EspCarried>,
}

impl EspBook {
    /// An empty book for a kernel with this attribution.
    pub(super) fn new(attribution: Attribution) -> EspBook {
        EspBook {
            attribution,
            ..EspBook::default()
        }
    }

    /// Whether ESP packets are attributed to networks.
    #[must_use]
    pub fn attribution(&self) -> &Attribution {
        &self.attribution
    }

    /// The rows of the map with the removed ones: by network and node, and all others by direction. A node without a row,
    /// or whose row was removed, is `::`.
    #[must_use]
    pub fn rows(
        &self,
        now: &HashMap<EspNetworkKey, EspCarried>,
    ) -> (Vec<EspNetwork>, Vec<EspOther>) {
        let mut all = self.settled.clone();
        for (key, count) in now {
            all.entry(*key).or_default().add(*count);
        }
        let (mut networks, mut others) = (Vec::new(), Vec::new());
        for (key, count) in all {
            // Rows made beforehand are shown once they count something.
            if count.packets == 0 {
                continue;
            }
            let direction = key.direction();
            match key.vni() {
                Some(vni) => networks.push(EspNetwork {
                    direction,
                    vni,
                    peer: match key.peer {
                        [0, 0] => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                        peer => ip_of_key(peer),
                    },
                    count,
                }),
                None => others.push(EspOther { direction, count }),
            }
        }
        (networks, others)
    }

    /// Removes the rows of nodes after their silence, and networks that nothing describes after another one: `left` takes
    /// all that such a network had counted.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read or changed.
    pub(super) fn put_away(
        &mut self,
        kernel: &Kernel,
        silence: Duration,
        is_described: impl Fn(u32) -> bool,
        mut left: impl FnMut(Direction, u32, EspCarried),
    ) -> Result<(), Failure> {
        let rows = kernel.esp_networks()?;
        let may_leave = |key: &EspNetworkKey| key.vni().is_some_and(|vni| !is_described(vni));
        let packets = rows
            .iter()
            // Rows made beforehand stay.
            .filter(|(key, _)| key.peer != [0; 2] || may_leave(key))
            .map(|(key, count)| (*key, count.packets));
        let now = Instant::now();
        let idle = self.idle.find(packets, silence, now);
        kernel.take_esp_networks(&idle, |key, count| self.settle(&key, &count))?;

        let in_map: HashSet<(Direction, Option<u32>)> = kernel
            .esp_networks()?
            .keys()
            .map(|key| (key.direction(), key.vni()))
            .collect();
        let packets = self.removed_networks(&in_map, may_leave);
        for key in self.idle_networks.find(packets.into_iter(), silence, now) {
            if let (Some(vni), Some(last)) = (key.vni(), self.settled.remove(&key)) {
                left(key.direction(), vni, last);
            }
        }
        Ok(())
    }

    /// The packets of networks of which only removed rows are left.
    fn removed_networks(
        &self,
        in_map: &HashSet<(Direction, Option<u32>)>,
        may_leave: impl Fn(&EspNetworkKey) -> bool,
    ) -> Vec<(EspNetworkKey, u64)> {
        let is_removed = |key: &EspNetworkKey| !in_map.contains(&(key.direction(), key.vni()));
        self.settled
            .iter()
            .filter(|(key, _)| may_leave(key) && is_removed(key))
            .map(|(key, count)| (*key, count.packets))
            .collect()
    }

    /// Adds what another process had counted.
    pub(super) fn inherit<'a>(
        &mut self,
        rows: impl Iterator<Item = (&'a EspNetworkKey, &'a EspCarried)>,
    ) {
        for (key, count) in rows.filter(|(_, count)| count.packets != 0) {
            self.settle(key, count);
        }
    }

    fn settle(&mut self, key: &EspNetworkKey, count: &EspCarried) {
        let direction = key.direction();
        let mut row = match key.vni() {
            Some(vni) => EspNetworkKey::of_network(direction, vni),
            None => EspNetworkKey::other(direction),
        };
        if self.settled.len() >= NETWORKS + Direction::ALL.len() && !self.settled.contains_key(&row)
        {
            row = EspNetworkKey::other(direction);
        }
        self.settled.entry(row).or_default().add(*count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(packets: u64) -> EspCarried {
        EspCarried {
            packets,
            bytes: packets * 100,
            overhead: packets * 26,
        }
    }

    #[test]
    fn removed_rows_still_count() {
        let mut book = EspBook::default();
        let peer = [0, 0xffff_c0a8_4d02];
        let key = EspNetworkKey::new(Direction::Tx, 4096, peer);
        book.settle(&key, &count(5));
        let other = EspNetworkKey::other(Direction::Rx);
        let now = [(key, count(2)), (other, count(0))].into_iter().collect();
        let (networks, others) = book.rows(&now);
        assert_eq!(others, []);
        assert_eq!(networks.iter().map(|row| row.count.packets).sum::<u64>(), 7);
        let peers: Vec<_> = networks.iter().map(|row| row.peer.to_string()).collect();
        assert_eq!(peers, ["::", "192.168.77.2"]);
        assert!(networks.iter().all(|row| row.vni == 4096));
    }

    #[test]
    fn what_another_process_had_counted_goes_on() {
        let mut book = EspBook::default();
        let key = EspNetworkKey::of_network(Direction::Tx, 4096);
        let empty = EspNetworkKey::of_network(Direction::Rx, 4096);
        book.inherit([(&key, &count(5)), (&empty, &count(0))].into_iter());
        let (networks, _) = book.rows(&[(key, count(2))].into_iter().collect());
        let rows = networks
            .iter()
            .map(|row| (row.direction, row.count.packets));
        assert_eq!(rows.collect::<Vec<_>>(), [(Direction::Tx, 7)]);
    }

    #[test]
    fn a_network_leaves_when_nothing_describes_it_and_no_row_is_left() {
        let mut book = EspBook::default();
        for vni in [1, 2, 3] {
            let key = EspNetworkKey::new(Direction::Rx, vni, [0, 1]);
            book.settle(&key, &count(u64::from(vni)));
        }
        // A row of the other direction does not count.
        let in_map = [(Direction::Rx, Some(1)), (Direction::Tx, Some(2))].into();
        let leave = book.removed_networks(&in_map, |key| key.vni() != Some(3));
        let network = EspNetworkKey::of_network(Direction::Rx, 2);
        assert_eq!(leave, [(network, 2)]);
    }

    #[test]
    fn rows_are_bounded_and_no_count_is_lost() {
        let mut book = EspBook::default();
        for vni in 0..40_000 {
            let key = EspNetworkKey::new(Direction::Rx, vni, [0, 1]);
            book.settle(&key, &count(1));
        }
        let (networks, others) = book.rows(&HashMap::default());
        assert!(networks.len() <= NETWORKS + 2, "{}", networks.len());
        let packets = networks.iter().map(|row| row.count.packets).sum::<u64>();
        assert_eq!(packets + others[0].count.packets, 40_000);
    }
}
