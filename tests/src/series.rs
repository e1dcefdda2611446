//! How many series an agent exports at most: the formula of `docs/costs.md`, "Series".

use monitor::surface::metrics::VIOLATION_PEERS;
use monitor_classify::CredentialKind;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::esp_time::PLACES;
use monitor_common::packet_time::BUCKETS;

/// Nodes and networks that have series whatever their number on the wire.
const OTHERS: usize = 1_024;

/// What the number depends on, by the letters of the formula.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// I: watched interfaces.
    pub interfaces: usize,
    /// D: described networks.
    pub described: usize,
    /// N: undescribed networks with series of their own.
    pub unknown: usize,
    /// A: nodes with which the host has an IPsec association.
    pub nodes: usize,
    /// C: pairs of protocol and exposure that were seen.
    pub classes: usize,
}

impl Size {
    /// The most series of a page.
    #[must_use]
    pub fn most_series(&self) -> usize {
        let Size {
            interfaces,
            described,
            unknown,
            nodes,
            classes,
        } = *self;
        let with_vni = Encapsulation::ALL.iter().filter(|at| at.has_vni()).count();
        let without = Encapsulation::ALL.len() - with_vni;
        let packets = 2 * (2 * interfaces * (with_vni * (described + 1) + without) + 2 * unknown);
        let by_node = 3 * (2 * interfaces * (nodes + 1) + OTHERS) + 2 * (nodes + OTHERS);
        let esp = 6 * (described + unknown + 1);
        let exposure = 2 * (2 * classes * (described + 2) + 3 * unknown) + described + unknown + 2;
        let credentials = CredentialKind::ALL.len() * (described + 2) + OTHERS;
        // A histogram has a sum and a count beside its buckets.
        let times = 3 * PLACES + (BUCKETS + 2) * PLACES + 2;
        let policy = 18 * described + 12 + VIOLATION_PEERS;
        // Two of each of the fourteen programs, with statistics.
        let agent = 60 * interfaces + 150 + 2 * 14;
        packets + by_node + esp + times + exposure + credentials + policy + agent
    }
}
