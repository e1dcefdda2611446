//! The dashboards, for Grafana 9 or later.

use serde_json::{Value, json};

/// A dashboard: its file, title, variables and panels.
struct Dashboard {
    file: &'static str,
    title: &'static str,
    variables: &'static [Variable],
    panels: &'static [Panel],
}

/// A choice at the top: the values of a label.
struct Variable {
    name: &'static str,
    query: &'static str,
}

/// A panel in a grid of 24 columns.
struct Panel {
    title: &'static str,
    what: &'static str,
    kind: Kind,
    unit: &'static str,
    width: u32,
    height: u32,
    /// Expression and legend.
    queries: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One number.
    Stat,
    /// Lines over time.
    Time,
    /// Areas over time, one on the other.
    Stacked,
    /// The newest values, a row for each series.
    Table,
    /// Nodes by networks, with the state in each cell.
    Matrix,
}

const NODE: Variable = Variable {
    name: "node",
    query: "label_values(overlay_build_info, instance)",
};
const VNI: Variable = Variable {
    name: "vni",
    query: "label_values(overlay_network_info, vni)",
};

/// A panel of half the width.
const fn half(
    title: &'static str,
    what: &'static str,
    kind: Kind,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel {
        title,
        what,
        kind,
        unit,
        width: 12,
        height: 8,
        queries,
    }
}

/// A number, of a sixth of the width.
const fn stat(
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel {
        title,
        what,
        kind: Kind::Stat,
        unit,
        width: 4,
        height: 4,
        queries,
    }
}

