//! Which UDP ports stand for what: the table that the kernel programs and the decoder share.

use std::fmt;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use monitor_common::service::{PORTS, Service};

/// What each UDP port stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Services(Arc<[u8; PORTS]>);

impl Services {
    /// The table with these ports; services without ports of their own have their usual ones, where
    /// those are free.
    ///
    /// # Errors
    /// If a port is 0 or is given to two services.
    pub fn new(given: &[(Service, &[u16])]) -> anyhow::Result<Services> {
        let mut table = [Service::None as u8; PORTS];
        for (service, ports) in given {
            for port in *ports {
                if *port == 0 {
                    bail!("{}: port 0 is none; give 1 to 65535", name(*service));
                }
                let place = &mut table[usize::from(*port)];
                let before = Service::from_index(*place);
                if before != Service::None && before != *service {
                    return Err(anyhow!(
                        "UDP port {port} is given to both {} and {}: one port is one thing",
                        name(before),
                        name(*service)
                    ));
                }
                *place = *service as u8;
            }
        }
        for service in Service::ALL {
            let is_given = given
                .iter()
                .any(|(known, ports)| *known == service && !ports.is_empty());
            if is_given {
                continue;
            }
            for port in service.default_ports() {
                let place = &mut table[usize::from(*port)];
                if *place == Service::None as u8 {
                    *place = service as u8;
                }
            }
        }
        Ok(Services(Arc::new(table)))
    }

    /// What a port stands for.
    #[must_use]
    pub fn of(&self, port: u16) -> Service {
        Service::from_index(self.0[usize::from(port)])
    }

    /// The `PORTS` global of the kernel programs.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..]
    }
}

impl Default for Services {
    /// The usual ports.
    fn default() -> Services {
        Services::new(&[]).unwrap_or_else(|_| Services(Arc::new([0; PORTS])))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = (0..=u16::MAX).filter(|port| self.of(*port) != Service::None);
        f.debug_map()
            .entries(known.map(|port| (port, self.of(port))))
            .finish()
    }
}

fn name(service: Service) -> &'static str {
    match service {
        Service::None => "nothing",
        Service::Vxlan => "VXLAN",
        Service::VxlanGpe => "VXLAN-GPE",
        Service::Geneve => "Geneve",
        Service::EspUdp => "ESP in UDP",
        Service::Wireguard => "WireGuard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_what_was_given_and_the_usual_ones_for_the_rest() {
        let services = Services::new(&[(Service::Vxlan, &[8472, 4790])]).unwrap();
        assert_eq!(services.of(8472), Service::Vxlan);
        assert_eq!(services.of(4789), Service::None);
        assert_eq!(services.of(4790), Service::Vxlan, "given before usual");
        assert_eq!(services.of(6081), Service::Geneve);
        assert_eq!(services.of(51871), Service::Wireguard);
        assert_eq!(services.of(0), Service::None);
    }

    #[test]
    fn every_port_can_be_one_of_vxlan() {
        let all: Vec<u16> = (1..=u16::MAX).collect();
        let services = Services::new(&[(Service::Vxlan, &all)]).unwrap();
        assert!(all.iter().all(|port| services.of(*port) == Service::Vxlan));
    }

    #[test]
    fn a_port_is_one_thing_and_not_zero() {
        let error = Services::new(&[(Service::Vxlan, &[1]), (Service::Geneve, &[1])]).unwrap_err();
        assert!(
            error.to_string().contains("both VXLAN and Geneve"),
            "{error}"
        );
        assert!(Services::new(&[(Service::Vxlan, &[0])]).is_err());
    }
}
