//! A reading of an agent's pages `/networks` and `/metrics`, which are untrusted, as they may be another program's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use monitor_common::direction::Direction;
use serde::Deserialize;

use super::reading::{NAME, NETWORKS, Network, Reading, SENTENCE, Violation, listed};
use super::words::plain;
use crate::host::described_network::Requirement;
use crate::policy::State;
use crate::surface::metrics_page::{label, sample};

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
        let mut has_hook = false;
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, labels, value)) = sample(line) {
                has_hook |= name == "overlay_hook_up";
                reading.notice(name, labels, value);
            }
        }
        if !has_hook {
            reading.unwatched("no interface".to_owned());
        }
        Ok(reading)
    }

    fn take(&mut self, line: Line) {
        let sentences = |all: Vec<String>| listed(all.iter().map(|text| plain(text, SENTENCE)));
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
                    doubts: sentences(doubts),
                    bytes: [0.0; 2],
                    protocols: BTreeMap::new(),
                    in_esp: 0.0,
                };
                self.networks.insert(vni, network);
            }
            Line::Network { .. } => {}
            Line::Violation {
                vni,
                breach,
                direction,
                active,
                packets,
                bytes,
                peers,
                causes,
            } => {
                let breach = plain(&breach, NAME);
                let peers = peers.iter();
                let peers = peers.map(|peer| (plain(&peer.address, NAME), peer.packets));
                self.violate(Violation {
                    vni,
                    is_active: active,
                    text: Violation::text(&breach, way(&direction), packets, bytes),
                    peers: Violation::peers(peers),
                    causes: sentences(causes),
                });
            }
        }
    }

    /// Takes a line of the metrics.
    fn notice(&mut self, name: &str, labels: &str, value: f64) {
        if name == "overlay_hook_up" && value == 0.0 {
            let interface = plain(label(labels, "interface"), NAME);
            let direction = plain(label(labels, "direction"), NAME);
            self.unwatched(format!("{interface} {direction}"));
        }
        if name == "overlay_port_unwatched" && value != 0.0 {
            let port = plain(label(labels, "port"), NAME);
            let encapsulation = plain(label(labels, "encapsulation"), NAME);
            self.unwatched(format!("UDP port {port} ({encapsulation})"));
        }
        let Ok(vni) = label(labels, "vni").parse() else {
            return;
        };
        let Some(network) = self.networks.get_mut(&vni) else {
            return;
        };
        let way = way(label(labels, "direction")) as usize;
        match name {
            "overlay_bytes_total" => network.bytes[way] += value,
            "overlay_esp_network_bytes_total" => {
                network.bytes[way] += value;
                network.in_esp += value;
            }
            "overlay_exposure_bytes_total" => {
                let protocol = plain(label(labels, "protocol"), NAME);
                let is_readable = label(labels, "exposure") == "plaintext";
                network.add(protocol, value, is_readable);
            }
            _ => {}
        }
    }
}

fn way(label: &str) -> Direction {
    match label {
        "tx" => Direction::Tx,
        _ => Direction::Rx,
    }
}