const DASHBOARDS: &[Dashboard] = &[
    Dashboard {
        file: "fleet",
        title: "overlay-monitor: fleet",
        variables: &[],
        panels: &[
            stat(
                "Violations",
                "Networks and directions that break their requirement now.",
                "none",
                &[("sum(overlay_violation_active) or vector(0)", "")],
            ),
            stat(
                "Agents up",
                "Agents that answer.",
                "none",
                &[(r#"sum(up{job="overlay-monitor"})"#, "")],
            ),
            stat(
                "Agents missing",
                "Agents that do not answer: nothing is known of their nodes.",
                "none",
                &[(r#"count(up{job="overlay-monitor"} == 0) or vector(0)"#, "")],
            ),
            stat(
                "Unknown",
                "Networks on nodes where encryption cannot be determined.",
                "none",
                &[(
                    r#"sum(overlay_network_state{state="unknown"}) or vector(0)"#,
                    "",
                )],
            ),
            stat(
                "Readable now",
                "Bytes a second that anyone on the path can read.",
                "Bps",
                &[(
                    r#"sum(rate(overlay_exposure_bytes_total{exposure="plaintext"}[5m])) or vector(0)"#,
                    "",
                )],
            ),
            stat(
                "Credentials, last day",
                "Flows that showed credentials in plaintext.",
                "none",
                &[(
                    "sum(increase(overlay_credential_flows_total[1d])) or vector(0)",
                    "",
                )],
            ),
            Panel {
                title: "State by node and network",
                what: "What each network is on each node, over the agent's window.",
                kind: Kind::Matrix,
                unit: "none",
                width: 24,
                height: 10,
                queries: &[("overlay_network_state == 1", "")],
            },
            half(
                "Cleartext where it must not be",
                "Packets a second that broke the requirement of their network, by node.",
                Kind::Time,
                "pps",
                &[(
                    r#"sum by (instance, vni, direction) (rate(overlay_violation_packets_total[5m]))"#,
                    "{{instance}} VNI {{vni}} {{direction}}",
                )],
            ),
            half(
                "Readable, by network",
                "Bytes a second that can be read, over all nodes.",
                Kind::Stacked,
                "Bps",
                &[(
                    r#"sum by (vni) (rate(overlay_exposure_bytes_total{exposure="plaintext"}[5m]))"#,
                    "VNI {{vni}}",
                )],
            ),
            half(
                "Sent and received on no node",
                "Part of what nodes send in a network that no node receives.",
                Kind::Time,
                "percentunit",
                &[(
                    "1 - (vni:overlay_received_packets:rate5m or vni:overlay_sent_packets:rate5m * 0) / vni:overlay_sent_packets:rate5m",
                    "VNI {{vni}}",
                )],
            ),
            half(
                "Watched, last hour",
                "Part of the last hour in which the state of a network could be determined.",
                Kind::Table,
                "percentunit",
                &[(
                    "instance_vni:overlay_network_watched:ratio_rate1h",
                    "{{instance}} VNI {{vni}}",
                )],
            ),
        ],
    },
    Dashboard {
        file: "network",
        title: "overlay-monitor: one network",
        variables: &[VNI],
        panels: &[
            half(
                "Time in each state",
                "Nodes that see the network in each state.",
                Kind::Stacked,
                "none",
                &[(
                    r#"sum by (state) (rate(overlay_network_state_seconds_total{vni="$vni"}[5m]))"#,
                    "{{state}}",
                )],
            ),
            half(
                "Requirement",
                "Name, source and requirement, by node.",
                Kind::Table,
                "none",
                &[(r#"overlay_network_info{vni="$vni"}"#, "{{instance}}")],
            ),
            half(
                "Sent in cleartext, by node",
                "Packets outside ESP.",
                Kind::Stacked,
                "pps",
                &[(
                    r#"sum by (instance) (rate(overlay_packets_total{vni="$vni", direction="tx"}[5m]))"#,
                    "{{instance}}",
                )],
            ),
            half(
                "Sent in ESP, by node",
                "Packets inside ESP.",
                Kind::Stacked,
                "pps",
                &[(
                    r#"sum by (instance) (rate(overlay_esp_network_packets_total{vni="$vni", direction="tx"}[5m]))"#,
                    "{{instance}}",
                )],
            ),
            half(
                "Sent and received, over all nodes",
                "The two lines lie on each other unless packets are lost.",
                Kind::Time,
                "pps",
                &[
                    (r#"vni:overlay_sent_packets:rate5m{vni="$vni"}"#, "sent"),
                    (
                        r#"vni:overlay_received_packets:rate5m{vni="$vni"}"#,
                        "received",
                    ),
                ],
            ),
            half(
                "Violations",
                "Packets that broke the requirement.",
                Kind::Time,
                "pps",
                &[(
                    r#"sum by (instance, direction) (rate(overlay_violation_packets_total{vni="$vni"}[5m]))"#,
                    "{{instance}} {{direction}}",
                )],
            ),
            half(
                "Protocols, by exposure",
                "Bytes a second by protocol, and whether it can be read.",
                Kind::Stacked,
                "Bps",
                &[(
                    r#"sum by (protocol, exposure) (rate(overlay_exposure_bytes_total{vni="$vni"}[5m]))"#,
                    "{{protocol}} {{exposure}}",
                )],
            ),
            half(
                "Credentials",
                "Flows that showed credentials in plaintext, since the agents started.",
                Kind::Table,
                "none",
                &[(
                    r#"sum by (instance, kind) (overlay_credential_flows_total{vni="$vni"})"#,
                    "{{instance}} {{kind}}",
                )],
            ),
        ],
    },
    Dashboard {
        file: "node",
        title: "overlay-monitor: one node",
        variables: &[NODE],
        panels: &[
            stat(
                "Agent",
                "1 while the agent answers.",
                "none",
                &[(r#"up{job="overlay-monitor", instance="$node"}"#, "")],
            ),
            stat(
                "Hooks down",
                "Directions of interfaces that are not watched.",
                "none",
                &[(
                    r#"count(overlay_hook_up{instance="$node"} == 0) or vector(0)"#,
                    "",
                )],
            ),
            stat(
                "Not first",
                "Directions in which another program comes before the agent's.",
                "none",
                &[(
                    r#"count(overlay_hook_first{instance="$node"} == 0) or vector(0)"#,
                    "",
                )],
            ),
            stat(
                "ESP by network",
                "1 if ESP is attributed to networks.",
                "none",
                &[(r#"overlay_esp_attribution{instance="$node"}"#, "")],
            ),
            stat(
                "Docker",
                "1 while Docker answers; empty without Docker.",
                "none",
                &[(r#"overlay_docker_up{instance="$node"}"#, "")],
            ),
            stat(
                "Violations",
                "Open violations.",
                "none",
                &[(
                    r#"sum(overlay_violation_active{instance="$node"}) or vector(0)"#,
                    "",
                )],
            ),
            half(
                "States of the networks",
                "Time in each state, by network.",
                Kind::Table,
                "s",
                &[(
                    r#"overlay_network_state_seconds_total{instance="$node"}"#,
                    "VNI {{vni}} {{state}}",
                )],
            ),
            half(
                "Networks",
                "Bytes a second of each network outside ESP.",
                Kind::Stacked,
                "Bps",
                &[(
                    r#"sum by (vni, direction) (rate(overlay_bytes_total{instance="$node", vni!=""}[5m]))"#,
                    "VNI {{vni}} {{direction}}",
                )],
            ),
            half(
                "ESP, by node",
                "ESP packets a second, by the other node.",
                Kind::Time,
                "pps",
                &[(
                    r#"sum by (peer, direction) (rate(overlay_esp_packets_total{instance="$node"}[5m]))"#,
                    "{{peer}} {{direction}}",
                )],
            ),
            half(
                "Sequence numbers used",
                "Part of the 2^32 of the most used key with each node.",
                Kind::Time,
                "percentunit",
                &[(
                    r#"overlay_esp_sequence_used_ratio{instance="$node"}"#,
                    "{{peer}} {{direction}}",
                )],
            ),
            half(
                "Dropped by IPsec",
                "Packets a second that the kernel's IPsec dropped, by reason.",
                Kind::Time,
                "pps",
                &[(
                    r#"rate(overlay_xfrm_errors_total{instance="$node"}[5m])"#,
                    "{{reason}}",
                )],
            ),
            half(
                "Not parsed",
                "Packets a second that could not be parsed, by reason.",
                Kind::Time,
                "pps",
                &[(
                    r#"sum by (reason) (rate(overlay_unparsed_packets_total{instance="$node"}[5m]))"#,
                    "{{reason}}",
                )],
            ),
        ],
    },
    Dashboard {
        file: "cost",
        title: "overlay-monitor: what it costs",
        variables: &[],
        panels: &[
            half(
                "CPU",
                "Seconds of CPU a second that the agents use, without the kernel programs.",
                Kind::Time,
                "none",
                &[(
                    r#"rate(process_cpu_seconds_total{job="overlay-monitor"}[5m])"#,
                    "{{instance}}",
                )],
            ),
            half(
                "Memory",
                "Memory of the agents that is in RAM.",
                Kind::Time,
                "bytes",
                &[(
                    r#"process_resident_memory_bytes{job="overlay-monitor"}"#,
                    "{{instance}}",
                )],
            ),
            half(
                "Time of a scrape",
                "Seconds that Prometheus waits for a page.",
                Kind::Time,
                "s",
                &[(
                    r#"scrape_duration_seconds{job="overlay-monitor"}"#,
                    "{{instance}}",
                )],
            ),
            half(
                "Series, by node",
                "Samples in each page.",
                Kind::Time,
                "none",
                &[(
                    r#"scrape_samples_scraped{job="overlay-monitor"}"#,
                    "{{instance}}",
                )],
            ),
            half(
                "Packets that the programs see",
                "Packets a second, over all interfaces.",
                Kind::Time,
                "pps",
                &[(
                    "sum by (instance) (rate(overlay_packets_total[5m]))",
                    "{{instance}}",
                )],
            ),
            half(
                "Samples",
                "Packets a second that reach the classifiers, or are left out.",
                Kind::Time,
                "pps",
                &[(
                    "sum by (instance, outcome) (rate(overlay_samples_total[5m]))",
                    "{{instance}} {{outcome}}",
                )],
            ),
            half(
                "Maps",
                "Part of each kernel map that is in use, on the fullest node.",
                Kind::Time,
                "percentunit",
                &[(
                    "max by (map) (overlay_map_entries / overlay_map_capacity)",
                    "{{map}}",
                )],
            ),
            half(
                "Counted as \"other\"",
                "Packets a second without a row of their own, because a map was full.",
                Kind::Time,
                "pps",
                &[(
                    "sum by (instance, map) (rate(overlay_map_overflow_packets_total[5m]))",
                    "{{instance}} {{map}}",
                )],
            ),
        ],
    },
];

/// Files and their content.
pub(super) fn files() -> Vec<(String, String)> {
    let file = |dashboard: &Dashboard| {
        let path = format!("deploy/grafana/overlay-monitor-{}.json", dashboard.file);
        (path, format!("{:#}\n", json(dashboard)))
    };
    DASHBOARDS.iter().map(file).collect()
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${source}"})
}

fn json(dashboard: &Dashboard) -> Value {
    let mut variables = vec![json!({
        "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus",
    })];
    variables.extend(dashboard.variables.iter().map(|variable| {
        json!({
            "name": variable.name, "label": variable.name, "type": "query", "datasource": source(),
            "query": {"query": variable.query, "refId": variable.name}, "refresh": 2, "sort": 3,
        })
    }));
    let mut place = Place::default();
    let panels: Vec<Value> = (1..)
        .zip(dashboard.panels)
        .map(|(id, of)| panel(id, of, place.next(of)))
        .collect();
    json!({
        "uid": format!("overlay-monitor-{}", dashboard.file),
        "title": dashboard.title,
        "tags": ["overlay-monitor"],
        "schemaVersion": 37,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [{
            "title": "overlay-monitor", "type": "dashboards", "tags": ["overlay-monitor"], "asDropdown": true,
            "includeVars": true, "keepTime": true,
        }],
        "templating": {"list": variables},
        "panels": panels,
    })
}

/// Where the next panel is: from left to right, row by row.
#[derive(Default)]
struct Place {
    x: u32,
    y: u32,
    height: u32,
}

impl Place {
    fn next(&mut self, panel: &Panel) -> Value {
        if self.x + panel.width > 24 {
            (self.x, self.y, self.height) = (0, self.y + self.height, 0);
        }
        let at = json!({"x": self.x, "y": self.y, "w": panel.width, "h": panel.height});
        self.x += panel.width;
        self.height = self.height.max(panel.height);
        at
    }
}

fn panel(id: u32, panel: &Panel, place: Value) -> Value {
    let is_newest = matches!(panel.kind, Kind::Stat | Kind::Table | Kind::Matrix);
    let is_table = matches!(panel.kind, Kind::Table | Kind::Matrix);
    let targets: Vec<Value> = ('A'..)
        .zip(panel.queries)
        .map(|(letter, (expression, legend))| {
            json!({
                "refId": letter.to_string(), "datasource": source(), "expr": expression, "legendFormat": legend,
                "instant": is_newest, "range": !is_newest, "format": if is_table { "table" } else { "time_series" },
            })
        })
        .collect();
    let kind = match panel.kind {
        Kind::Stat => "stat",
        Kind::Time | Kind::Stacked => "timeseries",
        Kind::Table | Kind::Matrix => "table",
    };
    let mut defaults = json!({"unit": panel.unit});
    if panel.kind == Kind::Stacked {
        defaults["custom"] =
            json!({"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}});
    }
    let mut transformations = Vec::new();
    if panel.kind == Kind::Matrix {
        defaults["custom"] = json!({"cellOptions": {"type": "color-background"}});
        defaults["mappings"] = json!([{"type": "value", "options": states()}]);
        transformations.push(json!({
            "id": "groupingToMatrix",
            "options": {"rowField": "instance", "columnField": "vni", "valueField": "state"},
        }));
    }
    json!({
        "id": id, "type": kind, "title": panel.title, "description": panel.what, "gridPos": place, "datasource": source(),
        "targets": targets, "transformations": transformations,
        "fieldConfig": {"defaults": defaults, "overrides": []},
    })
}

/// Colour of each state, beside its name.
fn states() -> Value {
    json!({
        "encrypted": {"color": "green", "index": 0},
        "cleartext": {"color": "red", "index": 1},
        "mixed": {"color": "orange", "index": 2},
        "idle": {"color": "gray", "index": 3},
        "unknown": {"color": "purple", "index": 4},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_panel_covers_another() {
        for dashboard in DASHBOARDS {
            let json = json(dashboard);
            let panels = json["panels"].as_array().unwrap();
            let mut cells = std::collections::BTreeSet::new();
            for panel in panels {
                let of = |name: &str| panel["gridPos"][name].as_u64().unwrap();
                for x in of("x")..of("x") + of("w") {
                    for y in of("y")..of("y") + of("h") {
                        assert!(x < 24 && cells.insert((x, y)), "{}", panel["title"]);
                    }
                }
            }
            assert_eq!(panels.len(), dashboard.panels.len());
        }
    }
}
