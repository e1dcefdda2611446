//! Which nodes have series of their own for their ESP: those of this host's associations, and a limited number of others,
//! as strangers can send ESP from any address. The rest is summed as "other".

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use monitor_common::count::{EspCount, Total};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;

use super::fold::{Fold, Series};
use crate::traffic::counted::{Counted, EspPeer};
use crate::traffic::counted_association::{CountedAssociation, FORGOTTEN};

/// Series of nodes without an association of this host, at most.
const LIMIT: usize = 1024;

/// The series of a node: name of the interface, direction, address.
pub(in super::super) type NodeSeries = (Arc<str>, Direction, IpAddr);

/// The nodes with series of their own, and the sums of the others.
#[derive(Debug)]
pub(in super::super) struct ExportedNodes {
    fold: Fold<NodeSeries, (Arc<str>, Direction), EspCount>,
}

impl Default for ExportedNodes {
    fn default() -> ExportedNodes {
        ExportedNodes {
            fold: Fold::new(LIMIT),
        }
    }
}

impl ExportedNodes {
    /// A node was forgotten. `last` is all that it had counted: what was not read yet becomes "other".
    pub(in super::super) fn left(&mut self, series: &NodeSeries, last: EspCount) {
        let other = (series.0.clone(), series.1);
        self.fold.left(series, other, last);
    }

    /// What an association of a node had counted is in "other" of its interface from now on.
    pub(in super::super) fn moved(&mut self, series: &NodeSeries, count: EspCount) {
        let other = (series.0.clone(), series.1);
        self.fold.moved(series, &other, count);
    }

    pub(super) fn interface_renamed(&mut self, from: &str, to: &Arc<str>) {
        self.fold.rename(
            |series| (*series.0 == *from).then(|| (to.clone(), series.1, series.2)),
            |other| (*other.0 == *from).then(|| (to.clone(), other.1)),
        );
    }

    /// Sums the associations by node. `is_known` says whether this host has an association with a node.
    pub(super) fn apply(&mut self, counted: &mut Counted, is_known: impl Fn(IpAddr) -> bool) {
        let mut nodes = BTreeMap::<NodeSeries, EspCount>::new();
        let mut others = BTreeMap::<(Arc<str>, Direction), EspCount>::new();
        // AH authenticates, but does not encrypt.
        let esp = counted
            .esp
            .iter()
            .filter(|row| row.encapsulation != Encapsulation::Ah);
        for row in esp {
            let sum = match row.peer() {
                Some(peer) if peer == FORGOTTEN => continue,
                Some(peer) => nodes
                    .entry((row.interface.clone(), row.direction, peer))
                    .or_default(),
                None => others
                    .entry((row.interface.clone(), row.direction))
                    .or_default(),
            };
            sum.add(row.count);
        }
        let mut reading = self.fold.begin();
        let mut peers = Vec::new();
        for (series, mut count) in nodes {
            let (interface, direction, peer) = series.clone();
            let may_have = match is_known(peer) {
                true => Series::Always,
                false => Series::IfRoom,
            };
            let other = || (interface.clone(), direction);
            if reading.row(series, other, may_have, &mut count) {
                peers.push(EspPeer {
                    interface,
                    direction,
                    peer: Some(peer),
                    count,
                });
            }
        }
        for (other, count) in reading.end() {
            others.entry(other).or_default().add(count);
        }
        peers.extend(
            others
                .into_iter()
                .map(|((interface, direction), count)| EspPeer {
                    interface,
                    direction,
                    peer: None,
                    count,
                }),
        );
        counted.esp_peers = peers;
        merge_forgotten(&mut counted.esp);
        let with_series: BTreeSet<IpAddr> = counted
            .esp_peers
            .iter()
            .filter_map(|row| row.peer)
            .collect();
        counted
            .esp_active
            .retain(|row| with_series.contains(&row.peer()));
    }
}

/// What forgotten nodes had counted is listed with what found no room.
fn merge_forgotten(rows: &mut Vec<CountedAssociation>) {
    let is_forgotten = |row: &CountedAssociation| row.peer() == Some(FORGOTTEN);
    let forgotten: Vec<CountedAssociation> = rows.extract_if(.., |row| is_forgotten(row)).collect();
    for mut row in forgotten {
        row.addresses = None;
        let other = rows.iter_mut().find(|other| {
            other.addresses.is_none()
                && (&other.interface, other.direction, other.encapsulation)
                    == (&row.interface, row.direction, row.encapsulation)
        });
        match other {
            Some(other) => other.count.add(row.count),
            None => rows.push(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, u64)]) -> Counted {
        let esp = rows.iter().map(|(source, packets)| CountedAssociation {
            interface: "eth0".into(),
            direction: Direction::Rx,
            encapsulation: Encapsulation::Esp,
            addresses: (*source != "other")
                .then(|| (source.parse().unwrap(), "192.0.2.1".parse().unwrap())),
            spi: 7,
            count: EspCount {
                packets: *packets,
                bytes: packets * 100,
                ..EspCount::default()
            },
        });
        Counted {
            esp: esp.collect(),
            ..Counted::default()
        }
    }

    fn shown(counted: &Counted) -> BTreeMap<String, u64> {
        let peers = counted.esp_peers.iter().map(|row| {
            assert_eq!(row.count.bytes, row.count.packets * 100);
            let peer = row.peer.map_or("other".to_owned(), |peer| peer.to_string());
            (peer, row.count.packets)
        });
        peers.collect()
    }

    #[test]
    fn forged_nodes_are_summed_and_own_ones_are_not() {
        let mut exported = ExportedNodes::default();
        let own: IpAddr = "192.0.2.9".parse().unwrap();
        let forged = (0..5000u32).map(|at| format!("10.0.{}.{}", at >> 8, at & 255));
        let forged: Vec<String> = forged.collect();
        let mut all: Vec<(&str, u64)> = forged.iter().map(|node| (node.as_str(), 1)).collect();
        all.push(("192.0.2.9", 50));
        all.push(("other", 3));
        let mut counted = rows(&all);
        exported.apply(&mut counted, |node| node == own);
        let series = shown(&counted);
        assert_eq!(series.len(), LIMIT + 2);
        assert_eq!(series["192.0.2.9"], 50);
        assert_eq!(series["other"], 5000 - LIMIT as u64 + 3);
        // They are forgotten: the sums stay, and the series end.
        for node in &forged {
            let series = ("eth0".into(), Direction::Rx, node.parse().unwrap());
            let last = EspCount {
                packets: 1,
                bytes: 100,
                ..EspCount::default()
            };
            exported.left(&series, last);
        }
        let mut counted = rows(&[("192.0.2.9", 60), ("::", 5000), ("other", 3)]);
        exported.apply(&mut counted, |node| node == own);
        let after = shown(&counted);
        assert_eq!(
            after,
            [("192.0.2.9".into(), 60), ("other".into(), series["other"])].into()
        );
        let listed: Vec<_> = counted
            .esp
            .iter()
            .map(|row| (row.peer(), row.count.packets))
            .collect();
        assert_eq!(listed, [(Some(own), 60), (None, 5003)]);
    }
}
