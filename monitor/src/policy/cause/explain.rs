//! From a symptom and the host's state to the likeliest causes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use monitor_common::label::Direction;

use super::named::{Cause, Likely};
use super::spi::{self, Form};
use crate::host::firewall::{Firewall, MARK};
use crate::host::state::HostState;
use crate::host::xfrm::{State, XfrmError};
use crate::traffic::activity::Activity;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symptom {
    /// Cleartext of a network that must be encrypted left this host.
    Sent {
        /// VXLAN Network Identifier.
        vni: u32,
        /// To where, if that is known.
        peer: Option<IpAddr>,
    },
    /// Cleartext of a network that must be encrypted came in.
    Received {
        /// VXLAN Network Identifier.
        vni: u32,
        /// From where, if that is known.
        peer: Option<IpAddr>,
    },
    /// Nothing in particular: what is wrong with ESP itself.
    Esp,
}

/// SPIs that nobody knows and that are looked into: each takes a few milliseconds.
const UNKNOWN_SPIS: usize = 16;
/// Nodes and associations that are named of each cause.
const NAMED: usize = 3;
/// So long must ESP be sent without any coming back before it is called blocked.
const UNANSWERED: Duration = Duration::from_secs(30);
/// The part of the sequence numbers from which on they are running out, 0 to 1, and the time left from which on.
const USED_UP: f64 = 0.8;
const LEFT: Duration = Duration::from_secs(2 * 3600);
/// Loss in percent that is worth saying, of so many packets at least.
const LOSS: f64 = 1.0;
const LOSS_OF: u64 = 100;
/// Docker's overlays send IP packets of up to this many bytes between nodes, encrypted or not, whatever the NIC takes.
const OVERLAY_MTU: u32 = 1500;

/// The causes that this host's state speaks for, the likeliest first. `active` is what associations are doing, where
/// that is watched.
#[must_use]
pub fn explain(symptom: &Symptom, host: &HostState, active: &[Activity]) -> Vec<Likely> {
    match *symptom {
        Symptom::Sent { vni, peer } => sent(vni, peer, host),
        Symptom::Received { vni, peer } => received(vni, peer, host),
        Symptom::Esp => esp(host, active),
    }
}

fn sent(vni: u32, peer: Option<IpAddr>, host: &HostState) -> Vec<Likely> {
    let mut causes = Vec::new();
    let to: Vec<&State> = match peer {
        Some(peer) => host.to(peer).collect(),
        None => host.esp().collect(),
    };
    causes.extend(null_cipher(to.iter().copied()));
    let by_card = |state: &&State| state.offload.is_some_and(|offload| offload.packet);
    if to.iter().any(by_card) {
        causes.push(Likely::new(Cause::CardEncrypts, ""));
    }
    let firewall = &host.firewall;
    let marked = &firewall.rules.marked;
    let no_policy = host.policies.is_ok() && !host.has_policy_to(peer);
    if marked.has(vni) {
        if no_policy {
            let to = peer.map(|peer| format!("to {peer}")).unwrap_or_default();
            causes.push(Likely::new(Cause::NoPolicy, to));
        } else if causes.is_empty() {
            causes.push(Likely::new(Cause::AllInPlace, ""));
        }
    } else if !firewall.is_whole() {
        causes.push(unread(firewall));
    } else if marked.is_empty() && no_policy && !host.has_policy_to(None) {
        causes.push(Likely::new(Cause::NothingSetUp, ""));
    } else {
        let others = if marked.is_empty() {
            "no network on this host has one"
        } else {
            "other networks on this host have theirs"
        };
        causes.push(Likely::new(Cause::NoMarkingRule, others));
    }
    causes
}

fn received(vni: u32, peer: Option<IpAddr>, host: &HostState) -> Vec<Likely> {
    let mut causes = Vec::new();
    let firewall = &host.firewall;
    if is_bare(host) {
        return vec![Likely::new(Cause::NothingSetUp, "")];
    }
    let refused = firewall.rules.refused.has(vni);
    if let Some(peer) = peer {
        causes.extend(null_cipher(host.from(peer)));
        let dropped = if refused { "; dropped here" } else { "" };
        match &host.states {
            // All that it sends in ESP is cleartext: it needs no broken rule.
            Ok(_) if !causes.is_empty() && host.from(peer).all(State::is_readable) => {}
            Ok(_) if host.from(peer).next().is_some() => {
                causes.push(Likely::new(
                    Cause::PeerSendsCleartext,
                    format!("{peer}{dropped}"),
                ));
            }
            Ok(_) => causes.push(Likely::new(Cause::Stranger, format!("{peer}{dropped}"))),
            Err(trouble) => causes.push(Likely::new(
                Cause::PeerSendsCleartext,
                format!(
                    "{peer}{dropped}; whether it encrypts with this host cannot be read: {trouble}"
                ),
            )),
        }
    }
    if !refused {
        causes.push(if firewall.is_whole() {
            Likely::new(Cause::NoRefusingRule, "")
        } else {
            unread(firewall)
        });
    }
    causes
}

