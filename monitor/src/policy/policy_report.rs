//! States and violations at one moment, as data: what the surfaces show.

use monitor_common::count::Count;
use monitor_common::direction::Direction;

use super::history::Seen;
use super::network_state::{Doubt, State};
use super::state_times::StateTimes;
use super::violation::Violation;
use crate::host::described_network::Network;

/// A network's requirement and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkStatus {
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// The requirement; `None` for a network that was seen only on the wire.
    pub network: Option<Network>,
    /// Its state over the window.
    pub state: State,
    /// What was seen of it over the window.
    pub seen: Seen,
    /// Why the state is unknown, or why more may have crossed than was seen.
    pub doubts: Vec<Doubt>,
    /// How long it was in each state; `None` for a network that was seen only on the wire.
    pub times: Option<StateTimes>,
}

/// Packets and bytes that broke a network's requirement, in one direction, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViolationTotal {
    /// VXLAN Network Identifier; `None` for the networks beyond the limit, summed.
    pub vni: Option<u32>,
    /// Direction on this node.
    pub direction: Direction,
    /// Packets and bytes.
    pub count: Count,
    /// Whether a violation is open.
    pub active: bool,
}

/// Networks and violations at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyReport {
    /// Known networks and those seen in the window, by VNI.
    pub networks: Vec<NetworkStatus>,
    /// Open violations, then ended ones, the latest first.
    pub violations: Vec<Violation>,
    /// Both directions of each network that has a requirement or was violated.
    pub totals: Vec<ViolationTotal>,
}
