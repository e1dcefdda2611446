//! The tutorial, step by step, and what the monitor says of each.

use std::time::Duration;

use anyhow::Result;

use super::agent;
use super::app;
use super::table::{Row, Table};
use crate::metrics::Metrics;
use crate::nodes::clock::now;
use crate::nodes::frame::What;
use crate::nodes::node::{Node, both};
use crate::nodes::wire::{Seen, Wire};

/// Visits from each node in a step.
const VISITS: u32 = 5;
/// Tries to find a moment in which nothing is under way.
pub(super) const QUIET: u32 = 40;

/// Everything that the steps share.
pub(super) struct Story {
    pub(super) nodes: [Node; 2],
    pub(super) wire: Wire,
    pub(super) table: Table,
    /// Since when both agents watch, in seconds since 1970.
    pub(super) watched_since: f64,
}

/// The ingress network and those of the application.
#[derive(Clone, Debug)]
pub(super) struct Vnis {
    pub(super) ingress: u32,
    pub(super) app: Vec<u32>,
}

impl Story {
    /// The application in clear: both conversations can be read.
    pub(super) fn plain(&mut self, vnis: &Vnis) -> Result<()> {
        const STEP: &str = "plain";
        heading("Step 1: a plain overlay network");
        let since = now();
        let (app, ingress) = (vnis.app[0], vnis.ingress);
        let before = [
            self.plaintext(ingress, "http")?,
            self.plaintext(app, "redis")?,
        ];
        self.visit()?;
        let seen = self.wire.since(since);
        let questions = [(ingress, "http", "GET /"), (app, "redis", "HGETALL")];
        for ((vni, protocol, text), before) in questions.into_iter().zip(before) {
            let frames = readable(&seen, Some(vni), text);
            let said = self.grown(vni, protocol, before)?;
            let evidence = agent::evidence(&mut self.nodes[0], vni, protocol)?;
            self.table.add(Row {
                step: STEP,
                question: format!("can {protocol} of VNI {vni} be read?"),
                monitor: format!(
                    "{said} packets in plaintext; `{}`",
                    evidence.as_deref().unwrap_or("no evidence")
                ),
                wire: format!("{frames} frames with `{text}` in clear"),
                agrees: said > 0 && evidence.is_some() && frames > 0,
            });
        }
        self.state(STEP, app, since, "cleartext")?;
        self.kind(STEP, ingress, "ingress", "optional")?;
        self.kind(STEP, app, "overlay", "optional")?;
        self.counts(STEP, &[ingress, app])
    }

    /// The same application in two encrypted networks.
    pub(super) fn encrypted(&mut self, vnis: &Vnis, since: f64) -> Result<()> {
        const STEP: &str = "encrypted";
        heading("Step 2: the same, encrypted");
        let start = now();
        let http = self.plaintext(vnis.ingress, "http")?;
        self.visit()?;
        self.second_network()?;
        let seen = self.wire.since(since);
        for vni in &vnis.app {
            let clear = of_vni(&seen, *vni);
            let active = self.violations(*vni)?;
            self.table.add(Row {
                step: STEP,
                question: format!("does VNI {vni} cross the wire in clear?"),
                monitor: if active == 0 {
                    "no violation".to_owned()
                } else {
                    format!("{active} violations")
                },
                wire: format!("{clear} VXLAN frames of it"),
                agrees: active == 0 && clear == 0,
            });
            self.kind(STEP, *vni, "overlay", "required")?;
        }
        let frames = readable(&seen, None, "HGETALL");
        let mut said = 0;
        for vni in &vnis.app {
            said += self.plaintext(*vni, "redis")?;
        }
        self.table.add(Row {
            step: STEP,
            question: "can Redis of these networks be read?".to_owned(),
            monitor: format!("{said} packets in plaintext"),
            wire: format!("{frames} frames with `HGETALL` in clear"),
            agrees: said == 0 && frames == 0,
        });
        let said = self.grown(vnis.ingress, "http", http)?;
        let frames = readable(&self.wire.since(start), Some(vnis.ingress), "GET /");
        self.table.add(Row {
            step: STEP,
            question: format!(
                "is the ingress network (VNI {}) still readable?",
                vnis.ingress
            ),
            monitor: format!("{said} packets of http in plaintext"),
            wire: format!("{frames} frames with `GET /` in clear"),
            agrees: said > 0 && frames > 0,
        });
        for vni in &vnis.app {
            self.state(STEP, *vni, start, "encrypted")?;
        }
        self.counts(STEP, &[vnis.ingress])?;
        self.networks_in_esp(STEP)
    }

    /// The published port, asked from the other node.
    pub(super) fn published(&mut self) -> Result<()> {
        heading("Step 3: the published port");
        let since = now();
        let before = self.plaintext(None, "http")?;
        self.nodes[1].sh("curl -sSf -m 30 http://node1/ >/dev/null")?;
        let said = self.grown(None, "http", before)?;
        let frames = readable(&self.wire.since(since), None, "GET /");
        self.table.add(Row {
            step: "published",
            question: "can the request to port 80 be read outside any overlay?".to_owned(),
            monitor: format!("{said} packets of http in plaintext"),
            wire: format!("{frames} frames with `GET /` in clear"),
            agrees: said > 0 && frames > 0,
        });
        Ok(())
    }

