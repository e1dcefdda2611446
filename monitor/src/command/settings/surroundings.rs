//! Settings of the commands that do not watch: `check` and `read`.

use std::path::Path;

use super::config_file::File;
use super::values::{docker, first_given, udp_ports};
use crate::base::failure::Failure;
use crate::base::udp_ports::UdpPorts;
use crate::command::cli::CheckArgs;
use crate::host::docker::DockerSocket;
use crate::policy::Network;

/// Settings of the agent, as far as `check` uses them.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Interfaces that would be watched.
    pub interfaces: Vec<String>,
    /// Where Docker is, if the file says so.
    pub docker: Option<DockerSocket>,
    /// The service behind each UDP port.
    pub udp_ports: UdpPorts,
    /// Networks of the file.
    pub networks: Vec<Network>,
}

impl Surroundings {
    /// From flags, and from a configuration file or the default one if it exists.
    ///
    /// # Errors
    /// A usage failure that names the flag or the key.
    pub fn new(args: &CheckArgs) -> Result<Surroundings, Failure> {
        let file = File::read(args.config.as_deref())?;
        let vxlan_ports = first_given(&[&args.vxlan_port, &file.vxlan_ports], &[]);
        Ok(Surroundings {
            interfaces: first_given(&[&args.interfaces, &file.interfaces], &[]),
            docker: docker(file.docker.as_deref())?,
            udp_ports: udp_ports(&file, &vxlan_ports)?,
            networks: file.networks,
        })
    }
}

/// Settings of `read`.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The service behind each UDP port.
    pub udp_ports: UdpPorts,
    /// Networks of the configuration file.
    pub networks: Vec<Network>,
}

impl Reading {
    /// From flags, and from a configuration file or the default one if it exists.
    ///
    /// # Errors
    /// A usage failure that names the flag or the key.
    pub fn new(config: Option<&Path>, vxlan_port: &[u16]) -> Result<Reading, Failure> {
        let file = File::read(config)?;
        let vxlan_ports = first_given(&[vxlan_port, &file.vxlan_ports], &[]);
        Ok(Reading {
            udp_ports: udp_ports(&file, &vxlan_ports)?,
            networks: file.networks,
        })
    }
}
