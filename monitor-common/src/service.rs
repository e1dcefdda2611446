//! What a UDP port stands for.

use crate::wire::{esp, geneve, vxlan, vxlan_gpe, wireguard};

/// Entries of the `PORTS` global of the kernel programs: one byte for each UDP port, a [`Service`].
pub const PORTS: usize = 1 << 16;

/// What is expected behind a UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Service {
    /// Nothing that we know.
    None = 0,
    /// VXLAN; the destination port tells (RFC 7348, 5).
    Vxlan = 1,
    /// VXLAN-GPE; the destination port tells (draft-ietf-nvo3-vxlan-gpe, 3).
    VxlanGpe = 2,
    /// Geneve; the destination port tells (RFC 8926, 3.3).
    Geneve = 3,
    /// ESP or IKE; a node behind a NAT has it on one side only (RFC 3948, 2).
    EspUdp = 4,
    /// WireGuard; either side's port may be the one that is known.
    Wireguard = 5,
}

impl Service {
    /// Every service that has ports.
    pub const ALL: [Service; 5] = [
        Service::Vxlan,
        Service::VxlanGpe,
        Service::Geneve,
        Service::EspUdp,
        Service::Wireguard,
    ];

    /// The service of a byte of the `PORTS` global; [`Service::None`] for a value that nobody writes.
    #[inline(always)]
    #[must_use]
    pub const fn from_index(index: u8) -> Service {
        match index {
            1 => Service::Vxlan,
            2 => Service::VxlanGpe,
            3 => Service::Geneve,
            4 => Service::EspUdp,
            5 => Service::Wireguard,
            _ => Service::None,
        }
    }

    /// Whether the source port tells as well as the destination port.
    #[inline(always)]
    #[must_use]
    pub const fn either_port(self) -> bool {
        matches!(self, Service::EspUdp | Service::Wireguard)
    }

    /// Ports where nothing else is configured.
    #[must_use]
    pub const fn default_ports(self) -> &'static [u16] {
        match self {
            Service::None => &[],
            Service::Vxlan => &[vxlan::PORT],
            Service::VxlanGpe => &[vxlan_gpe::PORT],
            Service::Geneve => &[geneve::PORT],
            Service::EspUdp => &[esp::UDP_PORT],
            Service::Wireguard => &wireguard::PORTS,
        }
    }
}

/// The service of a datagram: that of its destination port, else of its source port where that
/// tells too.
#[inline(always)]
pub fn of_datagram(ports: impl Fn(u16) -> Service, source: u16, destination: u16) -> Service {
    let found = ports(destination);
    if !matches!(found, Service::None) {
        return found;
    }
    let found = ports(source);
    if found.either_port() {
        found
    } else {
        Service::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_round_trip_and_defaults_do_not_collide() {
        let mut seen = std::collections::HashSet::new();
        for service in Service::ALL {
            assert_eq!(Service::from_index(service as u8), service);
            for port in service.default_ports() {
                assert!(seen.insert(*port), "{port}");
            }
        }
        assert_eq!(Service::from_index(6), Service::None);
    }

    #[test]
    fn a_source_port_tells_only_where_a_nat_may_have_changed_the_other() {
        let ports = |port| match port {
            4789 => Service::Vxlan,
            4500 => Service::EspUdp,
            _ => Service::None,
        };
        assert_eq!(of_datagram(ports, 50_000, 4789), Service::Vxlan);
        assert_eq!(of_datagram(ports, 4789, 50_000), Service::None);
        assert_eq!(of_datagram(ports, 4500, 50_000), Service::EspUdp);
        assert_eq!(of_datagram(ports, 4500, 4789), Service::Vxlan);
    }
}
