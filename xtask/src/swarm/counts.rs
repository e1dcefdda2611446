//! Packets and bytes: what the nodes counted against what the wire carried, to the last one.

use std::time::Duration;

use anyhow::Result;

use super::agent;
use super::story::{QUIET, Story};
use super::table::Row;
use crate::metrics::{Count, Metrics};
use crate::nodes::frame::What;
use crate::nodes::node::both;
use crate::nodes::wire::Seen;

/// Of packets of one kind: counted by a node, or carried by the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct BothWays {
    rx: Count,
    tx: Count,
}

impl std::fmt::Display for BothWays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "received {} packets ({} bytes), sent {} ({})",
            self.rx.packets, self.rx.bytes, self.tx.packets, self.tx.bytes
        )
    }
}

impl Story {
    /// Packets and bytes, counted by each node and carried by the wire since the agents
    /// watch, in a moment in which nothing is under way.
    pub(super) fn counts(&mut self, step: &'static str, vnis: &[u32]) -> Result<()> {
        let mut kinds: Vec<Option<u32>> = vnis.iter().copied().map(Some).collect();
        kinds.push(None);
        let mut rows = Vec::new();
        for _ in 0..QUIET {
            let before = overlay(&self.wire.since(self.watched_since));
            let pages = both(&mut self.nodes, agent::metrics)?;
            let seen = self.wire.since(self.watched_since);
            let quiet = overlay(&seen) == before;
            rows.clear();
            for kind in &kinds {
                for (to, page) in pages.iter().enumerate() {
                    rows.push((*kind, to, said(page, *kind), carried(&seen, to, *kind)));
                }
            }
            if quiet && rows.iter().all(|(_, _, said, carried)| said == carried) {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        for (kind, to, said, carried) in rows {
            self.table.add(Row {
                step,
                question: format!("how much {} has {} seen?", name(kind), self.nodes[to].name),
                monitor: said.to_string(),
                wire: carried.to_string(),
                agrees: said == carried,
            });
        }
        Ok(())
    }

    /// The packets that each node puts down to networks in ESP, against all ESP of the wire.
    pub(super) fn networks_in_esp(&mut self, step: &'static str) -> Result<()> {
        let mut rows = Vec::new();
        for _ in 0..QUIET {
            let before = overlay(&self.wire.since(self.watched_since));
            let pages = both(&mut self.nodes, agent::metrics)?;
            let seen = self.wire.since(self.watched_since);
            rows.clear();
            for (to, page) in pages.iter().enumerate() {
                let of = |direction| {
                    page.sum(
                        "overlay_esp_network_packets_total",
                        &[("direction", direction)],
                    )
                };
                let carried = carried(&seen, to, None);
                rows.push((of("rx"), of("tx"), carried.rx.packets, carried.tx.packets));
            }
            let agrees = |row: &(Option<u64>, Option<u64>, u64, u64)| {
                row.0 == Some(row.2) && row.1 == Some(row.3)
            };
            if overlay(&seen) == before && rows.iter().all(agrees) {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        for (index, (rx, tx, wire_rx, wire_tx)) in rows.into_iter().enumerate() {
            let shown =
                |count: Option<u64>| count.map_or_else(|| "nothing".to_owned(), |n| n.to_string());
            self.table.add(Row {
                step,
                question: format!(
                    "how many ESP packets does {} put down to networks?",
                    self.nodes[index].name
                ),
                monitor: format!("received {}, sent {}", shown(rx), shown(tx)),
                wire: format!("received {wire_rx}, sent {wire_tx}"),
                agrees: rx == Some(wire_rx) && tx == Some(wire_tx),
            });
        }
        Ok(())
    }
}

fn name(kind: Option<u32>) -> String {
    kind.map_or_else(|| "ESP".to_owned(), |vni| format!("VXLAN of VNI {vni}"))
}

/// What a node counted of a network in clear, or of ESP.
fn said(page: &Metrics, kind: Option<u32>) -> BothWays {
    let vni = kind.map(|vni| vni.to_string()).unwrap_or_default();
    let encapsulation = if kind.is_some() { "vxlan" } else { "esp" };
    let count = |direction| {
        let labels = [
            ("direction", direction),
            ("encapsulation", encapsulation),
            ("vni", vni.as_str()),
        ];
        page.count("", &labels)
    };
    BothWays {
        rx: count("rx"),
        tx: count("tx"),
    }
}

/// What the wire carried to and from a node.
fn carried(seen: &[Seen], node: usize, kind: Option<u32>) -> BothWays {
    let mut both = BothWays::default();
    for seen in seen {
        let counts = match seen.what {
            What::Vxlan { vni } => kind == Some(vni),
            What::Esp { .. } => kind.is_none(),
            What::Fragment | What::Host => false,
        };
        let side = if seen.to == node {
            &mut both.rx
        } else {
            &mut both.tx
        };
        if counts && (seen.to == node || !seen.injected) {
            side.packets += 1;
            side.bytes += seen.bytes as u64;
        }
    }
    both
}

/// Frames between the overlay's ends.
fn overlay(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| seen.what != What::Host).count()
}
