//! Checked settings: flags over the configuration file over defaults.

mod file;

use std::path::Path;
use std::time::Duration;

use anyhow::{anyhow, bail};
use monitor_common::config::{HOST_PORTS, HostFlows, Ports, SNAP_MAX, SNAP_MIN};
use monitor_common::service::Service;

use crate::agent::plan::WatchPlan;
use crate::base::failure::Failure;
use crate::base::udp_ports::UdpPorts;
use crate::command::cli::{PolicyArgs, WatchArgs};
use crate::host::described_network::VNI_MAX;
use crate::host::docker::DockerSocket;
use crate::host::interface::{self, Pattern, Selection};
use crate::kernel::{Caps, LoadOptions, NETWORKS};
use crate::policy::{Network, NetworkKind, Requirement, Source};

pub use file::CONFIG_FILE;
use file::File;

/// Where the agent listens unless told otherwise. Only this host: counts tell who talks to whom.
const LISTEN: &str = "127.0.0.1:9469";

/// What the state of a network is judged over, unless told otherwise.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest such window, in seconds.
const WINDOW_MAX: u64 = 86_400;

/// Defaults that differ from command to command.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// See [`LoadOptions`].
    pub sample_every: u32,
    /// See [`LoadOptions`].
    pub flow_samples: u32,
    /// See [`LoadOptions`].
    pub snap: u32,
    /// See [`LoadOptions`].
    pub host_flows: HostFlows,
    /// See [`LoadOptions`].
    pub exposure: bool,
    /// See [`LoadOptions`].
    pub esp_networks: bool,
    /// See [`LoadOptions`].
    pub caps: Caps,
    /// Whether networks are judged.
    pub policy: bool,
}

impl Defaults {
    /// For the node agent: cheap.
    pub const RUN: Defaults = Defaults {
        sample_every: 1000,
        flow_samples: 3,
        snap: 256,
        host_flows: HostFlows::Off,
        exposure: true,
        esp_networks: true,
        caps: Caps::DEFAULT,
        policy: true,
    };
    /// For a verdict on networks, and on what can be read: as the agent, and the host's own traffic too.
    pub const AUDIT: Defaults = Defaults {
        snap: 512,
        host_flows: HostFlows::All,
        ..Defaults::RUN
    };
    /// For somebody who looks on: everything.
    pub const TAIL: Defaults = Defaults {
        sample_every: 1,
        flow_samples: 0,
        snap: 512,
        host_flows: HostFlows::All,
        exposure: false,
        esp_networks: false,
        caps: Caps::NONE,
        policy: false,
    };
}

/// Checks flags and configuration file.
///
/// # Errors
/// A usage failure that names the flag or the key, and what it takes.
pub fn plan(
    args: &WatchArgs,
    policy: &PolicyArgs,
    listen: Option<&str>,
    defaults: Defaults,
) -> Result<WatchPlan, Failure> {
    let file = File::read(args.config.as_deref())?;
    let (host_flows, host_ports) = match args.host_flows.as_deref().or(file.host_flows.as_deref()) {
        None => (defaults.host_flows, Vec::new()),
        Some(text) => parse_host_flows(text).map_err(Failure::usage)?,
    };
    let vxlan_ports = first_given(&[&args.vxlan_port, &file.vxlan_ports], &[]);
    let udp_ports = udp_ports(&file, &vxlan_ports)?;
    let caps = Caps {
        cpu: file.samples_per_second.unwrap_or(defaults.caps.cpu),
        network: file
            .network_samples_per_second
            .unwrap_or(defaults.caps.network),
    };
    let flow_samples = args
        .flow_samples
        .or(file.flow_samples)
        .unwrap_or(defaults.flow_samples);
    // `tail` shows samples and judges no flows.
    let exposure = match args.exposure.or(file.exposure) {
        Some(wanted) => wanted && defaults.exposure,
        None => defaults.exposure && flow_samples != 0,
    };
    if exposure && flow_samples == 0 {
        return Err(Failure::usage(anyhow!(
            "exposure needs samples of each flow: give 1 or more as flow_samples, or no exposure"
        )));
    }
    let snap = args.snap.or(file.snap).unwrap_or(defaults.snap);
    if !(SNAP_MIN..=SNAP_MAX).contains(&snap) {
        return Err(Failure::usage(anyhow!(
            "snap {snap}: give {SNAP_MIN} to {SNAP_MAX} bytes"
        )));
    }
    let listen = listen.or(file.listen.as_deref()).unwrap_or(LISTEN);
    let listen = listen.parse().map_err(|_| {
        Failure::usage(anyhow!(
            "listen address {listen:?}: give an IP address and a port, such as 127.0.0.1:9469, [::1]:9469 or \
             0.0.0.0:9469 (all interfaces)"
        ))
    })?;
    let names = first_given(&[&args.interfaces, &file.interfaces], &[]);
    if names.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no interface to watch: name the one that carries the traffic between the nodes with -i (or say -i default), \
             or as `interfaces` in {CONFIG_FILE}"
        )));
    }
    let networks = networks(&policy.require, file.networks).map_err(Failure::usage)?;
    let window = match policy.window.or(file.window.map(Duration::from_secs)) {
        None => WINDOW,
        Some(window) if (1..=WINDOW_MAX).contains(&window.as_secs()) => window,
        Some(window) => {
            return Err(Failure::usage(anyhow!(
                "window of {window:?}: give 1 to {WINDOW_MAX} seconds"
            )));
        }
    };
    let selection = select(&names)?;
    Ok(WatchPlan {
        selection,
        hook: args.hook.or(file.hook).unwrap_or_default(),
        load: LoadOptions {
            sample_every: args
                .sample_every
                .or(file.sample_every)
                .unwrap_or(defaults.sample_every),
            flow_samples,
            snap,
            host_flows,
            host_ports,
            udp_ports,
            exposure,
            esp_networks: defaults.esp_networks,
            caps,
            policy: defaults.policy && !networks.is_empty(),
            ..LoadOptions::default()
        },
        listen,
        networks,
        policy: defaults.policy,
        window,
        docker: docker(file.docker.as_deref())?,
        judged_over: window,
    })
}