/// Whether it is certain that this host has nothing that encrypts: no rule, no policy, no association. Then whoever
/// sends cleartext to it is no stranger for that.
fn is_bare(host: &HostState) -> bool {
    let Firewall { rules, .. } = &host.firewall;
    host.firewall.is_whole()
        && rules.marked.is_empty()
        && rules.refused.is_empty()
        && host.policies.is_ok()
        && !host.has_policy_to(None)
        && host.states.is_ok()
        && host.esp().next().is_none()
}

/// Where not all rules were seen, a rule that was not is not missing.
fn unread(firewall: &Firewall) -> Likely {
    Likely::new(Cause::FirewallUnread, firewall.untold.join("; "))
}

fn null_cipher<'a>(states: impl Iterator<Item = &'a State>) -> Option<Likely> {
    let readable: Vec<String> = states
        .filter(|state| state.is_readable())
        .map(|state| {
            format!(
                "SPI {:#010x} from {} to {}: {}",
                state.spi,
                state.source,
                state.destination,
                state
                    .algorithms
                    .iter()
                    .map(|name| monitor_classify::text::escape(name, 40))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        })
        .collect();
    (!readable.is_empty()).then(|| Likely::new(Cause::NullCipher, named(&readable)))
}

/// The first of many, and how many more there are.
fn named(all: &[String]) -> String {
    let mut text = all[..all.len().min(NAMED)].join(", ");
    if let Some(more) = all.len().checked_sub(NAMED).filter(|more| *more != 0) {
        text.push_str(&format!(", and {more} more"));
    }
    text
}

fn esp(host: &HostState, active: &[Activity]) -> Vec<Likely> {
    let mut causes = Vec::new();
    causes.extend(null_cipher(host.esp()));
    causes.extend(unknown(host, active));
    causes.extend(blocked(host, active));
    causes.extend(sequence_numbers(host, active));
    causes.extend(loss(host, active));
    causes.extend(integrity(host));
    causes.extend(fragments(host, active));
    causes
}

/// ESP to this host that it has no association for.
fn unknown(host: &HostState, active: &[Activity]) -> Vec<Likely> {
    // An association that was taken away since its last packet, as at each change of keys, is nothing missed: only
    // where the kernel dropped packets for want of one.
    if host.states.is_err() || !host.errors.contains_key(&XfrmError::InNoStates) {
        return Vec::new();
    }
    let unknown: Vec<&Activity> = active
        .iter()
        .filter(|row| {
            row.direction == Direction::Rx
                && host.addresses.contains(&row.destination)
                && host.state(row.spi, row.destination).is_none()
        })
        .take(UNKNOWN_SPIS)
        .collect();
    let (mut mixed, mut missing) = (Vec::new(), Vec::new());
    for row in unknown {
        let ours: BTreeSet<Form> = host
            .from(row.source)
            .take(NAMED)
            .filter_map(|state| spi::form(state.source, state.destination, state.spi))
            .collect();
        match spi::form(row.source, row.destination, row.spi) {
            Some(theirs) if !ours.is_empty() && !ours.contains(&theirs) => {
                mixed.push(format!("{}: {}", row.source, theirs.describe()));
            }
            Some(_) | None => missing.push(format!(
                "SPI {:#010x} from {}, {} packets",
                row.spi, row.source, row.packets
            )),
        }
    }
    mixed.dedup();
    let of = |cause, all: Vec<String>| (!all.is_empty()).then(|| Likely::new(cause, named(&all)));
    [
        of(Cause::MixedVersions, mixed),
        of(Cause::NoInboundState, missing),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// ESP that nobody answers. Where the kernel decrypts before we see it (`esp4_offload`), none is seen to come.
fn blocked(host: &HostState, active: &[Activity]) -> Option<Likely> {
    if host.decrypted_unseen {
        return None;
    }
    let heard: BTreeSet<IpAddr> = active
        .iter()
        .filter(|row| row.direction == Direction::Rx)
        .map(Activity::peer)
        .collect();
    let deaf: Vec<String> = active
        .iter()
        .filter(|row| {
            row.direction == Direction::Tx
                && row.age >= UNANSWERED
                && !heard.contains(&row.peer())
                // That which hides nothing is counted as cleartext, not as ESP.
                && !host.from(row.peer()).any(State::is_readable)
        })
        .map(|row| format!("to {}, {} packets sent", row.peer(), row.packets))
        .collect();
    (!deaf.is_empty()).then(|| Likely::new(Cause::Blocked, named(&deaf)))
}

fn sequence_numbers(host: &HostState, active: &[Activity]) -> Option<Likely> {
    let mut found = Vec::new();
    if let Some(dropped) = host.errors.get(&XfrmError::OutStateSeqError) {
        found.push(format!("{dropped} packets were dropped for it"));
    }
    for row in active {
        let state = host.state(row.spi, row.destination);
        // Anybody can write a high number on a packet: without an association of ours it tells nothing.
        let counts = match state {
            Some(state) => !state.extended_sequence,
            None => row.direction == Direction::Tx && host.states.is_err(),
        };
        let soon = row.left().is_some_and(|left| left < LEFT);
        if counts && (row.used() >= USED_UP || soon) {
            let mut text = format!(
                "SPI {:#010x} to {}: {:.0} % used",
                row.spi,
                row.destination,
                100.0 * row.used()
            );
            if let Some(left) = row.left() {
                text.push_str(&format!(
                    ", {} left at {:.0} packets/s",
                    time(left),
                    row.rate
                ));
            }
            found.push(text);
        }
    }
    if active.is_empty() {
        let full = |state: &&State| {
            !state.extended_sequence && state.sequence_sent as f64 / f64::from(u32::MAX) >= USED_UP
        };
        found.extend(host.esp().filter(full).map(|state| {
            format!(
                "SPI {:#010x} to {}: {:.0} % used",
                state.spi,
                state.destination,
                100.0 * state.sequence_sent as f64 / f64::from(u32::MAX)
            )
        }));
    }
    (!found.is_empty()).then(|| Likely::new(Cause::SequenceNumbers, named(&found)))
}

fn time(left: Duration) -> String {
    let minutes = left.as_secs() / 60;
    match minutes {
        0 => format!("{} s", left.as_secs()),
        1..120 => format!("{minutes} min"),
        _ => format!("{} h", minutes / 60),
    }
}

fn loss(host: &HostState, active: &[Activity]) -> Option<Likely> {
    let lossy: Vec<String> = active
        .iter()
        .filter(|row| row.direction == Direction::Rx && row.packets >= LOSS_OF)
        .filter(|row| {
            host.state(row.spi, row.destination)
                .is_some_and(|state| !state.extended_sequence)
        })
        .filter_map(|row| {
            let sent = row.packets.saturating_sub(row.later_fragments) + row.missing;
            let percent = 100.0 * row.missing as f64 / sent as f64;
            (percent >= LOSS)
                .then(|| format!("from {}: {percent:.1} % of {sent} packets", row.source))
        })
        .collect();
    (!lossy.is_empty()).then(|| Likely::new(Cause::Loss, named(&lossy)))
}

fn integrity(host: &HostState) -> Option<Likely> {
    let failed: Vec<String> = host
        .esp()
        .filter(|state| state.integrity_failed != 0)
        .map(|state| {
            format!(
                "SPI {:#010x} from {}: {} packets",
                state.spi, state.source, state.integrity_failed
            )
        })
        .collect();
    (!failed.is_empty()).then(|| Likely::new(Cause::Integrity, named(&failed)))
}

/// ESP that was seen in fragments, and interfaces that make them.
fn fragments(host: &HostState, active: &[Activity]) -> Option<Likely> {
    // Anybody can send fragments with an SPI of his own.
    let seen = active
        .iter()
        .filter(|row| row.later_fragments != 0)
        .filter(|row| {
            row.direction == Direction::Tx || host.state(row.spi, row.destination).is_some()
        });
    let mut found: Vec<String> = seen
        .map(|row| {
            let way = match row.direction {
                Direction::Rx => "from",
                Direction::Tx => "to",
            };
            let whole = row.packets.saturating_sub(row.later_fragments);
            format!(
                "{way} {}: {whole} of ESP in {} packets",
                row.peer(),
                row.packets
            )
        })
        .collect();
    if host.esp().any(|state| state.reqid == MARK) {
        let small = host
            .mtus
            .iter()
            .filter(|(_, mtu)| *mtu != 0 && *mtu < OVERLAY_MTU);
        found.extend(small.map(|(name, mtu)| {
            format!("{name} takes {mtu} bytes, Docker sends up to {OVERLAY_MTU}")
        }));
    }
    (!found.is_empty()).then(|| Likely::new(Cause::Fragments, named(&found)))
}

#[cfg(test)]
mod tests;
