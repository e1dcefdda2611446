//! What this host reports of its IPsec and firewall at one moment, as data for the search for causes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use monitor_common::encapsulation::UdpPort;

use super::firewall::{self, Firewall, MARK};
use super::interface::{self, Link};
use super::ipsec::{self, IpsecPolicy, SecurityAssociation, XfrmError};
use super::platform::Platform;
use crate::base::netlink;
use crate::base::procfs::has_module;
use crate::base::udp_ports::UdpPorts;

/// Modules by which GRO decrypts received ESP packets before any program sees them.
const GRO_MODULES: [&str; 2] = ["esp4_offload", "esp6_offload"];

/// This host's IPsec and firewall at one moment.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// Security associations, or why they cannot be read.
    pub associations: Result<Vec<SecurityAssociation>, String>,
    /// IPsec policies, or why they cannot be read.
    pub policies: Result<Vec<IpsecPolicy>, String>,
    /// Firewall rules for overlay networks.
    pub firewall: Firewall,
    /// Packets that IPsec dropped since the host started, by reason; only reasons that are not 0.
    pub errors: BTreeMap<XfrmError, u64>,
    /// Addresses of this host.
    pub addresses: BTreeSet<IpAddr>,
    /// Interfaces that carry the overlay, and their MTUs in bytes.
    pub mtus: Vec<(String, u32)>,
    /// Whether the kernel decrypts packets before they can be counted as ESP (`esp4_offload` with GRO).
    pub decrypted_unseen: bool,
    /// The service of each UDP port.
    pub udp_ports: UdpPorts,
    /// What makes the overlay networks.
    pub platform: Platform,
}

impl HostFacts {
    /// Reads this thread's network namespace. `interfaces` are the names of those that carry the overlay. Blocks, for
    /// ten seconds at most where the firewall has very many rules.
    #[must_use]
    pub fn read(udp_ports: &UdpPorts, interfaces: &[String]) -> HostFacts {
        let firewall = firewall::read();
        let mut host = HostFacts::read_without_firewall(udp_ports, interfaces);
        if !firewall.rules.marked.is_empty() || !firewall.rules.refused.is_empty() {
            host.platform = Platform::Docker;
        }
        host.firewall = firewall;
        host
    }

    /// The same without the firewall, which may have very many rules.
    #[must_use]
    pub fn read_without_firewall(udp_ports: &UdpPorts, interfaces: &[String]) -> HostFacts {
        let describe = |error: std::io::Error| match error.raw_os_error() {
            Some(libc::EPROTONOSUPPORT) => "the kernel has no IPsec (CONFIG_XFRM_USER)".to_owned(),
            _ => netlink::reason(&error),
        };
        let associations = ipsec::associations().map_err(describe);
        let policies = ipsec::policies().map_err(describe);
        let links = interface::list().unwrap_or_default();
        let of_docker = associations.iter().flatten().any(|at| at.reqid == MARK)
            || policies
                .iter()
                .flatten()
                .flat_map(|policy| &policy.templates)
                .any(|template| template.reqid == MARK);
        HostFacts {
            platform: Platform::detect(&links, of_docker),
            associations,
            policies,
            firewall: Firewall::default(),
            errors: nonzero_errors(),
            addresses: interface::addresses().unwrap_or_default(),
            mtus: mtus(links, interfaces),
            decrypted_unseen: GRO_MODULES.into_iter().any(has_module),
            udp_ports: udp_ports.clone(),
        }
    }

    /// The ESP association of packets with this SPI and destination.
    pub(crate) fn esp_association(
        &self,
        spi: u32,
        destination: IpAddr,
    ) -> Option<&SecurityAssociation> {
        self.esp_associations()
            .find(|sa| sa.spi == spi && sa.destination == destination)
    }

    /// The associations; none if they cannot be read.
    pub(crate) fn known_associations(&self) -> &[SecurityAssociation] {
        self.associations.as_deref().unwrap_or_default()
    }

    /// The policies; none if they cannot be read.
    pub(crate) fn known_policies(&self) -> &[IpsecPolicy] {
        self.policies.as_deref().unwrap_or_default()
    }

    /// The ESP associations whose packets come from a node.
    pub(crate) fn esp_from(&self, peer: IpAddr) -> impl Iterator<Item = &SecurityAssociation> {
        self.esp_associations().filter(move |sa| sa.source == peer)
    }

    /// The ESP associations whose packets go to a node.
    pub(crate) fn esp_to(&self, peer: IpAddr) -> impl Iterator<Item = &SecurityAssociation> {
        self.esp_associations()
            .filter(move |sa| sa.destination == peer)
    }

    /// The associations of ESP.
    pub(crate) fn esp_associations(&self) -> impl Iterator<Item = &SecurityAssociation> {
        self.known_associations()
            .iter()
            .filter(|sa| sa.protocol == ipsec::ESP)
    }

    /// Whether a policy applies to marked VXLAN to a node; to any node, if `peer` is `None`.
    pub(crate) fn has_policy_to(&self, peer: Option<IpAddr>) -> bool {
        self.known_policies().iter().any(|policy| {
            let port = policy.port;
            let is_vxlan = port.is_none_or(|port| self.udp_ports.of(port) == UdpPort::Vxlan);
            let destination = peer.unwrap_or(policy.destination.0);
            is_vxlan && policy.sends(destination, port.unwrap_or_default(), MARK)
        })
    }
}

/// Name and MTU of the interfaces of these names that exist.
fn mtus(links: Vec<Link>, interfaces: &[String]) -> Vec<(String, u32)> {
    links
        .into_iter()
        .filter(|link| interfaces.contains(&link.name))
        .map(|link| (link.name, link.mtu))
        .collect()
}

/// Dropped packets by reason, without the reasons that are 0.
fn nonzero_errors() -> BTreeMap<XfrmError, u64> {
    let mut errors = ipsec::errors();
    errors.retain(|_, packets| *packets != 0);
    errors
}
