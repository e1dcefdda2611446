//! Following Docker: a list of its networks, and again whenever an event says that something may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::base::udp_ports::UdpPorts;
use crate::host::described_network::{Network, NetworkKind, Requirement};
use crate::host::docker::api::{self, Answer, Trouble};
use crate::host::docker::docker_status::{EVENTS, Found, list};
use crate::host::docker::{DockerSocket, DockerStatus, NETWORKS_MAX, unwatched_port};
use monitor_classify::text::escape;

/// How often the networks are listed though no event came: events can be lost. More often at first: a daemon that
/// has just started answers before it knows the networks of its Swarm again, and has no event for that.
const RELIST: Duration = Duration::from_secs(60);
const RELIST_FIRST: Duration = Duration::from_secs(1);
/// So long after it was lost and found a daemon may still miss networks that it knew before.
const STARTING: Duration = Duration::from_secs(30);
/// From an event to the list, so that the events of one change make one list.
const SETTLE: Duration = Duration::from_millis(100);
/// The next list waits this many times as long as the last one took, so that a tenth of the time at most goes into
/// lists; but not longer than this, since it may have been the daemon that was slow.
const SHARE: u32 = 9;
const SHARE_MAX: Duration = Duration::from_secs(3);
/// First and longest wait until the daemon is asked again.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Changes of networks that are logged one by one.
const SAID_MAX: usize = 20;
/// Characters of a name that are logged.
const NAME_SHOWN: usize = 64;

/// Keeps `state` as Docker is, for ever. Says in the log what changes.
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
    // Before the first list: what changes after it is told.
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
        // What an event says does not matter: the list says how it is now.
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

/// Adds the networks that were known before and that this daemon has not shown yet.
fn keep(networks: &mut Vec<Network>, before: &[Network], seen: &BTreeSet<u32>) {
    let missing = before.iter().filter(|network| !seen.contains(&network.vni));
    networks.extend(missing.cloned());
    networks.sort();
    networks.truncate(NETWORKS_MAX);
}

/// Takes the events that are there already: the next list answers them all. A daemon that never stops has its
/// turn again after that list.
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

/// Takes an answer over, and says what is new in it.
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
    if let Some(warning) = unwatched_port(&now, udp_ports)
        && now.data_path_port != before.data_path_port
    {
        tracing::warn!("Docker: {warning}");
    }
    state.send_replace(now);
}

/// Keeps what is known, and says once that it is getting old.
fn lose(socket: &Path, state: &watch::Sender<DockerStatus>, trouble: &Trouble) {
    let said = trouble.to_string();
    state.send_if_modified(|state| {
        // A daemon that stops is first closed, then refused, then gone: that is said once.
        if state.up == Some(false) {
            return false;
        }
        let kept = match state.networks.len() {
            0 => "what should be encrypted is not known from it".to_owned(),
            1 => "1 network stays as it was said last".to_owned(),
            many => format!("{many} networks stay as they were said last"),
        };
        tracing::warn!(
            "Docker does not answer at {}: {said}; counting goes on, {kept}",
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
        1 => format!("1 overlay network, {encrypted} encrypted"),
        many => format!("{many} overlay networks, {encrypted} encrypted"),
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
        .map(|network| format!("{} is gone", describe(network)));
    let new = now
        .values()
        .filter(|network| before.get(&network.vni) != Some(*network))
        .map(|network| match before.contains_key(&network.vni) {
            false => format!("{} is new", describe(network)),
            true => format!("{} now", describe(network)),
        });
    let all: Vec<String> = gone.chain(new).collect();
    for change in all.iter().take(SAID_MAX) {
        tracing::info!("Docker: {change}");
    }
    if let Some(more) = all.len().checked_sub(SAID_MAX).filter(|more| *more != 0) {
        tracing::info!("Docker: {more} more networks changed");
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
    fn a_daemon_that_starts_takes_nothing_back_that_it_has_not_shown() {
        let before = [
            network(1, "kept"),
            network(2, "renamed"),
            network(3, "removed"),
        ];
        // The third was in an earlier answer of this daemon.
        let seen = BTreeSet::from([2, 3]);
        let mut networks = vec![network(2, "now")];
        keep(&mut networks, &before, &seen);
        assert_eq!(networks, [network(1, "kept"), network(2, "now")]);
    }
}
