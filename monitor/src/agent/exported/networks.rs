//! Which networks have series of their own: every described one, and a limited number of others. The rest is summed as
//! "other".
//!
//! The choice is stable: a network that has series keeps them until its rows leave the maps, which they do after a silence. A
//! network whose packets were summed in "other" may get series of its own later, when there is room or when it is
//! described. These count what comes from then on, and "other" keeps what it has: neither ever goes down, and each packet
//! is in one of the two.

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor_common::count::{Count, EspCarried, Total};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{ExposureKey, NetworkId};

use super::chosen::Chosen;
use super::fold::{Fold, Series};
use crate::base::hash::HashSet;
use crate::traffic::counted::{Counted, EspNetwork, EspOther, Exposed, Pending, Traffic, Vni};

/// A row of traffic: name of the interface, direction, encapsulation, VNI.
pub(in super::super) type TrafficSeries = (Arc<str>, Direction, Encapsulation, u32);
/// Its "other".
type TrafficOther = (Arc<str>, Direction, Encapsulation);

/// Rows of traffic for each network that is not described, on average: the two directions of one interface and
/// encapsulation.
const TRAFFIC: usize = 2;
/// Rows of exposure for each network that is not described, on average.
const EXPOSURE: usize = 3;

/// The networks with series of their own, and the sums of the others.
#[derive(Debug)]
pub(in super::super) struct ExportedNetworks {
    /// Those that are not described and have series.
    chosen: Chosen<u32>,
    traffic: Fold<TrafficSeries, TrafficOther>,
    /// By the two words of an [`ExposureKey`].
    exposure: Fold<(u32, u32), (u32, u32)>,
    esp: Fold<(Direction, u32), Direction, EspCarried>,
}

impl ExportedNetworks {
    pub(super) fn new(limit: usize) -> ExportedNetworks {
        ExportedNetworks {
            chosen: Chosen::new(limit),
            traffic: Fold::new(limit.saturating_mul(TRAFFIC)),
            exposure: Fold::new(limit.saturating_mul(EXPOSURE)),
            esp: Fold::new(0),
        }
    }

    /// A row of traffic has left the maps and the books. `last` is all that it had counted: what was not read yet becomes
    /// "other".
    pub(in super::super) fn traffic_left(&mut self, series: &TrafficSeries, last: Count) {
        self.traffic.left(series, other_traffic(series), last);
    }

    /// What a row of traffic had counted is in "other" of its interface from now on.
    pub(in super::super) fn traffic_moved(&mut self, series: &TrafficSeries, count: Count) {
        self.traffic.moved(series, &other_traffic(series), count);
    }

    /// The rows of traffic of one name of an interface are those of another one from now on.
    pub(super) fn interface_renamed(&mut self, from: &str, to: &Arc<str>) {
        self.traffic.rename(
            |series| (*series.0 == *from).then(|| (to.clone(), series.1, series.2, series.3)),
            |other| (*other.0 == *from).then(|| (to.clone(), other.1, other.2)),
        );
    }

    /// As [`ExportedNetworks::traffic_left`], a row of exposure.
    pub(in super::super) fn exposure_left(&mut self, key: ExposureKey, last: Count) {
        let other = words(other_exposure(key));
        self.exposure.left(&words(key), other, last);
    }

    /// As [`ExportedNetworks::traffic_left`], a network in ESP.
    pub(in super::super) fn esp_left(&mut self, direction: Direction, vni: u32, last: EspCarried) {
        self.esp.left(&(direction, vni), direction, last);
    }

    /// Sums the rows of the networks without series in "other".
    pub(super) fn apply(&mut self, counted: &mut Counted, is_described: impl Fn(u32) -> bool) {
        self.choose(counted, &is_described);
        let chosen = &self.chosen;
        let is_own = |vni: u32| is_described(vni) || chosen.contains(&vni);
        let series = |vni: u32| match is_described(vni) {
            true => Series::Always,
            false if chosen.contains(&vni) => Series::IfRoom,
            false => Series::Never,
        };
        apply_to_traffic(&mut self.traffic, counted, series);
        apply_to_exposure(&mut self.exposure, counted, series);
        apply_to_pending(counted, is_own);
        apply_to_esp(&mut self.esp, counted, is_own);
    }

    /// Networks whose rows are gone lose their series; others get theirs while there is room.
    fn choose(&mut self, counted: &Counted, is_described: impl Fn(u32) -> bool) {
        let in_traffic = counted.traffic.iter().filter_map(|row| match row.vni {
            Vni::Id(vni) => Some(vni),
            Vni::None | Vni::Other => None,
        });
        let in_esp = counted.esp_networks.iter().map(|row| row.vni);
        let in_exposure = counted
            .exposure
            .iter()
            .filter_map(|row| row.key.network().vni_number());
        let there = in_traffic.chain(in_esp).chain(in_exposure);
        let there: HashSet<u32> = there.filter(|vni| !is_described(*vni)).collect();
        self.chosen.update(&there);
    }
}

