//! Polls the policy, and logs violations with their likely causes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use monitor_common::direction::Direction;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::node_agent::SharedAgent;
use crate::agent::watchdog::Watchdog;
use crate::base::beat::{self, Beat};
use crate::base::failure::Failure;
use crate::host::described_network::shown;
use crate::host::facts::HostFacts;
use crate::host::{docker, ipsec};
use crate::policy::cause::{self, Symptom};
use crate::policy::violation::{Breach, Event};
use crate::policy::{Policy, SharedPolicy, Violation, violation_text};

/// How often cleartext of networks that must be encrypted is polled: a violation is logged within two seconds.
const POLL: Duration = beat::PERIOD.saturating_mul(POLL_BEATS);
const POLL_BEATS: u32 = 2;
/// Bounds of the time between updates of the states.
const UPDATE_MAX: Duration = Duration::from_secs(5);
const UPDATE_FORBIDDEN: Duration = Duration::from_secs(1);
/// Updates in a window.
const UPDATES: u32 = 12;

/// Logs a line about a violation, with its fields for a log in JSON.
macro_rules! log {
    ($level:ident, $event:expr, $violation:expr, $($text:tt)+) => {
        tracing::event!(
            tracing::Level::$level,
            event = $event,
            vni = u64::from($violation.vni),
            network = shown_if_any(&$violation.name).as_deref(),
            breach = $violation.breach.name(),
            direction = $violation.direction.label(),
            packets = $violation.tally.count.packets,
            bytes = $violation.tally.count.bytes,
            $($text)+
        )
    };
}

/// The name of a network, escaped; `None` if it has none.
fn shown_if_any(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| shown(name))
}

/// Polls the policy and takes over the networks of Docker, until the future is dropped. States are evaluated over
/// `window`, and `watchdog` is notified of each poll.
///
/// # Errors
/// A runtime failure, if a task fails. A refusal of the kernel is logged and retried.
pub(in crate::agent) async fn keep_current(
    agent: SharedAgent,
    policy: SharedPolicy,
    mut docker: watch::Receiver<docker::DockerStatus>,
    window: Duration,
    watchdog: &Watchdog,
    mut beat: Beat,
) -> Result<(), Failure> {
    let (mut said, mut spot) = (None, None);
    let mut has_forbidden = false;
    let mut updated = None::<tokio::time::Instant>;
    let (mut opened, mut explaining) = (Vec::new(), JoinSet::new());
    loop {
        for _ in 0..POLL_BEATS {
            beat.next().await;
        }
        let now = tokio::time::Instant::now();
        let longest = if has_forbidden {
            UPDATE_FORBIDDEN
        } else {
            UPDATE_MAX
        };
        let period = (window / UPDATES).clamp(POLL, longest);
        // A little early rather than a whole tick late.
        let networks = docker.has_changed().unwrap_or(false).then(|| {
            let state = docker.borrow_and_update();
            state.networks.clone()
        });
        let due = networks.is_some()
            || updated.is_none_or(|at| now.duration_since(at) + POLL / 2 >= period);
        let shared = (Arc::clone(&agent), Arc::clone(&policy));
        let elsewhere = || {
            tokio::task::spawn_blocking(move || {
                let (agent, policy) = shared;
                if let Some(networks) = networks {
                    lock(&policy).set_docker(networks);
                }
                if due {
                    let mut agent = agent
                        .lock()
                        .map_err(|_| Failure::runtime(anyhow::anyhow!("the agent failed")))?;
                    agent.prepare_networks();
                    lock(&policy).set_offloaded(offloaded());
                    agent.update_states()?;
                    Ok(Some(
                        lock(&policy).networks().blind_spot(agent.attribution()),
                    ))
                } else {
                    lock(&policy).poll().map(|()| None)
                }
            })
        };
        let polled = if due { None } else { poll_here(&policy) };
        let result: Result<Option<Option<String>>, Failure> = match polled {
            Some(polled) => polled.map(|()| None),
            None => elsewhere().await.map_err(Failure::runtime)?,
        };
        if let Some(policy) = try_lock(&policy) {
            has_forbidden = policy.has_forbidden();
        }
        let trouble = match result {
            Ok(None) => None,
            Ok(Some(now_blind)) => {
                updated = Some(now);
                if let Some(now_blind) = now_blind.as_ref().filter(|_| now_blind != spot) {
                    tracing::warn!("{now_blind}");
                }
                spot = now_blind;
                None
            }
            Err(failure) => Some(failure.to_string()),
        };
        if let Some(trouble) = trouble.as_ref().filter(|_| trouble != said) {
            tracing::error!("cannot evaluate the networks: {trouble}; retrying");
        }
        said = trouble;
        watchdog.evaluated();
        // If another thread has the policy, the next time.
        let events = try_lock(&policy).map(|mut policy| policy.take_events());
        opened.append(&mut log_all(events.unwrap_or_default()));
        // Beside the polls: reading the firewall can take seconds.
        if !opened.is_empty() && explaining.is_empty() {
            let shared = (Arc::clone(&agent), Arc::clone(&policy));
            let opened = std::mem::take(&mut opened);
            explaining.spawn_blocking(move || explain(&shared.0, &shared.1, opened));
        }
        if let Some(explained) = explaining.try_join_next() {
            explained.map_err(Failure::runtime)?;
        }
    }
}

