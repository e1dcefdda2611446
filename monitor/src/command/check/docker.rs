//! Whether Docker answers, and which networks it reports.

use std::path::Path;

use super::finding::{Finding, limited, works};
use crate::base::udp_ports::UdpPorts;
use crate::host::docker::{self, DEFAULT_SOCKET, DockerSocket};
use crate::policy::{Network, Requirement};
use monitor_classify::text::escape;

/// Networks that are listed of each requirement.
const NAMED: usize = 5;

/// Asks Docker once: the findings, and its networks.
pub(super) async fn docker(
    socket: &DockerSocket,
    udp_ports: &UdpPorts,
) -> (Vec<Finding>, Vec<Network>) {
    let Some(path) = socket.path() else {
        return (vec![works("Docker", "not asked (off)")], Vec::new());
    };
    let Some(state) = docker::query(socket).await else {
        let finding = works(
            "no Docker",
            format!(
                "no {DEFAULT_SOCKET}, so networks that must be encrypted are not known from it"
            ),
        );
        return (vec![finding], Vec::new());
    };
    let mut findings = vec![match &state.trouble {
        Some(trouble) => limited(
            "Docker",
            format!(
                "{}: {trouble}; networks that must be encrypted are not {}known from it",
                shown(path),
                if state.up == Some(true) { "all " } else { "" }
            ),
        ),
        None => works("Docker", summary(&state.networks)),
    }];
    if let Some(warning) = docker::unwatched_port(&state, udp_ports) {
        findings.push(limited("  port of the Swarm", warning));
    }
    (findings, state.networks)
}

fn summary(networks: &[Network]) -> String {
    if networks.is_empty() {
        return "no overlay network on this node".to_owned();
    }
    let of = |required: Requirement| {
        let mut names = networks
            .iter()
            .filter(|network| network.required == required)
            .map(|network| format!("{} (VNI {})", escape(&network.name, 40), network.vni));
        let mut said: Vec<String> = names.by_ref().take(NAMED).collect();
        match names.count() {
            0 => {}
            more => said.push(format!("and {more} more")),
        }
        if said.is_empty() {
            "none".to_owned()
        } else {
            said.join(", ")
        }
    };
    format!(
        "must be encrypted: {}; may be cleartext: {}",
        of(Requirement::Required),
        of(Requirement::Optional)
    )
}

fn shown(socket: &Path) -> String {
    escape(socket.as_os_str().as_encoded_bytes(), 120)
}
