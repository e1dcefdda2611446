//! One look at an agent: its pages `/networks` and `/metrics`, which are untrusted, as they may be another program's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::words::plain;
use crate::base::plural::counted;
use crate::host::described_network::Requirement;
use crate::policy::State;
use crate::surface::metrics_page::{label, sample};

/// Networks that are shown.
const NETWORKS: usize = 4_096;
/// Violations, and causes and peers of each.
const VIOLATIONS: usize = 1_024;
const LISTED: usize = 16;
/// Characters of a name, and of a sentence.
const NAME: usize = 64;
const SENTENCE: usize = 400;

/// One look at an agent.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// When it was, since any moment.
    pub at: Duration,
    /// Name of the node.
    pub node: String,
    /// What is not watched, a phrase each.
    pub blind: Vec<String>,
    pub(super) networks: BTreeMap<u32, Network>,
    pub(super) violations: Vec<Violation>,
}

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) required: Option<Requirement>,
    pub(super) state: State,
    pub(super) doubts: Vec<String>,
    /// Bytes until now: received and sent.
    pub(super) bytes: [f64; 2],
    /// Bytes by protocol: readable, and all.
    pub(super) protocols: BTreeMap<String, [f64; 2]>,
    /// Bytes in ESP.
    pub(super) in_esp: f64,
}

/// A violation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Violation {
    pub(super) vni: u32,
    pub(super) is_active: bool,
    pub(super) text: String,
    pub(super) peers: Vec<String>,
    pub(super) causes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Network {
        node: String,
        vni: u32,
        network: Option<String>,
        required: Option<String>,
        state: String,
        doubts: Vec<String>,
    },
    Violation {
        vni: u32,
        breach: String,
        direction: String,
        active: bool,
        packets: u64,
        bytes: u64,
        peers: Vec<Peer>,
        causes: Vec<String>,
    },
}

#[derive(Deserialize)]
struct Peer {
    address: String,
    packets: u64,
}

impl Reading {
    /// Reads the pages.
    ///
    /// # Errors
    /// The page of networks is not that of an agent.
    pub fn read(at: Duration, networks: &str, metrics: &str) -> Result<Reading> {
        let mut reading = Reading {
            at,
            ..Reading::default()
        };
        for line in networks.lines() {
            let line: Line = serde_json::from_str(line)
                .ok()
                .context("/networks is not a page of overlay-monitor; check --url")?;
            reading.take(line);
        }
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            reading.count(line);
        }
        Ok(reading)
    }

    fn take(&mut self, line: Line) {
        let listed = |all: Vec<String>| {
            let all = all.iter().take(LISTED);
            all.map(|text| plain(text, SENTENCE)).collect()
        };
        match line {
            Line::Network {
                node,
                vni,
                network,
                required,
                state,
                doubts,
            } if self.networks.len() < NETWORKS => {
                self.node = plain(&node, NAME);
                let required = required.as_deref().and_then(|name| {
                    let all = [
                        Requirement::Required,
                        Requirement::Optional,
                        Requirement::Forbidden,
                    ];
                    all.into_iter().find(|at| at.name() == name)
                });
                let state = State::ALL.into_iter().find(|at| at.name() == state);
                let network = Network {
                    name: plain(network.as_deref().unwrap_or_default(), NAME),
                    required,
                    state: state.unwrap_or(State::Unknown),
                    doubts: listed(doubts),
                    bytes: [0.0; 2],
                    protocols: BTreeMap::new(),
                    in_esp: 0.0,
                };
                self.networks.insert(vni, network);
            }
            Line::Violation {
                vni,
                breach,
                direction,
                active,
                packets,
                bytes,
                peers,
                causes,
            } if self.violations.len() < VIOLATIONS => {
                let way = if direction == "tx" {
                    "sent"
                } else {
                    "received"
                };
                let breach = plain(&breach, NAME);
                let peers = peers.iter().take(LISTED);
                self.violations.push(Violation {
                    vni,
                    is_active: active,
                    text: format!(
                        "{breach} {way}: {}, {}",
                        counted(packets, "packet"),
                        counted(bytes, "byte")
                    ),
                    peers: peers
                        .map(|peer| {
                            let address = plain(&peer.address, NAME);
                            format!("{address}: {}", counted(peer.packets, "packet"))
                        })
                        .collect(),
                    causes: listed(causes),
                });
            }
            Line::Network { .. } | Line::Violation { .. } => {}
        }
    }

    /// Takes a line of the metrics that is of a network.
    fn count(&mut self, line: &str) {
        let Some((name, labels, value)) = sample(line) else {
            return;
        };
        if name == "overlay_hook_up" && value == 0.0 && self.blind.len() < LISTED {
            let interface = plain(label(labels, "interface"), NAME);
            let direction = plain(label(labels, "direction"), NAME);
            self.blind.push(format!("{interface} {direction}"));
        }
        let Ok(vni) = label(labels, "vni").parse() else {
            return;
        };
        let Some(network) = self.networks.get_mut(&vni) else {
            return;
        };
        let way = usize::from(label(labels, "direction") == "tx");
        match name {
            "overlay_bytes_total" => network.bytes[way] += value,
            "overlay_esp_network_bytes_total" => {
                network.bytes[way] += value;
                network.in_esp += value;
            }
            "overlay_exposure_bytes_total" => {
                let protocol = plain(label(labels, "protocol"), NAME);
                if network.protocols.len() < NETWORKS || network.protocols.contains_key(&protocol) {
                    let [readable, all] = network.protocols.entry(protocol).or_default();
                    *all += value;
                    if label(labels, "exposure") == "plaintext" {
                        *readable += value;
                    }
                }
            }
            _ => {}
        }
    }
}
