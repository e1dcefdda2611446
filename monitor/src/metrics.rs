//! The metrics: one table that drives the endpoint, the documentation and the test of both.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use monitor_common::key::NetworkId;
use monitor_common::label::{Direction, Encapsulation};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::exposure::of_class;
use crate::snapshot::{Snapshot, Vni};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only ever grows. Its name gets the suffix `_total`.
    Counter,
    /// A value now.
    Gauge,
}

/// A row of the table.
pub struct Definition {
    /// Name without prefix and suffix.
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// One sentence, without the full stop.
    pub help: &'static str,
    rows: fn(&Snapshot, &mut Rows<'_, '_>) -> fmt::Result,
}

impl Definition {
    /// Name as it is exported.
    #[must_use]
    pub fn full_name(&self) -> String {
        let suffix = match self.kind {
            Type::Counter => "_total",
            Type::Gauge => "",
        };
        format!("{PREFIX}_{}{suffix}", self.name)
    }

    fn encode(&self, value: u64, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self.kind {
            Type::Counter => ConstCounter::new(value).encode(encoder),
            Type::Gauge => {
                ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder)
            }
        }
    }
}

/// Prefix of all names.
pub const PREFIX: &str = "overlay";

/// All metrics.
pub const TABLE: &[Definition] = &[
    Definition {
        name: "packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "encapsulation", "vni"],
        help: "Packets on the wire; a VNI that found no room in the map is \"other\"",
        rows: |snapshot, rows| traffic(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "bytes",
        kind: Type::Counter,
        labels: &["interface", "direction", "encapsulation", "vni"],
        help: "Bytes of these packets: whole frames from the Ethernet header on, without FCS",
        rows: |snapshot, rows| traffic(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "esp_packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "peer"],
        help: "ESP packets, on IP or in UDP, by the other node's address",
        rows: |snapshot, rows| esp(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "esp_bytes",
        kind: Type::Counter,
        labels: &["interface", "direction", "peer"],
        help: "Bytes of these packets: whole frames from the Ethernet header on, without FCS",
        rows: |snapshot, rows| esp(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "exposure_packets",
        kind: Type::Counter,
        labels: &["direction", "vni", "protocol", "exposure"],
        help: "Packets of each network by what can be read of their flow: plaintext, encrypted or unknown; vni is empty outside any overlay",
        rows: |snapshot, rows| exposure(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "exposure_bytes",
        kind: Type::Counter,
        labels: &["direction", "vni", "protocol", "exposure"],
        help: "Bytes of these packets: whole frames from the link header on, without FCS",
        rows: |snapshot, rows| exposure(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "exposure_pending_packets",
        kind: Type::Gauge,
        labels: &["vni"],
        help: "Packets whose flow has no verdict yet; they become exposure_packets when it has, or is silent for a minute",
        rows: |snapshot, rows| {
            snapshot
                .pending
                .iter()
                .try_for_each(|row| rows.value(&[&network(row.network)], row.packets))
        },
    },
    Definition {
        name: "exposure_lower_bound",
        kind: Type::Gauge,
        labels: &[],
        help: "1 if what was found readable may be less than what is: samples were lost or capped, flows forgotten, or a map was full, since the start",
        rows: |snapshot, rows| rows.value(&[], u64::from(snapshot.is_lower_bound())),
    },
    Definition {
        name: "exposure_evicted_packets",
        kind: Type::Counter,
        labels: &[],
        help: "Packets counted as unknown because the kernel forgot their flow before it had a verdict",
        rows: |snapshot, rows| rows.value(&[], snapshot.evicted),
    },
    Definition {
        name: "decrypted_packets",
        kind: Type::Counter,
        labels: &[],
        help: "Packets left out of all counts because this host's IPsec had decrypted them before they passed TC: after the ESP packet, or in its place (esp4_offload with GRO; use the hook xdp to count it)",
        rows: |snapshot, rows| rows.value(&[], snapshot.state.decrypted),
    },
    Definition {
        name: "unparsed_packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "reason"],
        help: "Packets not understood, by why",
        rows: |snapshot, rows| {
            for row in &snapshot.unparsed {
                rows.value(
                    &[&row.interface, row.direction.label(), row.reason.label()],
                    row.packets,
                )?;
            }
            Ok(())
        },
    },
    Definition {
        name: "samples",
        kind: Type::Counter,
        labels: &["outcome"],
        help: "Packets chosen as samples: sent to the agent, lost because the ring was full, or not taken because the network or the CPU had taken its share",
        rows: |snapshot, rows| {
            rows.value(&["sent"], snapshot.state.sent)?;
            rows.value(&["ring_full"], snapshot.state.ring_full)?;
            rows.value(&["capped"], snapshot.state.capped)
        },
    },
    Definition {
        name: "map_entries",
        kind: Type::Gauge,
        labels: &["map"],
        help: "Entries in a kernel map",
        rows: |snapshot, rows| {
            snapshot
                .maps
                .iter()
                .try_for_each(|map| rows.value(&[map.map], map.entries))
        },
    },
    Definition {
        name: "map_capacity",
        kind: Type::Gauge,
        labels: &["map"],
        help: "Entries that a kernel map has room for",
        rows: |snapshot, rows| {
            snapshot
                .maps
                .iter()
                .try_for_each(|map| rows.value(&[map.map], map.capacity))
        },
    },
    Definition {
        name: "map_overflow_packets",
        kind: Type::Counter,
        labels: &["map"],
        help: "Packets that found no room in a kernel map, and were counted as \"other\"",
        rows: |snapshot, rows| {
            snapshot
                .maps
                .iter()
                .try_for_each(|map| rows.value(&[map.map], map.overflow_packets))
        },
    },
    Definition {
        name: "hook_info",
        kind: Type::Gauge,
        labels: &["interface", "direction", "hook"],
        help: "1 for each hook in use: tcx, clsact, xdp or xdp-generic",
        rows: |snapshot, rows| {
            for at in &snapshot.hooks {
                if let Some(hook) = at.hook {
                    rows.value(&[&at.interface, at.direction.label(), hook.label()], 1)?;
                }
            }
            Ok(())
        },
    },
    Definition {
        name: "hook_up",
        kind: Type::Gauge,
        labels: &["interface", "direction"],
        help: "1 while this direction of an interface is watched; 0 while it should be and is not: we are blind there",
        rows: |snapshot, rows| {
            snapshot.hooks.iter().try_for_each(|at| {
                let up = u64::from(at.hook.is_some());
                rows.value(&[&at.interface, at.direction.label()], up)
            })
        },
    },
    Definition {
        name: "hook_first",
        kind: Type::Gauge,
        labels: &["interface", "direction"],
        help: "1 while no other program comes before ours; 0 while we see only what another one lets through",
        rows: |snapshot, rows| {
            let mut in_use = snapshot.hooks.iter().filter(|at| at.hook.is_some());
            in_use.try_for_each(|at| {
                rows.value(&[&at.interface, at.direction.label()], u64::from(at.first))
            })
        },
    },
    Definition {
        name: "build_info",
        kind: Type::Gauge,
        labels: &["version"],
        help: "1, with the version of this agent",
        rows: |_, rows| rows.value(&[env!("CARGO_PKG_VERSION")], 1),
    },
];

fn traffic(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::key::Count) -> u64,
) -> fmt::Result {
    for row in &snapshot.traffic {
        let vni = match row.vni {
            Vni::None => String::new(),
            Vni::Id(vni) => vni.to_string(),
            Vni::Other => "other".to_owned(),
        };
        let labels = [
            row.interface.as_str(),
            row.direction.label(),
            row.encapsulation.label(),
            vni.as_str(),
        ];
        rows.value(&labels, value(&row.count))?;
    }
    // One row for each interface and direction, so that the sum over encapsulations has no holes.
    let mut associations = BTreeMap::<_, u64>::new();
    for row in &snapshot.esp {
        *associations
            .entry((&row.interface, row.direction, row.encapsulation))
            .or_default() += value_of_esp(&value)(&row.count);
    }
    for ((interface, direction, encapsulation), total) in associations {
        let labels = [interface, direction.label(), encapsulation.label(), ""];
        rows.value(&labels, total)?;
    }
    Ok(())
}

fn exposure(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::key::Count) -> u64,
) -> fmt::Result {
    for row in &snapshot.exposure {
        if row.count.packets == 0 {
            continue;
        }
        let (protocol, exposure) = of_class(row.key.class());
        let labels = [
            row.key.direction().label(),
            &network(row.key.network()),
            protocol.name(),
            exposure.name(),
        ];
        rows.value(&labels, value(&row.count))?;
    }
    Ok(())
}

/// The label `vni`: empty outside any overlay.
fn network(network: NetworkId) -> String {
    match network {
        NetworkId::HOST => String::new(),
        NetworkId::OTHER => "other".to_owned(),
        NetworkId(vni) => vni.to_string(),
    }
}

fn value_of_esp(
    value: &impl Fn(&monitor_common::key::Count) -> u64,
) -> impl Fn(&monitor_common::key::EspCount) -> u64 {
    move |count| {
        value(&monitor_common::key::Count {
            packets: count.packets,
            bytes: count.bytes,
        })
    }
}

fn esp(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::key::EspCount) -> u64,
) -> fmt::Result {
    for ((interface, direction), peers) in by_peer(snapshot, value) {
        for (peer, value) in peers {
            rows.value(&[interface, direction.label(), &peer], value)?;
        }
    }
    Ok(())
}

type ByPeer<'a> = BTreeMap<(&'a str, Direction), BTreeMap<String, u64>>;

/// SPIs change with every key, so they are added up: a label must not grow for ever.
fn by_peer(
    snapshot: &Snapshot,
    value: impl Fn(&monitor_common::key::EspCount) -> u64,
) -> ByPeer<'_> {
    let mut all = ByPeer::new();
    for row in &snapshot.esp {
        // Authenticated, and in the clear.
        if row.encapsulation == Encapsulation::Ah {
            continue;
        }
        let peer = row
            .peer()
            .map_or_else(|| "other".to_owned(), |peer| peer.to_string());
        *all.entry((&row.interface, row.direction))
            .or_default()
            .entry(peer)
            .or_default() += value(&row.count);
    }
    all
}

/// Writes the rows of one metric.
struct Rows<'a, 'b> {
    definition: &'a Definition,
    /// Gone when the only row of a metric without labels is written.
    encoder: Option<MetricEncoder<'b>>,
}

impl Rows<'_, '_> {
    fn value(&mut self, values: &[&str], value: u64) -> fmt::Result {
        debug_assert_eq!(values.len(), self.definition.labels.len());
        let labels: Vec<(&str, &str)> = self
            .definition
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        if labels.is_empty() {
            // One row, written without braces.
            let encoder = self.encoder.take().ok_or(fmt::Error)?;
            return self.definition.encode(value, encoder);
        }
        let encoder = self.encoder.as_mut().ok_or(fmt::Error)?;
        self.definition
            .encode(value, encoder.encode_family(&labels)?)
    }
}

struct Encoder(Mutex<Snapshot>);

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

impl Collector for Encoder {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(snapshot) = self.0.lock() else {
            return Err(fmt::Error);
        };
        for definition in TABLE {
            let kind = match definition.kind {
                Type::Counter => MetricType::Counter,
                Type::Gauge => MetricType::Gauge,
            };
            let encoder =
                encoder.encode_descriptor(definition.name, definition.help, None, kind)?;
            (definition.rows)(
                &snapshot,
                &mut Rows {
                    definition,
                    encoder: Some(encoder),
                },
            )?;
        }
        Ok(())
    }
}

