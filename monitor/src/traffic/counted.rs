//! The counts of one moment: plain data, which the agent reads from the maps.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use monitor_common::count::{Count, EspCarried, EspCount, Total};
use monitor_common::cpu_state::CpuState;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{ExposureKey, NetworkId};
use monitor_common::packet_time::PacketTimes;
use monitor_common::reason::Reason;

use super::association_activity::Activity;
use super::counted_association::CountedAssociation;
use crate::host::ipsec::XfrmError;
use crate::host::overlay_port::UnwatchedPort;
use crate::kernel::attach::Hook;
use crate::kernel::{Attribution, MapUse};
use monitor_classify::CredentialKind;

/// The VNI of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vni {
    /// The encapsulation has no VNI.
    None,
    /// A VXLAN Network Identifier.
    Id(u32),
    /// The sum of those that found no room in the map.
    Other,
}

/// One row of counted traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Interface name.
    pub interface: Arc<str>,
    /// Received or sent.
    pub direction: Direction,
    /// The encapsulation.
    pub encapsulation: Encapsulation,
    /// The network.
    pub vni: Vni,
    /// Packets and bytes.
    pub count: Count,
}

/// Packets of one interface that could not be parsed, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unparsed {
    /// Interface name.
    pub interface: Arc<str>,
    /// Received or sent.
    pub direction: Direction,
    /// Why they could not be parsed.
    pub reason: Reason,
    /// Number of packets.
    pub packets: u64,
}

/// Packets of one network that ESP carried to or from one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspNetwork {
    /// Received or sent.
    pub direction: Direction,
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// The address of the other node; `::` for the sum of those that found no room or were removed after idling.
    pub peer: IpAddr,
    /// Packets on the wire; bytes that ESP carries: UDP header, VXLAN header, inner frame; and bytes that it adds.
    pub count: EspCarried,
}

/// ESP packets to or from one node on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspPeer {
    /// Interface name.
    pub interface: Arc<str>,
    /// Received or sent.
    pub direction: Direction,
    /// The address of the other node; `None` for the sum of those without a series.
    pub peer: Option<IpAddr>,
    /// Packets and bytes; the sequence numbers mean nothing.
    pub count: EspCount,
}

/// The sum of packets in ESP of networks that found no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspOther {
    /// Received or sent.
    pub direction: Direction,
    /// As in [`EspNetwork`].
    pub count: EspCarried,
}

/// Encryptions (sent) or decryptions (received) of one class of sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspTime {
    /// Received or sent.
    pub direction: Direction,
    /// The largest number of bytes that ESP carries in a packet of the class; `None` for the class without a limit.
    pub size_limit: Option<u64>,
    /// Packets during which samples were taken.
    pub packets: u64,
    /// Samples in which a packet of the class was in hand.
    pub samples: u64,
    /// The time that the samples stand for, in nanoseconds.
    pub nanoseconds: u64,
}

/// Packets of a network with one verdict, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Direction, network, protocol and exposure.
    pub key: ExposureKey,
    /// Packets and bytes.
    pub count: Count,
}

/// Packets of a network whose flows have no verdict yet, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The network.
    pub network: NetworkId,
    /// Number of packets.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// One direction of an interface that should be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    /// Interface name, or `default` while there is no default route.
    pub interface: String,
    /// Received or sent.
    pub direction: Direction,
    /// The hook by which it is watched; `None` if it is not.
    pub hook: Option<Hook>,
    /// Whether no other program runs before ours.
    pub first: bool,
}

/// All counts, exact at the moment of reading.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Overlay traffic and, if watched, the host's own.
    pub traffic: Vec<Traffic>,
    /// ESP by association.
    pub esp: Vec<CountedAssociation>,
    /// ESP by node, as it is exported.
    pub esp_peers: Vec<EspPeer>,
    /// ESP by network; empty if it is not attributed to networks.
    pub esp_networks: Vec<EspNetwork>,
    /// ESP of networks that found no room.
    pub esp_others: Vec<EspOther>,
    /// Whether ESP is attributed to networks.
    pub attribution: Attribution,
    /// Whether the bytes that ESP adds are counted.
    pub esp_overhead: bool,
    /// The time of encryptions and decryptions; empty if they are not timed.
    pub esp_times: Vec<EspTime>,
    /// Times of single packets in ESP; 0 where they are not timed.
    pub packet_times: PacketTimes,
    /// Packets that could not be parsed. Reasons that never occurred are present with 0.
    pub unparsed: Vec<Unparsed>,
    /// Packets and bytes by the verdict on their flow; empty if exposure is not watched.
    pub exposure: Vec<Exposed>,
    /// Packets whose flow has no verdict yet.
    pub pending: Vec<Pending>,
    /// Packets whose flow had no room, or lost it, before it had a verdict; `exposure` counts them as unknown.
    pub evicted: u64,
    /// Counts of samples and overflows.
    pub state: CpuState,
    /// How full the maps are.
    pub maps: Vec<MapUse>,
    /// The interfaces and directions that should be watched, and their hooks.
    pub hooks: Vec<HookState>,
    /// The associations of ESP in use.
    pub esp_active: Vec<Activity>,
    /// Packets that the kernel's IPsec dropped, by its reasons; empty if it has no such counters.
    pub xfrm_errors: BTreeMap<XfrmError, u64>,
    /// Flows that showed credentials, by network and kind.
    pub credential_flows: BTreeMap<(NetworkId, CredentialKind), u64>,
    /// Whether Docker answers; `None` if it is not expected to.
    pub docker_up: Option<bool>,
    /// How often another process detached one of our programs.
    pub lost: u64,
    /// When the counters began: with this process, or with the one that handed them over first.
    pub counting_since: Timestamp,
    /// UDP ports of overlays of this host that are not watched.
    pub unwatched_ports: Vec<UnwatchedPort>,
}

impl Counted {
    /// Sorts what is read from tables without an order: a page has its series in the same order each time.
    pub fn sort(&mut self) {
        let traffic = |row: &Traffic| (row.direction, row.encapsulation, row.vni);
        self.traffic
            .sort_unstable_by(|a, b| (&a.interface, traffic(a)).cmp(&(&b.interface, traffic(b))));
        let esp =
            |row: &CountedAssociation| (row.direction, row.encapsulation, row.addresses, row.spi);
        self.esp
            .sort_unstable_by(|a, b| (&a.interface, esp(a)).cmp(&(&b.interface, esp(b))));
        self.unparsed.sort_unstable_by(|a, b| {
            (&a.interface, a.direction, a.reason).cmp(&(&b.interface, b.direction, b.reason))
        });
        self.exposure
            .sort_unstable_by_key(|row| (row.key.network, row.key.class));
        self.pending.sort_unstable_by_key(|row| row.network);
    }

    /// Whether exposure is a lower bound: some flows may have no verdict or no row of their own.
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

    /// Packets and bytes of a VNI in one direction, on all interfaces.
    #[must_use]
    pub fn vni(&self, vni: u32, direction: Direction) -> Count {
        let mut total = Count::default();
        for row in &self.traffic {
            if row.vni == Vni::Id(vni) && row.direction == direction {
                total.add(row.count);
            }
        }
        total
    }
}
