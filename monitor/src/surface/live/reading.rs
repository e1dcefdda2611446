//! One look at an agent, as data, and how it is made of the agent's own snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use monitor_common::direction::Direction;

use crate::agent::snapshot::Snapshot;
use crate::base::plural::counted;
use crate::host::described_network::Requirement;
use crate::policy::violation::Violation as Counted;
use crate::policy::violation_text::node;
use crate::policy::{NetworkStatus, State};
use crate::traffic::counted::Vni;
use crate::traffic::exposure_class::of_class;
use monitor_classify::Exposure;

/// Networks: more than the maps hold and the configuration and Docker can describe.
pub(super) const NETWORKS: usize = 1 << 16;
/// Violations, and causes and peers of each.
pub(super) const VIOLATIONS: usize = 1_024;
pub(super) const LISTED: usize = 16;
/// Protocols of a network.
pub(super) const PROTOCOLS: usize = 256;
/// Characters of a name, and of a sentence.
pub(super) const NAME: usize = 64;
pub(super) const SENTENCE: usize = 400;

/// Makes text of others fit to be shown: at most so many characters, none of which does more than stand there.
pub(super) type Clean = fn(&str, usize) -> String;

/// One look at an agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// When it was, since any moment.
    pub at: Duration,
    /// Name of the node.
    pub node: String,
    /// What is not watched, a phrase each.
    pub blind: Vec<String>,
    pub(in crate::surface) networks: BTreeMap<u32, Network>,
    pub(in crate::surface) violations: Vec<Violation>,
    /// Networks with a violation that is not over.
    pub(in crate::surface) violated: BTreeSet<u32>,
}

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::surface) struct Network {
    pub(in crate::surface) name: String,
    pub(in crate::surface) required: Option<Requirement>,
    pub(in crate::surface) state: State,
    pub(in crate::surface) doubts: Vec<String>,
    /// Bytes until now: received and sent.
    pub(in crate::surface) bytes: [f64; 2],
    /// Bytes by protocol: readable, and all.
    pub(in crate::surface) protocols: BTreeMap<String, [f64; 2]>,
    /// Bytes in ESP.
    pub(in crate::surface) in_esp: f64,
}

/// A violation.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::surface) struct Violation {
    pub(in crate::surface) vni: u32,
    pub(in crate::surface) is_active: bool,
    pub(in crate::surface) text: String,
    pub(in crate::surface) peers: Vec<String>,
    pub(in crate::surface) causes: Vec<String>,
}

impl Network {
    /// Part of the bytes that can be read; `None` without any.
    pub(in crate::surface) fn readable(&self) -> Option<f64> {
        let protocols = self.protocols.values();
        let [readable, all] = protocols.fold([0.0, self.in_esp], |[readable, all], [r, a]| {
            [readable + r, all + a]
        });
        (all > 0.0).then_some(readable / all)
    }

    /// Protocols of which something can be read.
    pub(in crate::surface) fn readable_protocols(&self) -> impl Iterator<Item = &str> {
        let readable = self.protocols.iter().filter(|(_, [part, _])| *part > 0.0);
        readable.map(|(name, _)| name.as_str())
    }
}

impl Reading {
    /// What the agent of this process sees on `node`.
    #[must_use]
    pub fn of(at: Duration, node: &str, snapshot: &Snapshot, clean: Clean) -> Reading {
        let mut reading = Reading {
            at,
            node: clean(node, NAME),
            ..Reading::default()
        };
        for status in snapshot.policy.networks.iter().take(NETWORKS) {
            let network = Network::of(status, clean);
            reading.networks.insert(status.vni, network);
        }
        for violation in &snapshot.policy.violations {
            reading.violate(Violation::of(violation, clean));
        }
        reading.count(snapshot);
        let hooks = &snapshot.counted.hooks;
        for hook in hooks.iter().filter(|at| at.hook.is_none()) {
            let interface = clean(&hook.interface, NAME);
            reading.unwatched(format!("{interface} {}", hook.direction.label()));
        }
        for at in &snapshot.counted.unwatched_ports {
            let label = at.service.encapsulation().label();
            reading.unwatched(format!("UDP port {} ({label})", at.port));
        }
        if hooks.is_empty() {
            reading.unwatched("no interface".to_owned());
        }
        reading
    }