    /// Visits the published port of the first node from both.
    pub(super) fn visit(&mut self) -> Result<()> {
        let visits = format!(
            "for i in $(seq {VISITS}); do curl -sSf -m 30 http://node1/ >/dev/null || exit 1; done"
        );
        both(&mut self.nodes, |node| node.sh(&visits)).map(drop)
    }

    /// A conversation in the second network, from the web app's container.
    fn second_network(&mut self) -> Result<()> {
        let redis = app::virtual_address(&mut self.nodes[0], "redis", app::SECOND)?;
        self.nodes[1].sh(&format!(
            "docker exec $(docker ps -q --filter name=app1-web) /bin/busybox sh -c \
             'for i in 1 2 3; do printf \"HGETALL ip\\r\\nQUIT\\r\\n\" | /bin/busybox nc -w 10 {redis} 6379; done'"
        ))?;
        Ok(())
    }

    /// Packets that both nodes count as readable, of a network or of none, and a protocol.
    fn plaintext(&mut self, vni: impl Into<Option<u32>>, protocol: &str) -> Result<u64> {
        let vni = vni.into().map(|vni| vni.to_string()).unwrap_or_default();
        let labels = [
            ("vni", vni.as_str()),
            ("protocol", protocol),
            ("exposure", "plaintext"),
        ];
        let pages = both(&mut self.nodes, agent::metrics)?;
        let of = |page: &Metrics| page.sum("overlay_exposure_packets_total", &labels);
        Ok(pages.iter().filter_map(of).sum())
    }

    /// By how much they grew; a flow is credited a moment after its packets.
    fn grown(&mut self, vni: impl Into<Option<u32>>, protocol: &str, before: u64) -> Result<u64> {
        let vni = vni.into();
        for _ in 0..QUIET {
            let now = self.plaintext(vni, protocol)?;
            if now > before {
                return Ok(now - before);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(0)
    }

    /// Violations of a network that last, on both nodes.
    pub(super) fn violations(&mut self, vni: u32) -> Result<usize> {
        let lists = both(&mut self.nodes, |node| agent::objects(node, "violation"))?;
        let active = |object: &&serde_json::Value| object["vni"] == vni && object["active"] == true;
        Ok(lists.iter().flatten().filter(active).count())
    }

    /// The state of a network on the nodes, compared with the share of its packets in cleartext.
    fn state(&mut self, step: &'static str, vni: u32, since: f64, want: &str) -> Result<()> {
        let mut said = Vec::new();
        // The window has to end that began before the step.
        for _ in 0..QUIET {
            let objects = both(&mut self.nodes, |node| agent::network(node, vni))?;
            said = objects
                .iter()
                .map(|object| match object {
                    Some(object) => object["state"].as_str().unwrap_or_default().to_owned(),
                    None => "not known".to_owned(),
                })
                .collect();
            if said.iter().all(|state| state == want) {
                break;
            }
            // Keeps it from being idle.
            self.visit()?;
            if want == "encrypted" {
                self.second_network()?;
            }
        }
        let seen = self.wire.since(since);
        let clear = of_vni(&seen, vni);
        let esp = seen.iter().filter(|seen| is_esp(seen)).count();
        self.table.add(Row {
            step,
            question: format!("what is the state of VNI {vni}?"),
            monitor: format!("{} on node1, {} on node2", said[0], said[1]),
            wire: format!("{clear} frames in clear, {esp} in ESP"),
            agrees: said.iter().all(|state| state == want)
                && (clear == 0) == (want == "encrypted")
                && (esp == 0) == (want == "cleartext"),
        });
        Ok(())
    }

    /// What the monitor has learnt of a network from Docker.
    fn kind(&mut self, step: &'static str, vni: u32, kind: &str, required: &str) -> Result<()> {
        let object = agent::network(&mut self.nodes[0], vni)?.unwrap_or_default();
        let (said, must) = (&object["kind"], &object["required"]);
        self.table.add(Row {
            step,
            question: format!("what is VNI {vni}?"),
            monitor: format!("{}: {said}, encryption {must}", object["network"]),
            wire: format!("(Docker made it as: {kind}, encryption {required})"),
            agrees: said == kind && must == required,
        });
        Ok(())
    }
}

pub(super) fn of_vni(seen: &[Seen], vni: u32) -> usize {
    let is = |seen: &&Seen| seen.what == What::Vxlan { vni };
    seen.iter().filter(is).count()
}

fn is_esp(seen: &Seen) -> bool {
    matches!(seen.what, What::Esp { .. })
}

/// Frames of a network (`None`: of none) that show a text.
fn readable(seen: &[Seen], vni: Option<u32>, text: &str) -> usize {
    let what = vni.map_or(What::Host, |vni| What::Vxlan { vni });
    let shows = |seen: &&Seen| {
        let readable = seen.readable;
        seen.what == what
            && if text == "GET /" {
                readable.request
            } else {
                readable.redis
            }
    };
    seen.iter().filter(shows).count()
}

pub(super) fn heading(text: &str) {
    println!("{text}");
}
