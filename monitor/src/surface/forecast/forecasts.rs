//! The forecasts of several networks, with what they were computed from.

use std::collections::BTreeMap;

use monitor_classify::text::escape;
use monitor_common::count::{Count, Total as _};
use monitor_common::encapsulation::Encapsulation;

use super::network_forecast::{Forecast, Traffic};
use super::record::BenchRecord;
use crate::policy::{PolicyReport, Requirement};
use crate::traffic::counted::{Counted, Vni};

/// Characters of a name.
const NAME: usize = 64;

/// Forecasts, the busiest network first.
#[derive(Clone, Debug, Default)]
pub struct Forecasts {
    /// One for each network that carried plain VXLAN.
    pub networks: Vec<Forecast>,
    /// The bench of the host, if there is one.
    pub bench: Option<BenchRecord>,
    /// MTU of the wire between the nodes in bytes.
    pub wire_mtu: u32,
}

impl Forecasts {
    /// Computes them.
    #[must_use]
    pub fn of(mut traffic: Vec<Traffic>, bench: Option<BenchRecord>, wire_mtu: u32) -> Forecasts {
        traffic.sort_by(|a, b| b.bytes_per_second.total_cmp(&a.bytes_per_second));
        let forecast = |of| Forecast::of(of, bench.as_ref(), wire_mtu);
        Forecasts {
            networks: traffic.into_iter().map(forecast).collect(),
            bench,
            wire_mtu,
        }
    }
}

/// What the networks carried a second in plain VXLAN, of counters that were empty `seconds` ago. Networks that must not be
/// encrypted are left out.
#[must_use]
pub fn carried(counted: &Counted, policy: &PolicyReport, node: &str, seconds: f64) -> Vec<Traffic> {
    let mut totals: BTreeMap<u32, Count> = BTreeMap::new();
    for row in &counted.traffic {
        if let (Encapsulation::Vxlan, Vni::Id(vni)) = (row.encapsulation, row.vni) {
            totals.entry(vni).or_default().add(row.count);
        }
    }
    let mut names = BTreeMap::new();
    for network in policy.networks.iter().filter_map(|at| at.network.as_ref()) {
        if network.required == Requirement::Forbidden {
            totals.remove(&network.vni);
        } else {
            names.insert(network.vni, escape(&network.name, NAME));
        }
    }
    let seconds = seconds.max(f64::MIN_POSITIVE);
    let carried = totals.into_iter().filter(|(_, total)| total.packets != 0);
    let traffic = carried.map(|(vni, total)| Traffic {
        node: escape(node, NAME),
        vni,
        network: names.remove(&vni).filter(|name| !name.is_empty()),
        packets_per_second: total.packets as f64 / seconds,
        bytes_per_second: total.bytes as f64 / seconds,
    });
    traffic.collect()
}

#[cfg(test)]
mod tests {
    use monitor_common::direction::Direction;

    use super::*;
    use crate::policy::{Network, NetworkKind, NetworkStatus, Seen, Source, State};
    use crate::traffic::counted;

    #[test]
    fn plain_vxlan_of_both_ways_is_carried_and_nothing_else() {
        let row = |vni, encapsulation, direction, packets| counted::Traffic {
            interface: "eth0".into(),
            direction,
            encapsulation,
            vni,
            count: Count {
                packets,
                bytes: 1000 * packets,
            },
        };
        let (vxlan, geneve) = (Encapsulation::Vxlan, Encapsulation::Geneve);
        let counted = Counted {
            traffic: vec![
                row(Vni::Id(7), vxlan, Direction::Rx, 20),
                row(Vni::Id(7), vxlan, Direction::Tx, 10),
                row(Vni::Id(7), geneve, Direction::Tx, 5),
                row(Vni::Id(8), vxlan, Direction::Tx, 40),
                row(Vni::Id(9), vxlan, Direction::Tx, 40),
                row(Vni::Id(10), vxlan, Direction::Tx, 0),
                row(Vni::Other, vxlan, Direction::Tx, 40),
            ],
            ..Counted::default()
        };
        let network = |vni, name: &str, required| NetworkStatus {
            vni,
            network: Some(Network {
                vni,
                name: name.to_owned(),
                required,
                source: Source::Config,
                kind: NetworkKind::Overlay,
            }),
            state: State::Cleartext,
            seen: Seen::default(),
            doubts: vec![],
            times: None,
        };
        let policy = PolicyReport {
            networks: vec![
                network(7, "app\u{1b}[2J", Requirement::Required),
                network(9, "open", Requirement::Forbidden),
            ],
            ..PolicyReport::default()
        };
        let traffic = carried(&counted, &policy, "node1", 10.0);
        let found = Forecasts::of(traffic, None, 1500).networks;
        let found: Vec<_> = found
            .iter()
            .map(|at| {
                let of = &at.traffic;
                (
                    of.vni,
                    of.network.as_deref(),
                    of.packets_per_second,
                    of.bytes_per_second,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (8, None, 4.0, 4000.0),
                (7, Some("app\\x1b[2J"), 3.0, 3000.0)
            ]
        );
    }
}
