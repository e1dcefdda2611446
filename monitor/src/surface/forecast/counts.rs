//! Exact counts of plain networks, from the pages of an agent, which are untrusted.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use monitor_classify::text::escape;
use monitor_common::wire::VNI_MAX;
use serde::Deserialize;

use super::network_forecast::Traffic;
use crate::surface::metrics_page::{label, sample};

/// Networks that are read.
const NETWORKS: usize = 65_536;
/// Characters of a name.
const NAME: usize = 64;

/// Packets and bytes of a network in VXLAN, in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Packets.
    pub packets: f64,
    /// Bytes.
    pub bytes: f64,
}

/// One look at the pages.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    node: String,
    names: BTreeMap<u32, String>,
    totals: BTreeMap<u32, Total>,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    node: Option<String>,
    vni: Option<u32>,
    network: Option<String>,
}

impl Counts {
    /// Reads the pages `/networks` and `/metrics`.
    ///
    /// # Errors
    /// The page of networks is not that of an agent.
    pub fn read(networks: &str, metrics: &str) -> Result<Counts> {
        let mut counts = Counts::default();
        for line in networks.lines() {
            let line: Line = serde_json::from_str(line)
                .ok()
                .context("/networks is not a page of overlay-monitor; check --url")?;
            counts.name(line);
        }
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            counts.count(line);
        }
        Ok(counts)
    }

    fn name(&mut self, line: Line) {
        if line.r#type != "network" || self.names.len() >= NETWORKS {
            return;
        }
        if let Some(node) = line.node {
            self.node = escape(node, NAME);
        }
        if let (Some(vni), Some(name)) = (line.vni, line.network) {
            self.names.insert(vni, escape(name, NAME));
        }
    }

    fn count(&mut self, line: &str) {
        let Some((name, labels, value)) = sample(line) else {
            return;
        };
        if label(labels, "encapsulation") != "vxlan" {
            return;
        }
        let vni: Option<u32> = label(labels, "vni").parse().ok();
        let Some(vni) = vni.filter(|vni| *vni <= VNI_MAX) else {
            return;
        };
        if self.totals.len() >= NETWORKS && !self.totals.contains_key(&vni) {
            return;
        }
        match name {
            "overlay_packets_total" => self.totals.entry(vni).or_default().packets += value,
            "overlay_bytes_total" => self.totals.entry(vni).or_default().bytes += value,
            _ => {}
        }
    }

    /// What the networks carried a second since an earlier look; those that carried nothing are left out.
    ///
    /// # Errors
    /// The agent has started again since.
    pub fn since(&self, before: &Counts, seconds: f64) -> Result<Vec<Traffic>> {
        let mut traffic = Vec::new();
        for (vni, total) in &self.totals {
            let was = before.totals.get(vni).copied().unwrap_or_default();
            let (packets, bytes) = (total.packets - was.packets, total.bytes - was.bytes);
            if packets < 0.0 || bytes < 0.0 {
                bail!("the agent has started again meanwhile; try again");
            }
            if packets > 0.0 {
                traffic.push(Traffic {
                    node: self.node.clone(),
                    vni: *vni,
                    network: self.names.get(vni).cloned(),
                    packets_per_second: packets / seconds,
                    bytes_per_second: bytes / seconds,
                });
            }
        }
        Ok(traffic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORKS_PAGE: &str = concat!(
        r#"{"type":"network","node":"node1","vni":4096,"network":"app1\u001b[2J"}"#,
        "\n",
        r#"{"type":"violation","vni":4096}"#,
        "\n"
    );

    fn page(packets: u32) -> String {
        let row = |name: &str, encapsulation: &str, vni: &str, value: u32| {
            format!(
                "overlay_{name}_total{{interface=\"eth0\",direction=\"rx\",encapsulation=\"{encapsulation}\",vni=\"{vni}\"}} {value}\n"
            )
        };
        ["vxlan", "geneve"]
            .map(|of| {
                row("packets", of, "4096", packets) + &row("bytes", of, "4096", packets * 1000)
            })
            .concat()
            + &row("packets", "vxlan", "other", 7)
            + &row("packets", "vxlan", "7", 5)
    }

    #[test]
    fn what_was_carried_between_two_looks_is_a_rate() {
        let look = |packets| Counts::read(NETWORKS_PAGE, &page(packets)).unwrap();
        let traffic = look(1100).since(&look(100), 10.0).unwrap();
        assert_eq!(traffic.len(), 1, "VNI 7 carried nothing: {traffic:?}");
        let of = &traffic[0];
        assert_eq!(
            (of.vni, of.packets_per_second, of.bytes_per_second),
            (4096, 100.0, 100_000.0)
        );
        assert_eq!(of.network.as_deref(), Some("app1\\x1b[2J"));
        assert_eq!(of.node, "node1");
        assert!(look(100).since(&look(1100), 10.0).is_err());
        assert!(Counts::read("<html>", "").is_err());
    }
}
