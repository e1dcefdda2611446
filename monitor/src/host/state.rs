//! What this host's own state says: IPsec, firewall, the kernel's errors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use monitor_common::service::Service;

use super::firewall::{self, Firewall, MARK};
use super::interface;
use super::xfrm::{self, Policy, State, XfrmError};
use crate::base::procfs::has_module;
use crate::base::udp_ports::Services;

/// Modules with which a received ESP packet is decrypted by GRO, before any program sees it.
const DECRYPTERS: [&str; 2] = ["esp4_offload", "esp6_offload"];

/// This host at one moment.
#[derive(Clone, Debug)]
pub struct HostState {
    /// Security associations, or why they cannot be read.
    pub states: Result<Vec<State>, String>,
    /// Policies, or why they cannot be read.
    pub policies: Result<Vec<Policy>, String>,
    /// Rules for overlay networks.
    pub firewall: Firewall,
    /// What IPsec dropped since the start of the host; only what is not 0.
    pub errors: BTreeMap<XfrmError, u64>,
    /// Addresses of this host.
    pub addresses: BTreeSet<IpAddr>,
    /// Interfaces that carry the overlay, and the longest packet in bytes that each takes.
    pub mtus: Vec<(String, u32)>,
    /// Whether the kernel decrypts packets before they can be counted as ESP (`esp4_offload` with GRO).
    pub decrypted_unseen: bool,
    /// What each UDP port stands for.
    pub services: Services,
}

impl HostState {
    /// Reads it, in this thread's network namespace. Blocks: a moment, three seconds at most.
    #[must_use]
    pub fn collect(services: &Services, interfaces: &[String]) -> HostState {
        HostState {
            firewall: firewall::read(),
            ..HostState::ipsec(services, interfaces)
        }
    }

    /// The same without the firewall, which takes other programs.
    #[must_use]
    pub fn ipsec(services: &Services, interfaces: &[String]) -> HostState {
        let said = |error: std::io::Error| match error.raw_os_error() {
            Some(libc::EPERM) => "permission denied; it takes CAP_NET_ADMIN".to_owned(),
            Some(libc::EPROTONOSUPPORT) => "the kernel has no IPsec (CONFIG_XFRM_USER)".to_owned(),
            _ => error.to_string(),
        };
        HostState {
            states: xfrm::states().map_err(said),
            policies: xfrm::policies().map_err(said),
            firewall: Firewall::default(),
            errors: dropped(),
            addresses: interface::addresses().unwrap_or_default(),
            mtus: mtus(interfaces),
            decrypted_unseen: DECRYPTERS.into_iter().any(has_module),
            services: services.clone(),
        }
    }

    /// The association that packets belong to.
    pub(crate) fn state(&self, spi: u32, destination: IpAddr) -> Option<&State> {
        self.esp()
            .find(|state| state.spi == spi && state.destination == destination)
    }

    pub(crate) fn known_states(&self) -> &[State] {
        self.states.as_deref().unwrap_or_default()
    }

    pub(crate) fn known_policies(&self) -> &[Policy] {
        self.policies.as_deref().unwrap_or_default()
    }

    /// Associations of ESP with a node, in a direction.
    pub(crate) fn from(&self, peer: IpAddr) -> impl Iterator<Item = &State> {
        self.esp().filter(move |state| state.source == peer)
    }

    pub(crate) fn to(&self, peer: IpAddr) -> impl Iterator<Item = &State> {
        self.esp().filter(move |state| state.destination == peer)
    }

    pub(crate) fn esp(&self) -> impl Iterator<Item = &State> {
        self.known_states()
            .iter()
            .filter(|state| state.protocol == xfrm::ESP)
    }

    /// Whether a policy takes marked VXLAN to a node; to any node, where that is not known.
    pub(crate) fn has_policy_to(&self, peer: Option<IpAddr>) -> bool {
        self.known_policies().iter().any(|policy| {
            let port = policy.port;
            let is_vxlan = port.is_none_or(|port| self.services.of(port) == Service::Vxlan);
            let destination = peer.unwrap_or(policy.destination.0);
            is_vxlan && policy.sends(destination, port.unwrap_or_default(), MARK)
        })
    }
}

/// The interfaces of these names that are there.
fn mtus(interfaces: &[String]) -> Vec<(String, u32)> {
    let links = interface::list().unwrap_or_default();
    links
        .into_iter()
        .filter(|link| interfaces.contains(&link.name))
        .map(|link| (link.name, link.mtu))
        .collect()
}

/// What IPsec dropped at all.
fn dropped() -> BTreeMap<XfrmError, u64> {
    let mut errors = xfrm::errors();
    errors.retain(|_, packets| *packets != 0);
    errors
}
