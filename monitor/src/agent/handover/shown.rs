//! What a page showed, as rows of the maps: so the next process can add to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use monitor_common::address::{self, Address};
use monitor_common::count::{Count, EspCount, Total};
use monitor_common::direction::Direction;
use monitor_common::key::{CounterKey, EspKey, EspNetworkKey, ReasonKey};

use crate::kernel::Reading;
use crate::traffic::counted::{Counted, Vni};

/// Names of interfaces, each with a number that stands for it in keys.
pub(super) struct Numbers {
    names: Vec<String>,
    by_name: BTreeMap<Arc<str>, u32>,
}

impl Numbers {
    /// The names in this order.
    pub(super) fn new(names: impl IntoIterator<Item = Arc<str>>) -> Numbers {
        let mut numbers = Numbers {
            names: Vec::new(),
            by_name: BTreeMap::new(),
        };
        for name in names {
            numbers.of(&name);
        }
        numbers
    }

    /// The number of a name; a new one is the last.
    pub(super) fn of(&mut self, name: &Arc<str>) -> u32 {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_string());
        self.by_name.insert(Arc::clone(name), number);
        number
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// The rows that a page is made of.
pub(super) fn rows(counted: &Counted, numbers: &mut Numbers) -> Reading {
    let mut rows = Reading {
        state: counted.state,
        ..Reading::default()
    };
    for row in &counted.traffic {
        let number = numbers.of(&row.interface);
        let key = match row.vni {
            Vni::Id(vni) => CounterKey::new(number, row.direction, row.encapsulation, vni),
            Vni::None => CounterKey::new(number, row.direction, row.encapsulation, 0),
            Vni::Other => CounterKey::other(number, row.direction, row.encapsulation),
        };
        rows.counters.entry(key).or_default().add(row.count);
    }
    for row in &counted.unparsed {
        let number = numbers.of(&row.interface);
        let key = ReasonKey::new(number, row.direction, row.reason);
        rows.reasons.insert(key, row.packets);
    }
    for row in &counted.exposure {
        rows.exposure.entry(row.key).or_default().add(row.count);
    }
    for row in &counted.esp_networks {
        let key = EspNetworkKey::of_network(row.direction, row.vni);
        rows.esp_networks.entry(key).or_default().add(row.count);
    }
    for row in &counted.esp_others {
        let key = EspNetworkKey::other(row.direction);
        rows.esp_networks.entry(key).or_default().add(row.count);
    }
    associations(counted, numbers, &mut rows);
    rows
}

/// The sum of the associations between two addresses, as far as it was shown as that of a node. The rest was shown as
/// "other".
fn associations(counted: &Counted, numbers: &mut Numbers, rows: &mut Reading) {
    let mut of_nodes: BTreeMap<(&Arc<str>, Direction, IpAddr), EspCount> = BTreeMap::new();
    for row in &counted.esp_peers {
        if let Some(peer) = row.peer {
            of_nodes.insert((&row.interface, row.direction, peer), row.count);
        }
    }
    for row in &counted.esp {
        let number = numbers.of(&row.interface);
        let other = EspKey::other(number, row.direction, row.encapsulation);
        let left = row
            .peer()
            .and_then(|peer| of_nodes.get_mut(&(&row.interface, row.direction, peer)))
            .filter(|_| row.encapsulation.is_esp());
        let count = EspCount {
            sequence_min: 0,
            sequence_max: 0,
            ..row.count
        };
        let (Some((source, destination)), Some(left)) = (row.addresses, left) else {
            rows.esp.entry(other).or_default().add(count);
            continue;
        };
        let own = smaller(count, *left);
        *left = left.since(own);
        let key = EspKey {
            source: address_of(source),
            destination: address_of(destination),
            ..other
        };
        rows.esp.entry(key).or_default().add(own);
        rows.esp.entry(other).or_default().add(count.since(own));
    }
}

/// The smaller of each count of the two.
fn smaller(a: EspCount, b: EspCount) -> EspCount {
    let Count { packets, bytes } = a.count().min(b.count());
    EspCount {
        packets,
        bytes,
        later_fragments: a.later_fragments.min(b.later_fragments),
        ..a
    }
}

fn address_of(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => address::v4(ip.to_bits()),
        IpAddr::V6(ip) => address::v6(ip.octets()),
    }
}
