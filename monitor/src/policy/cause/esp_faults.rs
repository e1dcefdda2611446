//! Faults of ESP itself: readable, unknown to this host, unanswered, lossy, corrupt or fragmented.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use monitor_common::direction::Direction;

use super::catalogue::{Cause, LISTED, Likely};
use super::spi::{self, Form};
use crate::base::plural::counted;
use crate::host::facts::HostFacts;
use crate::host::firewall::MARK;
use crate::host::ipsec::{SecurityAssociation, XfrmError};
use crate::traffic::association_activity::Activity;

/// Unknown SPIs that are examined: each takes a few milliseconds.
const UNKNOWN_SPIS: usize = 16;
/// ESP must be sent for this long without an answer before it counts as blocked.
const UNANSWERED: Duration = Duration::from_secs(30);
/// Part of the sequence numbers, 0 to 1, from which on they are running out, and the time left from which on.
const USED_UP: f64 = 0.8;
const LEFT: Duration = Duration::from_secs(2 * 3600);
/// Loss in percent that is reported, and the packets it needs at least.
const LOSS: f64 = 1.0;
const LOSS_OF: u64 = 100;
/// Docker's overlays send IP packets of up to this many bytes between nodes, encrypted or not, whatever the NIC's MTU.
const OVERLAY_MTU: u32 = 1500;

/// The faults of ESP itself, the likeliest first.
pub(super) fn find(host: &HostFacts, active: &[Activity]) -> Vec<Likely> {
    let mut causes = Vec::new();
    causes.extend(null_cipher(host.esp_associations()));
    causes.extend(unknown(host, active));
    causes.extend(blocked(host, active));
    causes.extend(sequence_numbers(host, active));
    causes.extend(loss(host, active));
    causes.extend(integrity(host));
    causes.extend(fragments(host, active));
    causes
}

/// ESP to this host without an association.
fn unknown(host: &HostFacts, active: &[Activity]) -> Vec<Likely> {
    // An association may have been removed since its last packet, as at each change of keys. Only if the kernel dropped
    // packets for lack of one it is missing.
    if host.associations.is_err() || !host.errors.contains_key(&XfrmError::InNoStates) {
        return Vec::new();
    }
    let unknown: Vec<&Activity> = active
        .iter()
        .filter(|row| {
            row.direction == Direction::Rx
                && host.addresses.contains(&row.destination)
                && host.esp_association(row.spi, row.destination).is_none()
        })
        .take(UNKNOWN_SPIS)
        .collect();
    let (mut mixed, mut missing) = (Vec::new(), Vec::new());
    for row in unknown {
        let ours: BTreeSet<Form> = host
            .esp_from(row.source)
            .take(LISTED)
            .filter_map(|state| spi::form(state.source, state.destination, state.spi))
            .collect();
        match spi::form(row.source, row.destination, row.spi) {
            Some(theirs) if !ours.is_empty() && !ours.contains(&theirs) => {
                mixed.push(format!("{}: {}", row.source, theirs.describe()));
            }
            Some(_) | None => missing.push(format!(
                "SPI {:#010x} from {}, {}",
                row.spi,
                row.source,
                counted(row.packets, "packet")
            )),
        }
    }
    mixed.dedup();
    [
        Likely::listing(Cause::MixedVersions, &mixed),
        Likely::listing(Cause::NoInboundState, &missing),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// ESP without an answer. Where the kernel decrypts before the hook (`esp4_offload`), received ESP is not seen.
fn blocked(host: &HostFacts, active: &[Activity]) -> Option<Likely> {
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
                // Readable ESP is counted as cleartext, not as ESP.
                && !host.esp_from(row.peer()).any(SecurityAssociation::is_readable)
        })
        .map(|row| format!("to {}, {} sent", row.peer(), counted(row.packets, "packet")))
        .collect();
    Likely::listing(Cause::Blocked, &deaf)
}

