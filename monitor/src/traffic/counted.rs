//! What was counted, at one moment: plain data, which the agent reads from the maps.

use std::collections::BTreeMap;
use std::net::IpAddr;

use monitor_common::key::{Count, CpuState};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;

use super::activity::{Activity, Association};
use super::exposure::{Exposed, Pending};
use crate::host::xfrm::XfrmError;
use crate::kernel::attach::Hook;
use crate::kernel::{Attribution, MapUse};

/// A VNI, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vni {
    /// The encapsulation has none.
    None,
    /// A VXLAN Network Identifier.
    Id(u32),
    /// All those that found no room in the map.
    Other,
}

/// One row of counted traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Interface name.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// What it was wrapped in.
    pub encapsulation: Encapsulation,
    /// Which network.
    pub vni: Vni,
    /// Packets and bytes.
    pub count: Count,
}

/// Packets of one interface that were not understood for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unparsed {
    /// Interface name.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub packets: u64,
}

/// Packets of one network that went through ESP, to or from one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspNetwork {
    /// Which way.
    pub direction: Direction,
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// The other node; `::` for all those together that found no room, or were put away.
    pub peer: IpAddr,
    /// Packets of the wire, and bytes of what ESP carries: UDP header, VXLAN header, inner frame.
    pub count: Count,
}

/// Packets in ESP of networks that found no room, all together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspOther {
    /// Which way.
    pub direction: Direction,
    /// As in [`EspNetwork`].
    pub count: Count,
}

/// One direction of an interface that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    /// Interface name, or `default` where there is no default route.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// How it is watched; `None` if it is not.
    pub hook: Option<Hook>,
    /// Whether no other program comes before ours.
    pub first: bool,
}

/// Everything counted, exact at the moment it was read.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// VXLAN and, where it is watched, the host's own traffic.
    pub traffic: Vec<Traffic>,
    /// ESP.
    pub esp: Vec<Association>,
    /// ESP by network; empty where it is not attributed.
    pub esp_networks: Vec<EspNetwork>,
    /// ESP of networks that found no room.
    pub esp_others: Vec<EspOther>,
    /// Whether it is.
    pub attribution: Attribution,
    /// What was not understood. Reasons that never occurred are there with 0.
    pub unparsed: Vec<Unparsed>,
    /// Packets and bytes by what can be read of their flow; empty where that is not watched.
    pub exposure: Vec<Exposed>,
    /// Packets whose flow has no verdict yet.
    pub pending: Vec<Pending>,
    /// Packets whose flow was forgotten before a verdict came: they are in `exposure`, as unknown.
    pub evicted: u64,
    /// Samples and overflows.
    pub state: CpuState,
    /// How full the maps are.
    pub maps: Vec<MapUse>,
    /// The hooks.
    pub hooks: Vec<HookState>,
    /// What the associations of ESP in use are doing.
    pub esp_active: Vec<Activity>,
    /// Packets that the kernel's IPsec dropped, by its reasons; empty where it does not tell.
    pub xfrm_errors: BTreeMap<XfrmError, u64>,
    /// Whether Docker answers; `None` where nobody expects it to.
    pub docker_up: Option<bool>,
    /// How often a program of ours was found detached by somebody else.
    pub lost: u64,
}

impl Counted {
    /// Whether flows may have gone unjudged, or have no row of their own.
    #[must_use]
    pub fn is_lower_bound(&self) -> bool {
        let state = &self.state;
        state.capped
            + state.ring_full
            + state.counters_overflow
            + state.exposure_overflow
            + self.evicted
            != 0
    }

    /// Packets and bytes of a VNI in a direction, all interfaces together.
    #[must_use]
    pub fn vni(&self, vni: u32, direction: Direction) -> Count {
        let mut total = Count::default();
        for row in &self.traffic {
            if row.vni == Vni::Id(vni) && row.direction == direction {
                total.packets += row.count.packets;
                total.bytes += row.count.bytes;
            }
        }
        total
    }
}
