//! Keeps the networks of Docker up to date: lists them, and lists them again after each event.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::base::plural::counted;
use crate::base::udp_ports::UdpPorts;
use crate::host::described_network::{Network, NetworkKind, Requirement};
use crate::host::docker::api::{self, Answer, Trouble};
use crate::host::docker::docker_status::{EVENTS, Found, list};
use crate::host::docker::{DockerSocket, DockerStatus, NETWORKS_MAX};
use crate::host::overlay_port::unwatched_ports;
use monitor_classify::text::escape;

/// Time between lists without an event, since events can be lost. Shorter at first: a daemon that has just started
/// answers before it knows the networks of its Swarm, and sends no event for them.
const RELIST: Duration = Duration::from_secs(60);
const RELIST_FIRST: Duration = Duration::from_secs(1);
/// A daemon that answers again may miss known networks for this long.
const STARTING: Duration = Duration::from_secs(30);
/// Time from an event to the list, so that the events of one change cause one list.
const SETTLE: Duration = Duration::from_millis(100);
/// The next list waits this many times as long as the last one took, so that at most a tenth of the time goes into
/// lists that take a third of a second or less. It waits no longer than the maximum, since the daemon may have been slow.
const SHARE: u32 = 9;
const SHARE_MAX: Duration = Duration::from_secs(3);
/// First and longest wait before the next attempt to connect.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Changes of networks that are logged one by one; further ones are counted.
const LOGGED_MAX: usize = 20;
/// Characters of a name that are logged.
const NAME_SHOWN: usize = 64;