    /// Takes the bytes of each network.
    fn count(&mut self, snapshot: &Snapshot) {
        let counted = &snapshot.counted;
        for row in &counted.traffic {
            if let Vni::Id(vni) = row.vni
                && let Some(network) = self.networks.get_mut(&vni)
            {
                network.bytes[row.direction as usize] += row.count.bytes as f64;
            }
        }
        for row in &counted.esp_networks {
            if let Some(network) = self.networks.get_mut(&row.vni) {
                network.bytes[row.direction as usize] += row.count.bytes as f64;
                network.in_esp += row.count.bytes as f64;
            }
        }
        for row in counted.exposure.iter().filter(|row| row.count.packets != 0) {
            let (protocol, exposure) = of_class(row.key.class());
            if let Some(network) = self.networks.get_mut(&row.key.network().0) {
                let is_readable = exposure == Exposure::Plaintext;
                network.add(
                    protocol.name().to_owned(),
                    row.count.bytes as f64,
                    is_readable,
                );
            }
        }
    }

    pub(super) fn violate(&mut self, violation: Violation) {
        if violation.is_active && self.violated.len() < NETWORKS {
            self.violated.insert(violation.vni);
        }
        if self.violations.len() < VIOLATIONS {
            self.violations.push(violation);
        }
    }

    pub(super) fn unwatched(&mut self, what: String) {
        if self.blind.len() < LISTED {
            self.blind.push(what);
        }
    }
}

impl Network {
    fn of(status: &NetworkStatus, clean: Clean) -> Network {
        let network = status.network.as_ref();
        let doubts = status.doubts.iter();
        Network {
            name: network.map_or_else(String::new, |at| clean(&at.name, NAME)),
            required: network.map(|at| at.required),
            state: status.state,
            doubts: doubts.map(|doubt| doubt.name().to_owned()).collect(),
            bytes: [0.0; 2],
            protocols: BTreeMap::new(),
            in_esp: 0.0,
        }
    }

    pub(super) fn add(&mut self, protocol: String, bytes: f64, is_readable: bool) {
        if self.protocols.len() < PROTOCOLS || self.protocols.contains_key(&protocol) {
            let [readable, all] = self.protocols.entry(protocol).or_default();
            *all += bytes;
            if is_readable {
                *readable += bytes;
            }
        }
    }
}

impl Violation {
    fn of(violation: &Counted, clean: Clean) -> Violation {
        let count = violation.tally.count;
        let peers = violation.peers.iter();
        let peers = peers.map(|peer| (node(peer.node), peer.tally.count.packets));
        let others = Some(violation.others.packets).filter(|packets| *packets != 0);
        Violation {
            vni: violation.vni,
            is_active: violation.ended.is_none(),
            text: Violation::text(
                violation.breach.name(),
                violation.direction,
                count.packets,
                count.bytes,
            ),
            peers: Violation::peers(
                peers.chain(others.map(|packets| ("more".to_owned(), packets))),
            ),
            causes: listed(violation.causes.iter().map(|cause| clean(cause, SENTENCE))),
        }
    }

    pub(super) fn text(breach: &str, direction: Direction, packets: u64, bytes: u64) -> String {
        let way = match direction {
            Direction::Tx => "sent",
            Direction::Rx => "received",
        };
        format!(
            "{breach} {way}: {}, {}",
            counted(packets, "packet"),
            counted(bytes, "byte")
        )
    }

    /// The nodes, each with its packets.
    pub(super) fn peers(peers: impl Iterator<Item = (String, u64)>) -> Vec<String> {
        listed(peers.map(|(address, packets)| format!("{address}: {}", counted(packets, "packet"))))
    }
}

/// The first of all, and how many more there are.
pub(super) fn listed(mut all: impl Iterator<Item = String>) -> Vec<String> {
    let mut shown: Vec<String> = all.by_ref().take(LISTED).collect();
    match all.count() {
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown
}
