//! Whether Docker answers, and which networks it reports.

use std::collections::BTreeSet;
use std::path::Path;

use super::finding::{Check, Finding, limited, works};
use crate::host::docker::{self, DEFAULT_SOCKET, DockerSocket, DockerStatus};
use crate::policy::{Network, Requirement};
use monitor_classify::text::escape;

/// Networks that are listed of each requirement.
const NAMED: usize = 5;

/// Asks Docker once: the finding, and what it answered.
pub(super) async fn docker(socket: &DockerSocket) -> (Finding, DockerStatus) {
    let Some(path) = socket.path() else {
        let off = works(Check::Docker, "Docker", "not asked (off)");
        return (off, DockerStatus::default());
    };
    let Some(state) = docker::query(socket).await else {
        let finding = works(
            Check::Docker,
            "no Docker",
            format!(
                "no {DEFAULT_SOCKET}, so networks that must be encrypted are not known from it"
            ),
        );
        return (finding, DockerStatus::default());
    };
    let finding = match &state.trouble {
        Some(trouble) => limited(
            Check::Docker,
            "Docker",
            format!(
                "{}: {trouble}; networks that must be encrypted are not {}known from it",
                shown(path),
                if state.up == Some(true) { "all " } else { "" }
            ),
        ),
        None => works(Check::Docker, "Docker", summary(&state.networks)),
    };
    (finding, state)
}

/// Networks of Docker that must be encrypted and certainly have no container on this host.
pub(super) async fn idle(socket: &DockerSocket, networks: &[Network]) -> BTreeSet<u32> {
    let required = |network: &&Network| network.required == Requirement::Required;
    if !networks.iter().any(|network| required(&network)) {
        return BTreeSet::new();
    }
    let Some(in_use) = docker::networks_in_use(socket).await else {
        return BTreeSet::new();
    };
    let required = networks.iter().filter(required);
    let idle = required.filter(|network| !in_use.contains(&network.name));
    idle.map(|network| network.vni).collect()
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