fn sequence_numbers(host: &HostFacts, active: &[Activity]) -> Option<Likely> {
    let mut found = Vec::new();
    if let Some(dropped) = host.errors.get(&XfrmError::OutStateSeqError) {
        found.push(format!("dropped for it: {}", counted(*dropped, "packet")));
    }
    for row in active {
        let state = host.esp_association(row.spi, row.destination);
        // Anyone can send a high sequence number: without an association of ours it proves nothing.
        let counts = match state {
            Some(state) => !state.extended_sequence,
            None => row.direction == Direction::Tx && host.associations.is_err(),
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
        let full = |state: &&SecurityAssociation| {
            !state.extended_sequence && state.sequence_sent as f64 / f64::from(u32::MAX) >= USED_UP
        };
        found.extend(host.esp_associations().filter(full).map(|state| {
            format!(
                "SPI {:#010x} to {}: {:.0} % used",
                state.spi,
                state.destination,
                100.0 * state.sequence_sent as f64 / f64::from(u32::MAX)
            )
        }));
    }
    Likely::listing(Cause::SequenceNumbers, &found)
}

fn time(left: Duration) -> String {
    let minutes = left.as_secs() / 60;
    match minutes {
        0 => format!("{} s", left.as_secs()),
        1..120 => format!("{minutes} min"),
        _ => format!("{} h", minutes / 60),
    }
}

fn loss(host: &HostFacts, active: &[Activity]) -> Option<Likely> {
    let lossy: Vec<String> = active
        .iter()
        .filter(|row| row.direction == Direction::Rx && row.packets >= LOSS_OF)
        .filter(|row| {
            host.esp_association(row.spi, row.destination)
                .is_some_and(|state| !state.extended_sequence)
        })
        .filter_map(|row| {
            let sent = row.packets.saturating_sub(row.later_fragments) + row.missing;
            let percent = 100.0 * row.missing as f64 / sent as f64;
            (percent >= LOSS)
                .then(|| format!("from {}: {percent:.1} % of {sent} packets", row.source))
        })
        .collect();
    Likely::listing(Cause::Loss, &lossy)
}

fn integrity(host: &HostFacts) -> Option<Likely> {
    let failed: Vec<String> = host
        .esp_associations()
        .filter(|state| state.integrity_failed != 0)
        .map(|state| {
            format!(
                "SPI {:#010x} from {}: {}",
                state.spi,
                state.source,
                counted(state.integrity_failed, "packet")
            )
        })
        .collect();
    Likely::listing(Cause::Integrity, &failed)
}

/// ESP that was seen in fragments, and interfaces that cause them.
fn fragments(host: &HostFacts, active: &[Activity]) -> Option<Likely> {
    // Anyone can send fragments with an SPI of their own.
    let seen = active
        .iter()
        .filter(|row| row.later_fragments != 0)
        .filter(|row| {
            row.direction == Direction::Tx
                || host.esp_association(row.spi, row.destination).is_some()
        });
    let mut found: Vec<String> = seen
        .map(|row| {
            let way = match row.direction {
                Direction::Rx => "from",
                Direction::Tx => "to",
            };
            let whole = row.packets.saturating_sub(row.later_fragments);
            format!(
                "{way} {}: {whole} of ESP in {}",
                row.peer(),
                counted(row.packets, "packet")
            )
        })
        .collect();
    if host.esp_associations().any(|state| state.reqid == MARK) {
        let small = host
            .mtus
            .iter()
            .filter(|(_, mtu)| *mtu != 0 && *mtu < OVERLAY_MTU);
        found.extend(small.map(|(name, mtu)| {
            format!("{name} takes {mtu} bytes, Docker sends up to {OVERLAY_MTU}")
        }));
    }
    Likely::listing(Cause::Fragments, &found)
}

/// Associations that hide nothing.
pub(super) fn null_cipher<'a>(
    states: impl Iterator<Item = &'a SecurityAssociation>,
) -> Option<Likely> {
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
    Likely::listing(Cause::NullCipher, &readable)
}