/// Polls on this thread: to use another one would cost more than most polls. `None` if it takes longer, or if another thread
/// has the policy.
fn poll_here(policy: &SharedPolicy) -> Option<Result<(), Failure>> {
    match try_lock(policy)?.poll_quickly() {
        Ok(false) => None,
        polled => Some(polled.map(|_| ())),
    }
}

/// Logs the queued events, and returns the violations that opened, for [`explain`].
pub fn log_events(policy: &SharedPolicy) -> Vec<Violation> {
    let events = lock(policy).take_events();
    log_all(events)
}

fn log_all(events: Vec<Event>) -> Vec<Violation> {
    let mut opened = Vec::new();
    for event in events {
        let violation = event.violation();
        match &event {
            Event::Opened(_) | Event::Spread(_, _) => {
                log!(WARN, event.name(), violation, "{event}");
            }
            Event::Ended(_, _) => log!(INFO, event.name(), violation, "{event}"),
        }
        if let Event::Opened(violation) = event {
            opened.push(violation);
        }
    }
    opened
}

/// Finds and logs the likeliest causes of violations by the state of this host. It blocks, for seconds at worst.
pub fn explain(agent: &SharedAgent, policy: &SharedPolicy, opened: Vec<Violation>) {
    if opened.is_empty() {
        return;
    }
    let udp_ports = agent
        .lock()
        .map(|agent| agent.udp_ports())
        .unwrap_or_default();
    // Read once for all violations.
    let host = HostFacts::read(&udp_ports, &[]);
    for mut violation in opened {
        violation.causes = causes(&violation, &host);
        if !violation.causes.is_empty() {
            lock(policy).explain(&violation, &violation.causes);
            let text = violation_text::with_causes(&violation);
            log!(WARN, "violation_cause", violation, "{text}");
        }
    }
}

/// The likeliest causes of a violation by the state of this host.
fn causes(violation: &Violation, host: &HostFacts) -> Vec<String> {
    let vni = violation.vni;
    let peer = violation.peers.first().and_then(|peer| peer.node);
    let symptom = match (violation.breach, violation.direction) {
        (Breach::Cleartext, Direction::Rx) => Symptom::Received { vni, peer },
        (Breach::Cleartext, Direction::Tx) => Symptom::Sent { vni, peer },
        // Encryption is configured on purpose: there is no fault to explain.
        (Breach::Encrypted, _) => return Vec::new(),
    };
    let likely = cause::explain(&symptom, host, &[]);
    likely.iter().map(ToString::to_string).collect()
}

/// Nodes that a network card encrypts for, by the kernel's associations. Empty without IPsec, or without the privilege to
/// list them.
fn offloaded() -> BTreeSet<IpAddr> {
    let states = ipsec::associations().unwrap_or_default();
    let by_card =
        |state: &ipsec::SecurityAssociation| state.offload.is_some_and(|offload| offload.packet);
    states
        .iter()
        .filter(|state| by_card(state))
        .map(|state| state.destination)
        .collect()
}

fn lock(policy: &SharedPolicy) -> MutexGuard<'_, Policy> {
    policy.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock(policy: &SharedPolicy) -> Option<MutexGuard<'_, Policy>> {
    match policy.try_lock() {
        Ok(policy) => Some(policy),
        Err(TryLockError::Poisoned(policy)) => Some(policy.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
