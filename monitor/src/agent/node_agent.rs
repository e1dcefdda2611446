//! The agent: what it holds, and what it gives to those who drive it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;
use jiff::Timestamp;
use monitor_common::cpu_state::CpuState;
use tokio::sync::watch;

use super::esp_networks::EspBook;
use super::esp_timing::EspTiming;
use super::exported::Exported;
use super::exposure::{Account, Verdicts};
use super::ledger::{Ledger, Names};
use super::silent_rows::SilentRows;
use super::watched::Watched;
use crate::base::confinement::Held;
use crate::base::udp_ports::UdpPorts;
use crate::host::docker;
use crate::host::interface::{ChangeSubscription, Link, Selected, Selection};
use crate::kernel::attach::{HookChoice, LeftAttached, clsact};
use crate::kernel::{Attribution, Kernel};
use crate::policy::SharedPolicy;
use crate::traffic::association_activity::Trend;

/// Interfaces that can be watched at a time: each gets rows beforehand, in maps of a fixed size.
pub const INTERFACES: usize = 64;

/// The agent, shared between its loops and the surfaces.
pub type SharedAgent = Arc<Mutex<Agent>>;

/// Programs on interfaces, and what they have counted. Dropping it detaches the programs.
pub struct Agent {
    // Dropped first: a program is detached before its maps go.
    pub(super) watched: BTreeMap<u32, Watched>,
    pub(super) kernel: Kernel,
    pub(super) account: Option<Arc<Mutex<Account>>>,
    pub(super) policy: Option<SharedPolicy>,
    /// Whether a lack of room for networks was logged.
    pub(super) room_logged: bool,
    pub(super) ledger: Ledger,
    pub(super) silent: SilentRows,
    /// Networks of the configuration, of Docker, and of this host's devices: their rows stay.
    pub(super) described: BTreeSet<u32>,
    /// Networks that the process before this one knew. They count as described until Docker may have reported its own.
    pub(super) described_before: BTreeSet<u32>,
    pub(super) started: Instant,
    /// The nodes of this host's security associations.
    pub(super) esp_nodes: BTreeSet<IpAddr>,
    pub(super) exported: Arc<Mutex<Exported>>,
    /// A row that is not described leaves after this time without a packet.
    pub(super) forget_after: Duration,
    pub(super) esp_networks: EspBook,
    /// `None` if encryptions are not timed.
    pub(super) esp_timing: Option<EspTiming>,
    pub(super) selection: Selection,
    pub(super) selected: Selected,
    pub(super) hook: HookChoice,
    /// Notes on the selection that were logged, so that each is logged once.
    pub(super) noted: BTreeSet<String>,
    pub(super) changes: Option<ChangeSubscription>,
    pub(super) owner: clsact::Owner,
    /// What the process before this one left attached, while it is taken over.
    pub(super) left: LeftAttached,
    /// Samples and overflows that it had counted.
    pub(super) inherited: CpuState,
    /// When the counters began.
    pub(super) counting_since: Timestamp,
    /// The state of Docker, if a loop keeps it.
    pub(super) docker: Option<watch::Receiver<docker::DockerStatus>>,
    /// How often a program of ours was detached by someone else.
    pub(super) lost: u64,
    /// The activity of ESP associations so far.
    pub(super) trend: Mutex<Trend>,
    pub(super) udp_ports: UdpPorts,
    /// The privileges that are held.
    pub(super) held: Held,
    /// The VXLAN and Geneve devices of this host.
    pub(super) overlays: Vec<Link>,
}

impl Agent {
    /// Sets where the state of Docker is read.
    pub fn set_docker(&mut self, state: watch::Receiver<docker::DockerStatus>) {
        self.docker = Some(state);
    }

    /// The service behind each UDP port.
    #[must_use]
    pub fn udp_ports(&self) -> UdpPorts {
        self.udp_ports.clone()
    }

    /// Names of the interfaces that are watched now.
    #[must_use]
    pub fn watched(&self) -> Vec<String> {
        let names = self.watched.values().map(|at| at.interface.name.clone());
        names.collect()
    }

    /// The account of exposure; `None` if it is not watched.
    #[must_use]
    pub fn account(&self) -> Option<Arc<Mutex<Account>>> {
        self.account.clone()
    }

    /// The verdicts on flows, made from samples; `None` if exposure is not watched.
    #[must_use]
    pub fn verdicts(&self) -> Option<Verdicts> {
        let account = self.account.as_ref()?;
        Some(
            account
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .verdicts(),
        )
    }

    /// Names of the interfaces that are watched, or were until a moment ago.
    #[must_use]
    pub fn names(&self) -> Names {
        self.ledger.names()
    }

    /// Debug messages of the programs, if they are wanted.
    pub fn take_log(&mut self) -> Option<EbpfLogger<&'static dyn log::Log>> {
        self.kernel.take_log()
    }

    /// The sample ring; `None` if it was taken already.
    pub fn take_samples(&mut self) -> Option<RingBuf<MapData>> {
        self.kernel.take_samples()
    }

    /// Requirements and states of networks; `None` if they are not evaluated.
    #[must_use]
    pub fn policy(&self) -> Option<SharedPolicy> {
        self.policy.clone()
    }

    /// Whether ESP packets are attributed to networks.
    #[must_use]
    pub fn attribution(&self) -> &Attribution {
        self.esp_networks.attribution()
    }

    /// Interfaces that can be watched here at a time: fewer where many CPUs made the maps smaller.
    pub(super) fn limit(&self) -> usize {
        INTERFACES.min(self.kernel.interface_capacity())
    }
}