/// Keeps `state` equal to Docker's, and logs changes; runs for ever.
pub async fn keep_listed(
    socket: DockerSocket,
    udp_ports: UdpPorts,
    state: watch::Sender<DockerStatus>,
) -> Infallible {
    let Some(path) = socket.path() else {
        return std::future::pending().await;
    };
    let mut wait = RETRY_MIN;
    loop {
        let trouble = session(path, &udp_ports, &state, &mut wait).await;
        let expected = socket != DockerSocket::Auto || state.borrow().up.is_some();
        if expected || !matches!(trouble, Trouble::Absent) {
            lose(path, &state, &trouble);
        } else {
            tracing::debug!("Docker: {}: {trouble}", path.display());
        }
        sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// One connection, until it is lost.
async fn session(
    socket: &Path,
    udp_ports: &UdpPorts,
    state: &watch::Sender<DockerStatus>,
    wait: &mut Duration,
) -> Trouble {
    // Before the first list: later changes then cause an event.
    let mut events = match api::stream(socket, EVENTS).await {
        Ok(events) => events,
        Err(trouble) => return trouble,
    };
    let began = Instant::now();
    let mut seen = BTreeSet::new();
    loop {
        let start = Instant::now();
        match list(socket).await {
            Ok(mut found) => {
                let networks = &mut found.listed.networks;
                seen.extend(networks.iter().map(|network| network.vni));
                if began.elapsed() < STARTING {
                    keep(networks, &state.borrow().networks, &seen);
                }
                update(&found, udp_ports, state);
            }
            Err(trouble) => return trouble,
        }
        *wait = RETRY_MIN;
        sleep((start.elapsed() * SHARE).clamp(SETTLE, SHARE_MAX)).await;
        // The content of an event does not matter: the list has the current state.
        match timeout(began.elapsed().clamp(RELIST_FIRST, RELIST), events.next()).await {
            Err(_) => {}
            Ok(Ok(Some(_))) => {
                sleep(SETTLE).await;
                if let Err(trouble) = drain(&mut events).await {
                    return trouble;
                }
            }
            Ok(Ok(None)) => return Trouble::Lost("its events ended".to_owned()),
            Ok(Err(trouble)) => return trouble,
        }
    }
}

/// Adds the known networks that this daemon has not listed yet.
fn keep(networks: &mut Vec<Network>, before: &[Network], seen: &BTreeSet<u32>) {
    let missing = before.iter().filter(|network| !seen.contains(&network.vni));
    networks.extend(missing.cloned());
    networks.sort();
    networks.truncate(NETWORKS_MAX);
}

/// Takes the events that are queued: the next list answers them all. The bound ends the loop for a daemon that never
/// stops sending.
async fn drain(events: &mut Answer) -> Result<(), Trouble> {
    const AT_MOST: usize = 1024;
    for _ in 0..AT_MOST {
        match timeout(Duration::ZERO, events.next()).await {
            Err(_) => return Ok(()),
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => return Err(Trouble::Lost("its events ended".to_owned())),
            Ok(Err(trouble)) => return Err(trouble),
        }
    }
    Ok(())
}

/// Takes over a list, and logs what changed.
fn update(found: &Found, udp_ports: &UdpPorts, state: &watch::Sender<DockerStatus>) {
    let before = state.borrow().clone();
    let mut now = before.clone();
    found.apply_to(&mut now);
    if now == before {
        return;
    }
    match before.up {
        None => tracing::info!("Docker: {}", summary(&now.networks)),
        Some(false) => tracing::info!("Docker answers again: {}", summary(&now.networks)),
        Some(true) => {}
    }
    if before.up.is_some() {
        say_changes(&before.networks, &now.networks);
    }
    if let Some(trouble) = now
        .trouble
        .as_ref()
        .filter(|_| now.trouble != before.trouble)
    {
        tracing::warn!("Docker: {trouble}");
    }
    if now.data_path_port != before.data_path_port {
        for port in unwatched_ports(&[], Some(&now), udp_ports) {
            tracing::warn!("Docker: {port}");
        }
    }
    state.send_replace(now);
}

/// Keeps the known networks, and logs once that Docker does not answer.
fn lose(socket: &Path, state: &watch::Sender<DockerStatus>, trouble: &Trouble) {
    let said = trouble.to_string();
    state.send_if_modified(|state| {
        // A daemon that stops is first closed, then refused, then absent: that is logged once.
        if state.up == Some(false) {
            return false;
        }
        let kept = match state.networks.len() {
            0 => "no network is known from it".to_owned(),
            1 => "keeping the last known network".to_owned(),
            many => format!("keeping the {many} last known networks"),
        };
        tracing::warn!(
            "Docker does not answer at {}: {said}; {kept}; retrying",
            escape(socket.as_os_str().as_encoded_bytes(), 120)
        );
        state.up = Some(false);
        state.trouble = Some(said.clone());
        true
    });
}

fn summary(networks: &[Network]) -> String {
    let encrypted = networks
        .iter()
        .filter(|network| network.required == Requirement::Required)
        .count();
    match networks.len() {
        0 => "no overlay network on this node".to_owned(),
        many => format!(
            "{}, {encrypted} encrypted",
            counted(many, "overlay network")
        ),
    }
}

fn say_changes(before: &[Network], now: &[Network]) {
    let by_vni = |networks: &[Network]| -> BTreeMap<u32, Network> {
        let pairs = networks
            .iter()
            .map(|network| (network.vni, network.clone()));
        pairs.collect()
    };
    let (before, now) = (by_vni(before), by_vni(now));
    let gone = before
        .values()
        .filter(|network| !now.contains_key(&network.vni))
        .map(|network| format!("{} was removed", describe(network)));
    let new = now
        .values()
        .filter(|network| before.get(&network.vni) != Some(*network))
        .map(|network| match before.contains_key(&network.vni) {
            false => format!("{} was added", describe(network)),
            true => format!("changed: {}", describe(network)),
        });
    let all: Vec<String> = gone.chain(new).collect();
    for change in all.iter().take(LOGGED_MAX) {
        tracing::info!("Docker: {change}");
    }
    if let Some(more) = all.len().checked_sub(LOGGED_MAX).filter(|more| *more != 0) {
        tracing::info!("Docker: further networks that changed: {more}");
    }
}

fn describe(network: &Network) -> String {
    let encrypted = match network.required {
        Requirement::Required => "encrypted",
        Requirement::Optional | Requirement::Forbidden => "not encrypted",
    };
    let kind = match network.kind {
        NetworkKind::Overlay => "network",
        NetworkKind::Ingress => "ingress network",
    };
    format!(
        "{kind} {} (VNI {}, {encrypted})",
        escape(&network.name, NAME_SHOWN),
        network.vni
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Source;

    fn network(vni: u32, name: &str) -> Network {
        Network {
            vni,
            name: name.to_owned(),
            required: Requirement::Required,
            source: Source::Docker,
            kind: NetworkKind::Overlay,
        }
    }

    #[test]
    fn a_starting_daemon_removes_no_network_that_it_has_not_listed() {
        let before = [
            network(1, "kept"),
            network(2, "renamed"),
            network(3, "removed"),
        ];
        // An earlier list of this daemon had the third.
        let seen = BTreeSet::from([2, 3]);
        let mut networks = vec![network(2, "now")];
        keep(&mut networks, &before, &seen);
        assert_eq!(networks, [network(1, "kept"), network(2, "now")]);
    }
}
