//! The plan of a command that watches: flags override the configuration file, which overrides the defaults.

use monitor_common::map_size::NETWORKS;
use monitor_common::wire::VNI_MAX;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use monitor_common::config::HostFlows;

use super::config_file::{CONFIG_FILE, File, ForgetAfter, Window};
use super::values::{docker, first_given, listen_address, parse_host_flows, select, udp_ports};
use crate::agent::watch_plan::WatchPlan;
use crate::base::failure::Failure;
use crate::command::cli::{ExportArgs, PolicyArgs, WatchArgs};
use crate::kernel::{Caps, LoadOptions};
use crate::policy::{Network, NetworkKind, Requirement, Source};

/// Default window of the state of a network.
const WINDOW: Duration = Duration::from_secs(60);

/// Default time after which what is not described is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(3600);
/// Default number of undescribed networks that are exported apart.
const UNKNOWN_NETWORKS: u32 = 1024;

/// Defaults that differ between commands.
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
    pub esp_timing: bool,
    /// See [`LoadOptions`].
    pub esp_packet_timing: bool,
    /// See [`LoadOptions`].
    pub caps: Caps,
    /// Whether states and violations of networks are evaluated.
    pub policy: bool,
    /// Whether what was silent for long is forgotten. An audit reports all that it saw.
    pub forgets: bool,
}

impl Defaults {
    /// For the node agent: low cost.
    pub const RUN: Defaults = Defaults {
        sample_every: 1000,
        flow_samples: 3,
        snap: 256,
        host_flows: HostFlows::Off,
        exposure: true,
        esp_networks: true,
        esp_timing: true,
        esp_packet_timing: true,
        caps: Caps::DEFAULT,
        policy: true,
        forgets: true,
    };
    /// For an audit: as for the agent, with host traffic and longer samples.
    pub const AUDIT: Defaults = Defaults {
        snap: 512,
        host_flows: HostFlows::All,
        // Its report has no time.
        esp_timing: false,
        esp_packet_timing: false,
        forgets: false,
        ..Defaults::RUN
    };
    /// For a user who watches samples: everything.
    pub const TAIL: Defaults = Defaults {
        sample_every: 1,
        flow_samples: 0,
        snap: 512,
        host_flows: HostFlows::All,
        exposure: false,
        esp_networks: false,
        esp_timing: false,
        esp_packet_timing: false,
        caps: Caps::NONE,
        policy: false,
        forgets: false,
    };
}

/// Validates flags and configuration file.
///
/// # Errors
/// A usage failure that names the flag or the key, and its values.
pub fn plan(
    args: &WatchArgs,
    policy: &PolicyArgs,
    export: &ExportArgs,
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
    // `tail` prints samples and classifies no flows for the kernel.
    let exposure = match policy.exposure.or(file.exposure) {
        Some(wanted) => wanted && defaults.exposure,
        None => defaults.exposure && flow_samples != 0,
    };
    if exposure && flow_samples == 0 {
        return Err(Failure::usage(anyhow!(
            "exposure needs samples of each flow: set flow_samples to 1 or more, or exposure to false"
        )));
    }
    let snap = args.snap.or(file.snap).unwrap_or(defaults.snap);
    let listen = listen_address(export.listen.as_deref().or(file.listen.as_deref()))?;
    let file_web = file.web_config.filter(|path| !path.is_empty());
    let web_config = export.web_config.clone().or(file_web.map(PathBuf::from));
    let names = first_given(&[&args.interfaces, &file.interfaces], &[]);
    if names.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no interface to watch: name the one that carries the traffic between nodes with -i (-i default is that of the \
             default route), or as `interfaces` in {CONFIG_FILE}"
        )));
    }
    let networks = networks(&policy.require, file.networks).map_err(Failure::usage)?;
    let file_window = file.window.map(|Window(window)| window);
    let window = policy.window.or(file_window).unwrap_or(WINDOW);
    let file_forget = file.forget_after.map(|ForgetAfter(time)| time);
    let forget_after = match defaults.forgets {
        true => export.forget_after.or(file_forget).unwrap_or(FORGET_AFTER),
        false => Duration::MAX,
    };
    let unknown_networks = export
        .unknown_networks
        .or(file.unknown_networks)
        .unwrap_or(UNKNOWN_NETWORKS);
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
            esp_timing: file.esp_timing.unwrap_or(true) && defaults.esp_timing,
            esp_packet_timing: file.esp_packet_timing.unwrap_or(true) && defaults.esp_packet_timing,
            caps,
            policy: defaults.policy && !networks.is_empty(),
            ..LoadOptions::default()
        },
        listen,
        web_config,
        page: file.page.unwrap_or(true),
        hosts: file.hosts,
        networks,
        policy: defaults.policy,
        window,
        forget_after,
        unknown_networks: unknown_networks as usize,
        docker: docker(file.docker.as_deref())?,
        state_window: window,
    })
}

/// The configured networks: `--require` overrides the configuration file.
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
            bail!("more than {NETWORKS} networks: remove some");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_overrides_the_requirement_of_the_file() {
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
}