/// Networks as they were asked for: `--require` over the configuration file.
fn networks(require: &[u32], file: Vec<Network>) -> anyhow::Result<Vec<Network>> {
    let mut all = file;
    for vni in require {
        if *vni > VNI_MAX {
            bail!("--require {vni}: give a VNI, 0 to {VNI_MAX} (24 bits)");
        }
        if let Some(network) = all.iter_mut().find(|network| network.vni == *vni) {
            network.required = Requirement::Required;
            continue;
        }
        if all.len() == NETWORKS {
            bail!("more than {NETWORKS} networks: keep those that matter");
        }
        all.push(Network {
            vni: *vni,
            name: String::new(),
            required: Requirement::Required,
            source: Source::Config,
            kind: NetworkKind::Overlay,
        });
    }
    Ok(all)
}

/// What the agent would use beside the interfaces: for a look at this host.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where Docker is, if the file says so.
    pub docker: Option<DockerSocket>,
    /// What each UDP port stands for.
    pub udp_ports: UdpPorts,
    /// Networks as the file describes them.
    pub networks: Vec<Network>,
}

impl Surroundings {
    /// Of a configuration file, or of the usual one if it is there.
    ///
    /// # Errors
    /// A usage failure that names the key.
    pub fn new(config: Option<&Path>) -> Result<Surroundings, Failure> {
        let file = File::read(config)?;
        Ok(Surroundings {
            docker: docker(file.docker.as_deref())?,
            udp_ports: udp_ports(&file, &file.vxlan_ports)?,
            networks: file.networks,
        })
    }
}

/// What a capture file is read with.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What each UDP port stands for.
    pub udp_ports: UdpPorts,
    /// Networks as the configuration file describes them.
    pub networks: Vec<Network>,
}

impl Reading {
    /// Of flags, and of a configuration file or the usual one if it is there.
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

fn udp_ports(file: &File, vxlan_ports: &[u16]) -> Result<UdpPorts, Failure> {
    UdpPorts::new(&[
        (Service::Vxlan, vxlan_ports),
        (Service::VxlanGpe, &file.vxlan_gpe_ports),
        (Service::Geneve, &file.geneve_ports),
        (Service::EspUdp, &file.esp_udp_ports),
        (Service::Wireguard, &file.wireguard_ports),
    ])
    .map_err(Failure::usage)
}

fn docker(text: Option<&str>) -> Result<Option<DockerSocket>, Failure> {
    text.map(DockerSocket::parse)
        .transpose()
        .map_err(Failure::usage)
}

/// What is behind all `-i`, checked.
///
/// # Errors
/// A usage failure, if an interface that is named is not there or cannot be watched.
pub fn select(names: &[String]) -> Result<Selection, Failure> {
    let patterns = names.iter().map(|name| Pattern::parse(name));
    let patterns = patterns
        .collect::<anyhow::Result<_>>()
        .map_err(Failure::usage)?;
    let selection = Selection::new(patterns);
    selection.check(&interface::list()?)?;
    Ok(selection)
}

fn first_given<T: Clone>(given: &[&[T]], default: &[T]) -> Vec<T> {
    given
        .iter()
        .find(|list| !list.is_empty())
        .map_or(default, |list| *list)
        .to_vec()
}

fn parse_host_flows(text: &str) -> anyhow::Result<(HostFlows, Vec<u16>)> {
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
    fn what_is_required_on_the_command_line_is_required() {
        let file = Network {
            vni: 4096,
            name: "app1".to_owned(),
            required: Requirement::Forbidden,
            source: Source::Config,
            kind: NetworkKind::Overlay,
        };
        let all = networks(&[4096, 4097, 4097], vec![file]).unwrap();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|at| at.required == Requirement::Required));
        assert_eq!(all[0].name, "app1");
        assert!(networks(&[VNI_MAX + 1], vec![]).is_err());
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_default() {
        let dir =
            std::env::temp_dir().join(format!("overlay-monitor-settings-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("config.toml");
        std::fs::write(&path, "interfaces = ['lo']\nsnap = 300\nsample_every = 7\n").unwrap();
        let args = WatchArgs {
            config: Some(path),
            sample_every: Some(9),
            ..WatchArgs::default()
        };
        let watch = plan(&args, &PolicyArgs::default(), None, Defaults::RUN).unwrap();
        assert_eq!(
            (
                watch.load.sample_every,
                watch.load.snap,
                watch.load.flow_samples
            ),
            (9, 300, 3)
        );
        let mut selection = watch.selection;
        let selected = selection.resolve(&interface::list().unwrap(), &[]);
        assert_eq!(selected.interfaces[0].name, "lo");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
