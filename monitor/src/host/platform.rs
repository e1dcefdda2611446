//! What makes the overlay networks of this host, so that advice is for what is there.

use super::firewall::MARK;
use super::interface::{self, Link};
use super::ipsec;

/// What makes the overlay networks of this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// Docker's Swarm.
    Docker,
    /// Flannel, also in K3s.
    Flannel,
    /// Calico.
    Calico,
    /// Cilium.
    Cilium,
    /// No sign of any of them.
    #[default]
    Unknown,
}

/// The bridge that Docker makes when a host joins a Swarm.
const SWARM_BRIDGE: &str = "docker_gwbridge";

impl Platform {
    /// By the devices and the IPsec associations of this thread's network namespace.
    #[must_use]
    pub fn of_this_host() -> Platform {
        let associations = ipsec::associations().unwrap_or_default();
        let links = interface::list().unwrap_or_default();
        Platform::detect(&links, associations.iter().any(|at| at.reqid == MARK))
    }

    /// By the devices of the host. `docker`: it has rules or associations as only Docker makes them.
    #[must_use]
    pub fn detect(links: &[Link], docker: bool) -> Platform {
        let has = |name: &dyn Fn(&str) -> bool| links.iter().any(|link| name(&link.name));
        if docker || has(&|name| name == SWARM_BRIDGE) {
            Platform::Docker
        } else if has(&|name| name.starts_with("cilium_")) {
            Platform::Cilium
        } else if has(&|name| name == "vxlan.calico" || name == "vxlan-v6.calico") {
            Platform::Calico
        } else if has(&|name| name.starts_with("flannel.") || name.starts_with("flannel-v6.")) {
            Platform::Flannel
        } else {
            Platform::Unknown
        }
    }

    /// Whether it is a plugin of Kubernetes, which makes none of Docker's rules.
    #[must_use]
    pub const fn is_kubernetes(self) -> bool {
        matches!(
            self,
            Platform::Flannel | Platform::Calico | Platform::Cilium
        )
    }

    /// How a network of it is encrypted; follows a colon.
    #[must_use]
    pub const fn how_to_encrypt(self) -> &'static str {
        match self {
            Platform::Docker => {
                "Docker cannot change an existing one, so create one with docker network create -d overlay --opt \
                 encrypted NAME, and move the services to it"
            }
            Platform::Flannel => {
                "Flannel's VXLAN backend cannot, so use its backend wireguard (K3s: --flannel-backend=wireguard-native)"
            }
            Platform::Calico => {
                "Calico does it with WireGuard (wireguardEnabled: true in its FelixConfiguration)"
            }
            Platform::Cilium => {
                "Cilium does it with WireGuard or IPsec (encryption.enabled=true in its Helm values)"
            }
            Platform::Unknown => {
                "with Docker, create one with --opt encrypted and move the services to it; Flannel, Calico and Cilium \
                 have WireGuard"
            }
        }
    }

    /// A sentence's condition: the address belongs to a node.
    #[must_use]
    pub const fn is_node_if(self) -> &'static str {
        match self {
            Platform::Docker => {
                "it is a node if `docker node inspect -f '{{.Status.Addr}}'` lists its address"
            }
            Platform::Flannel | Platform::Calico | Platform::Cilium => {
                "it is a node if `kubectl get nodes -o wide` lists its address"
            }
            Platform::Unknown => "it is a node if its address is that of one",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::interface::LinkKind;

    fn link(name: &str) -> Link {
        Link {
            name: name.to_owned(),
            other_names: Vec::new(),
            index: 7,
            hardware: 1,
            kind: LinkKind::Device,
            lower: None,
            master: None,
            xdp: None,
            mtu: 1450,
            overlay: None,
        }
    }

    #[test]
    fn a_platform_is_recognised_by_its_devices() {
        for (names, platform) in [
            (&["lo", "eth0"][..], Platform::Unknown),
            // Docker without a Swarm makes no overlay.
            (&["eth0", "docker0", "flannel.1", "cni0"], Platform::Flannel),
            (&["eth0", "flannel-v6.1"], Platform::Flannel),
            (&["eth0", "vxlan.calico", "cali123"], Platform::Calico),
            (&["eth0", "cilium_vxlan", "cilium_host"], Platform::Cilium),
            (&["eth0", "docker0", "docker_gwbridge"], Platform::Docker),
        ] {
            let links: Vec<Link> = names.iter().map(|name| link(name)).collect();
            assert_eq!(Platform::detect(&links, false), platform, "{names:?}");
            assert_eq!(Platform::detect(&links, true), Platform::Docker);
        }
    }
}