/// Content type of [`encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A snapshot in the OpenMetrics text format, which Prometheus reads.
///
/// # Errors
/// A formatting error; there is no input for which that is known to happen.
pub fn encode(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Encoder(Mutex::new(snapshot))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The page `docs/metrics.md`, from the table.
#[must_use]
pub fn documentation() -> String {
    let mut page = String::from(
        "# Metrics\n\nMade from the table in `monitor/src/metrics.rs`; a test compares the two.\n\
         `direction` is `rx` or `tx`. Counts are exact, read from the kernel at the moment of the scrape.\n\n\
         | metric | type | labels | what it is |\n| --- | --- | --- | --- |\n",
    );
    for row in TABLE {
        let kind = match row.kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
        };
        let labels = row.labels.join(", ");
        page.push_str(&format!(
            "| `{}` | {kind} | {labels} | {} |\n",
            row.full_name(),
            row.help
        ));
    }
    page.push_str(
        "\nReasons of `overlay_unparsed_packets_total`:\n\n| reason | why |\n| --- | --- |\n",
    );
    for reason in monitor_common::reason::Reason::ALL {
        page.push_str(&format!(
            "| `{}` | {} |\n",
            reason.label(),
            reason.explanation()
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use monitor_common::key::{Class, Count, EspCount, ExposureKey};
    use monitor_common::reason::Reason;

    use super::*;
    use crate::classify::{Exposure, Protocol};
    use crate::exposure::{Exposed, Pending, class};
    use crate::snapshot::{Association, Traffic, Unparsed};

    fn snapshot() -> Snapshot {
        let interface = "eth0".to_owned();
        let count = EspCount {
            packets: 2,
            bytes: 300,
            sequence_min: 1,
            sequence_max: 2,
        };
        let association = |spi| Association {
            interface: interface.clone(),
            direction: Direction::Rx,
            encapsulation: Encapsulation::Esp,
            addresses: Some((
                "192.168.77.2".parse().unwrap(),
                "192.168.77.1".parse().unwrap(),
            )),
            spi,
            count,
        };
        Snapshot {
            traffic: vec![Traffic {
                interface: interface.clone(),
                direction: Direction::Rx,
                encapsulation: Encapsulation::Vxlan,
                vni: Vni::Id(4096),
                count: Count {
                    packets: 12,
                    bytes: 1800,
                },
            }],
            esp: vec![association(0x100), association(0x200)],
            unparsed: vec![Unparsed {
                interface: interface.clone(),
                direction: Direction::Tx,
                reason: Reason::VxlanNoVni,
                packets: 3,
            }],
            exposure: [
                ExposureKey::new(
                    Direction::Tx,
                    NetworkId::vni(4096),
                    class(Protocol::Http, Exposure::Plaintext),
                ),
                ExposureKey::new(Direction::Rx, NetworkId::HOST, Class::UNKNOWN),
            ]
            .map(|key| Exposed {
                key,
                count: Count {
                    packets: 7,
                    bytes: 700,
                },
            })
            .into(),
            pending: vec![Pending {
                network: NetworkId::OTHER,
                packets: 5,
            }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn rows_come_out_as_the_contract_names_them() {
        let text = encode(snapshot()).unwrap();
        for line in [
            r#"overlay_packets_total{interface="eth0",direction="rx",encapsulation="vxlan",vni="4096"} 12"#,
            r#"overlay_bytes_total{interface="eth0",direction="rx",encapsulation="vxlan",vni="4096"} 1800"#,
            r#"overlay_packets_total{interface="eth0",direction="rx",encapsulation="esp",vni=""} 4"#,
            r#"overlay_esp_packets_total{interface="eth0",direction="rx",peer="192.168.77.2"} 4"#,
            r#"overlay_unparsed_packets_total{interface="eth0",direction="tx",reason="vxlan_no_vni"} 3"#,
            r#"overlay_samples_total{outcome="sent"} 0"#,
            r#"overlay_exposure_packets_total{direction="tx",vni="4096",protocol="http",exposure="plaintext"} 7"#,
            r#"overlay_exposure_bytes_total{direction="tx",vni="4096",protocol="http",exposure="plaintext"} 700"#,
            r#"overlay_exposure_packets_total{direction="rx",vni="",protocol="unknown",exposure="unknown"} 7"#,
            r#"overlay_exposure_pending_packets{vni="other"} 5"#,
            r#"overlay_exposure_evicted_packets_total 0"#,
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line}\nnot in\n{text}"
            );
        }
        assert!(!text.contains("0x100"), "SPIs are no label");
    }

    #[test]
    fn every_row_of_the_table_is_well_named_and_described() {
        let text = encode(snapshot()).unwrap();
        for row in TABLE {
            assert!(
                text.contains(&format!("# TYPE {PREFIX}_{} ", row.name)),
                "{}",
                row.name
            );
            assert!(
                !row.help.ends_with('.'),
                "{}: the format adds the full stop",
                row.name
            );
            assert!(
                !row.name.ends_with("_total"),
                "{}: the format adds the suffix",
                row.name
            );
        }
    }

    #[test]
    fn the_documentation_is_that_of_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, documentation()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            page,
            documentation(),
            "run the tests once with UPDATE_DOCS=1 and commit {}",
            path.display()
        );
    }
}