fn apply_to_traffic(
    traffic: &mut Fold<TrafficSeries, TrafficOther>,
    counted: &mut Counted,
    series: impl Fn(u32) -> Series,
) {
    let mut reading = traffic.begin();
    counted.traffic.retain_mut(|row| {
        let Vni::Id(vni) = row.vni else { return true };
        let key = (row.interface.clone(), row.direction, row.encapsulation, vni);
        let other = || (row.interface.clone(), row.direction, row.encapsulation);
        reading.row(key, other, series(vni), &mut row.count) && !row.count.is_zero()
    });
    for ((interface, direction, encapsulation), count) in reading.end() {
        let is_other = |row: &&mut Traffic| {
            row.vni == Vni::Other
                && row.interface == interface
                && row.direction == direction
                && row.encapsulation == encapsulation
        };
        match counted.traffic.iter_mut().find(is_other) {
            Some(row) => row.count.add(count),
            None => counted.traffic.push(Traffic {
                interface,
                direction,
                encapsulation,
                vni: Vni::Other,
                count,
            }),
        }
    }
}

fn apply_to_exposure(
    exposure: &mut Fold<(u32, u32), (u32, u32)>,
    counted: &mut Counted,
    series: impl Fn(u32) -> Series,
) {
    let mut reading = exposure.begin();
    counted.exposure.retain_mut(|row| {
        let Some(vni) = row.key.network().vni_number() else {
            return true;
        };
        let other = || words(other_exposure(row.key));
        reading.row(words(row.key), other, series(vni), &mut row.count) && !row.count.is_zero()
    });
    for ((network, class), count) in reading.end() {
        let key = ExposureKey { network, class };
        match counted.exposure.iter_mut().find(|row| row.key == key) {
            Some(row) => row.count.add(count),
            None => counted.exposure.push(Exposed { key, count }),
        }
    }
}

/// The nodes of a network are one series.
fn apply_to_esp(
    esp: &mut Fold<(Direction, u32), Direction, EspCarried>,
    counted: &mut Counted,
    is_own: impl Fn(u32) -> bool,
) {
    let mut sums = BTreeMap::<(Direction, u32), EspCarried>::new();
    for row in &counted.esp_networks {
        let series = (row.direction, row.vni);
        sums.entry(series).or_default().add(row.count);
    }
    let mut reading = esp.begin();
    let mut in_other = BTreeMap::new();
    for ((direction, vni), sum) in sums {
        let mut rest = sum;
        let series = match is_own(vni) {
            true => Series::Always,
            false => Series::Never,
        };
        reading.row((direction, vni), || direction, series, &mut rest);
        in_other.insert((direction, vni), sum.since(rest));
    }
    // What "other" has is taken from the rows of the nodes, one after the other.
    counted.esp_networks.retain_mut(|row: &mut EspNetwork| {
        if let Some(taken) = in_other.get_mut(&(row.direction, row.vni)) {
            let part = taken.min(row.count);
            *taken = taken.since(part);
            row.count = row.count.since(part);
        }
        is_own(row.vni) && !row.count.is_zero()
    });
    for (direction, count) in reading.end() {
        let mut others = counted.esp_others.iter_mut();
        match others.find(|row| row.direction == direction) {
            Some(row) => row.count.add(count),
            None => counted.esp_others.push(EspOther { direction, count }),
        }
    }
}

/// A gauge: what waits now.
fn apply_to_pending(counted: &mut Counted, is_own: impl Fn(u32) -> bool) {
    let mut other = Pending {
        network: NetworkId::OTHER,
        packets: 0,
        bytes: 0,
    };
    counted.pending.retain(|row| {
        let is_kept =
            row.network.vni_number().is_some_and(&is_own) || row.network == NetworkId::HOST;
        if !is_kept {
            other.packets += row.packets;
            other.bytes += row.bytes;
        }
        is_kept
    });
    if other.packets != 0 {
        counted.pending.push(other);
    }
}

fn other_traffic((interface, direction, encapsulation, _): &TrafficSeries) -> TrafficOther {
    (Arc::clone(interface), *direction, *encapsulation)
}

fn other_exposure(key: ExposureKey) -> ExposureKey {
    ExposureKey::new(key.direction(), NetworkId::OTHER, key.class())
}

fn words(key: ExposureKey) -> (u32, u32) {
    (key.network, key.class)
}

#[cfg(test)]
mod tests;
