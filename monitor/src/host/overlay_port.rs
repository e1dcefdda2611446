//! Overlays of this host on UDP ports that are not watched: their traffic is seen, and not recognised.

use std::collections::BTreeMap;
use std::fmt;

use monitor_classify::text::escape;
use monitor_common::encapsulation::UdpPort;

use super::docker::DockerStatus;
use super::interface::Link;
use crate::base::udp_ports::UdpPorts;

/// Ports that are reported at most.
const PORTS: usize = 64;
/// Characters of a device's name that are shown.
const NAME: usize = 32;

/// A UDP port that an overlay of this host uses and that is not watched as that encapsulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnwatchedPort {
    /// The UDP port.
    pub port: u16,
    /// The encapsulation.
    pub service: UdpPort,
    /// What uses it: the name of a device, escaped; `None` for Docker's Swarm.
    device: Option<String>,
    remedy: String,
}

impl UnwatchedPort {
    /// What uses it, as a phrase.
    fn user(&self) -> String {
        let name = self.service.encapsulation().name();
        match &self.device {
            Some(device) => format!("the {name} device {device} uses"),
            None => format!("the Swarm sends {name} to"),
        }
    }

    /// What to give, so that it is watched beside what is watched already.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for UnwatchedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} UDP port {}, which is not watched as {}; {}",
            self.user(),
            self.port,
            self.service.encapsulation().name(),
            self.remedy()
        )
    }
}

/// The ports that overlays of this host use and that are not watched, each once, by port.
#[must_use]
pub fn unwatched_ports(
    links: &[Link],
    docker: Option<&DockerStatus>,
    udp_ports: &UdpPorts,
) -> Vec<UnwatchedPort> {
    let devices = links.iter().filter_map(|link| {
        let overlay = link.overlay?;
        let name = escape(link.name.as_bytes(), NAME);
        Some((overlay.port, overlay.service, Some(name)))
    });
    let swarm = docker.and_then(|status| status.data_path_port);
    let swarm = swarm.map(|port| (port, UdpPort::Vxlan, None));
    let mut found = BTreeMap::new();
    for (port, service, device) in swarm.into_iter().chain(devices) {
        if port == 0 || udp_ports.of(port) == service || found.len() >= PORTS {
            continue;
        }
        found
            .entry((port, service as u8))
            .or_insert_with(|| UnwatchedPort {
                port,
                service,
                device,
                remedy: udp_ports.remedy(service, port),
            });
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::interface::{LinkKind, OverlayDevice};

    fn device(name: &str, service: UdpPort, port: u16) -> Link {
        Link {
            name: name.to_owned(),
            other_names: Vec::new(),
            index: 7,
            hardware: 1,
            kind: LinkKind::Overlay,
            lower: None,
            master: None,
            xdp: None,
            mtu: 1450,
            overlay: Some(OverlayDevice {
                service,
                port,
                vni: None,
                below: None,
            }),
        }
    }

    #[test]
    fn a_device_and_a_swarm_on_other_ports_are_found_once_each() {
        let ports = UdpPorts::default();
        let links = [
            device("vxlan.calico", UdpPort::Vxlan, 4789),
            device("flannel.1\x1b", UdpPort::Vxlan, 8472),
            device("flannel.2", UdpPort::Vxlan, 8472),
            device("gnv0", UdpPort::Geneve, 6082),
            // Watched, but as another encapsulation.
            device("gpe0", UdpPort::VxlanGpe, 4789),
        ];
        let docker = DockerStatus {
            data_path_port: Some(7789),
            ..DockerStatus::default()
        };
        let found = unwatched_ports(&links, Some(&docker), &ports);
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "the VXLAN-GPE device gpe0 uses UDP port 4789, which is not watched as VXLAN-GPE; set vxlan_gpe_ports = \
                 [4789,4790] in the configuration file",
                "the Geneve device gnv0 uses UDP port 6082, which is not watched as Geneve; set geneve_ports = [6082,6081] in \
                 the configuration file",
                "the Swarm sends VXLAN to UDP port 7789, which is not watched as VXLAN; give --vxlan-port 7789,4789",
                "the VXLAN device flannel.1\\x1b uses UDP port 8472, which is not watched as VXLAN; give --vxlan-port 8472,4789",
            ]
        );
        let ports = UdpPorts::new(&[(UdpPort::Vxlan, &[8472, 7789, 4789])]).unwrap();
        let found = unwatched_ports(&links[..3], Some(&docker), &ports);
        assert_eq!(found, []);
    }

    #[test]
    fn many_devices_are_bounded() {
        let links: Vec<Link> = (1..1000)
            .map(|port| device(&format!("v{port}"), UdpPort::Vxlan, port))
            .collect();
        assert_eq!(
            unwatched_ports(&links, None, &UdpPorts::default()).len(),
            PORTS
        );
    }
}
