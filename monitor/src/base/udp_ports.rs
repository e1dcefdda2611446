//! The service of each UDP port: the table that the kernel programs and the decoder share.

use std::fmt;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use monitor_common::encapsulation::UdpPort;
use monitor_common::udp_port::PORTS;

/// Ports that are listed in advice, at most.
const LISTED: usize = 64;

/// The service of each UDP port.
#[derive(Clone, PartialEq, Eq)]
pub struct UdpPorts(Arc<[u8; PORTS]>);

impl UdpPorts {
    /// A table with these ports. A service without given ports gets its default ports, as far as no other service was
    /// given them.
    ///
    /// # Errors
    /// A port is 0, or is given to two services.
    pub fn new(given: &[(UdpPort, &[u16])]) -> anyhow::Result<UdpPorts> {
        let mut table = [UdpPort::None as u8; PORTS];
        for (service, ports) in given {
            for port in *ports {
                if *port == 0 {
                    bail!(
                        "{}: port 0 does not exist; give 1 to 65535",
                        service.encapsulation().name()
                    );
                }
                let place = &mut table[usize::from(*port)];
                let before = UdpPort::from_index(*place);
                if before != UdpPort::None && before != *service {
                    return Err(anyhow!(
                        "UDP port {port} is given to both {} and {}; give it to one of them",
                        before.encapsulation().name(),
                        service.encapsulation().name()
                    ));
                }
                *place = *service as u8;
            }
        }
        for service in UdpPort::ALL.iter().copied() {
            let is_given = given
                .iter()
                .any(|(known, ports)| *known == service && !ports.is_empty());
            if is_given {
                continue;
            }
            for port in service.default_ports() {
                let place = &mut table[usize::from(*port)];
                if *place == UdpPort::None as u8 {
                    *place = service as u8;
                }
            }
        }
        Ok(UdpPorts(Arc::new(table)))
    }

    /// The service of a port.
    #[must_use]
    pub fn of(&self, port: u16) -> UdpPort {
        UdpPort::from_index(self.0[usize::from(port)])
    }

    /// All ports of a service, in order.
    pub(crate) fn all(&self, service: UdpPort) -> impl Iterator<Item = u16> + '_ {
        (1..=u16::MAX).filter(move |port| self.of(*port) == service)
    }

    /// What to give, so that this port is of this service beside those that are already.
    #[must_use]
    pub fn remedy(&self, service: UdpPort, port: u16) -> String {
        let others = self.all(service).take(LISTED);
        let others: String = others.map(|port| format!(",{port}")).collect();
        let list = format!("{port}{others}");
        match service {
            UdpPort::Vxlan => format!("give --vxlan-port {list}"),
            UdpPort::VxlanGpe => {
                format!("set vxlan_gpe_ports = [{list}] in the configuration file")
            }
            UdpPort::Geneve => format!("set geneve_ports = [{list}] in the configuration file"),
            UdpPort::None | UdpPort::EspUdp | UdpPort::Wireguard => {
                "set its port in the configuration file".to_owned()
            }
        }
    }

    /// The value of the kernel programs' `PORTS` global: a [`UdpPort`] for each port.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..]
    }
}

impl Default for UdpPorts {
    /// The default ports of all services.
    fn default() -> UdpPorts {
        UdpPorts::new(&[]).unwrap_or_else(|_| UdpPorts(Arc::new([0; PORTS])))
    }
}

impl fmt::Debug for UdpPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = (0..=u16::MAX).filter(|port| self.of(*port) != UdpPort::None);
        f.debug_map()
            .entries(known.map(|port| (port, self.of(port))))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_ports_take_precedence_over_default_ports() {
        let udp_ports = UdpPorts::new(&[(UdpPort::Vxlan, &[8472, 4790])]).unwrap();
        assert_eq!(udp_ports.of(8472), UdpPort::Vxlan);
        assert_eq!(udp_ports.of(4789), UdpPort::None);
        assert_eq!(udp_ports.of(4790), UdpPort::Vxlan, "given before default");
        assert_eq!(udp_ports.of(6081), UdpPort::Geneve);
        assert_eq!(udp_ports.of(51871), UdpPort::Wireguard);
        assert_eq!(udp_ports.of(0), UdpPort::None);
    }

    #[test]
    fn every_port_can_be_given_to_vxlan() {
        let all: Vec<u16> = (1..=u16::MAX).collect();
        let udp_ports = UdpPorts::new(&[(UdpPort::Vxlan, &all)]).unwrap();
        assert!(all.iter().all(|port| udp_ports.of(*port) == UdpPort::Vxlan));
    }

    #[test]
    fn a_port_has_one_service_and_is_not_zero() {
        let error = UdpPorts::new(&[(UdpPort::Vxlan, &[1]), (UdpPort::Geneve, &[1])]).unwrap_err();
        assert!(
            error.to_string().contains("both VXLAN and Geneve"),
            "{error}"
        );
        assert!(UdpPorts::new(&[(UdpPort::Vxlan, &[0])]).is_err());
    }
}
