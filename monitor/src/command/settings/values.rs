//! Values of single flags and keys.

use std::net::SocketAddr;

use anyhow::{anyhow, bail};
use monitor_common::config::{HOST_PORTS, HostFlows, Ports};
use monitor_common::encapsulation::UdpPort;

use super::config_file::File;
use crate::base::failure::Failure;
use crate::base::udp_ports::UdpPorts;
use crate::host::docker::DockerSocket;
use crate::host::interface::{self, Pattern, Selection};

/// The service behind each UDP port.
pub(super) fn udp_ports(file: &File, vxlan_ports: &[u16]) -> Result<UdpPorts, Failure> {
    let given = |service: &UdpPort| {
        let ports: &[u16] = match service {
            UdpPort::None => &[],
            UdpPort::Vxlan => vxlan_ports,
            UdpPort::VxlanGpe => &file.vxlan_gpe_ports,
            UdpPort::Geneve => &file.geneve_ports,
            UdpPort::EspUdp => &file.esp_udp_ports,
            UdpPort::Wireguard => &file.wireguard_ports,
        };
        (*service, ports)
    };
    let given: Vec<_> = UdpPort::ALL.iter().map(given).collect();
    UdpPorts::new(&given).map_err(Failure::usage)
}

/// Where Docker is.
pub(super) fn docker(text: Option<&str>) -> Result<Option<DockerSocket>, Failure> {
    text.map(DockerSocket::parse)
        .transpose()
        .map_err(Failure::usage)
}

/// The selection of all `-i`, validated.
///
/// # Errors
/// A usage failure, if a named interface does not exist or cannot be watched.
pub fn select(names: &[String]) -> Result<Selection, Failure> {
    let patterns = names.iter().map(|name| Pattern::parse(name));
    let patterns = patterns
        .collect::<anyhow::Result<_>>()
        .map_err(Failure::usage)?;
    let selection = Selection::new(patterns);
    selection.check(&interface::list()?)?;
    Ok(selection)
}

/// The first list that is not empty.
pub(super) fn first_given<T: Clone>(given: &[&[T]], default: &[T]) -> Vec<T> {
    given
        .iter()
        .find(|list| !list.is_empty())
        .map_or(default, |list| *list)
        .to_vec()
}

/// The value of `--host-flows`.
pub(super) fn parse_host_flows(text: &str) -> anyhow::Result<(HostFlows, Vec<u16>)> {
    const TAKES: &str = "give off, all, or ports=80,443";
    match text {
        "off" => Ok((HostFlows::Off, Vec::new())),
        "all" => Ok((HostFlows::All, Vec::new())),
        _ => {
            let list = text
                .strip_prefix("ports=")
                .ok_or_else(|| anyhow!("host flows {text:?}: {TAKES}"))?;
            let ports: Vec<u16> = list
                .split(',')
                .map(|port| {
                    port.trim()
                        .parse()
                        .map_err(|_| anyhow!("host flows: {port:?} is no port; {TAKES}"))
                })
                .collect::<anyhow::Result<_>>()?;
            if Ports::<HOST_PORTS>::new(&ports).is_none() {
                bail!("host flows {text:?}: give 1 to {HOST_PORTS} ports, none of them 0");
            }
            Ok((HostFlows::Ports, ports))
        }
    }
}

/// Default address of the HTTP endpoint. Only this host, because counts show who communicates with whom.
const LISTEN: &str = "127.0.0.1:9469";

/// The address of the HTTP endpoint.
///
/// # Errors
/// A usage failure.
pub(crate) fn listen_address(given: Option<&str>) -> Result<SocketAddr, Failure> {
    let listen = given.unwrap_or(LISTEN);
    listen.parse().map_err(|_| {
        Failure::usage(anyhow!(
            "listen address {listen:?}: give an IP address and a port, such as 127.0.0.1:9469, [::1]:9469 or \
             0.0.0.0:9469 (all interfaces)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_flows_take_three_forms() {
        assert_eq!(parse_host_flows("off").unwrap(), (HostFlows::Off, vec![]));
        assert_eq!(parse_host_flows("all").unwrap(), (HostFlows::All, vec![]));
        assert_eq!(
            parse_host_flows("ports=80, 443").unwrap(),
            (HostFlows::Ports, vec![80, 443])
        );
        for bad in [
            "",
            "on",
            "ports=",
            "ports=0",
            "ports=http",
            "ports=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
        ] {
            assert!(parse_host_flows(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_ports_of_each_encapsulation_have_a_key_after_its_label() {
        for service in UdpPort::ALL {
            let key = format!("{}_ports", service.encapsulation().label());
            let file: File = toml::from_str(&format!("{key} = [1]")).unwrap();
            let ports = udp_ports(&file, &file.vxlan_ports).unwrap();
            assert_eq!(ports.of(1), *service, "{key}");
        }
    }
}
