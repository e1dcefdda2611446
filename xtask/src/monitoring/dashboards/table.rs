//! The dashboards: their panels and queries.

/// A dashboard: its file, title, variables and panels.
pub(in crate::monitoring) struct Dashboard {
    pub(in crate::monitoring) file: &'static str,
    pub(in crate::monitoring) title: &'static str,
    pub(in crate::monitoring) variables: &'static [Variable],
    pub(in crate::monitoring) panels: &'static [Panel],
}

/// A choice at the top: the values of a label.
pub(in crate::monitoring) struct Variable {
    pub(in crate::monitoring) name: &'static str,
    pub(in crate::monitoring) query: &'static str,
}

/// A panel in a grid of 24 columns.
pub(in crate::monitoring) struct Panel {
    pub(in crate::monitoring) title: &'static str,
    pub(in crate::monitoring) what: &'static str,
    pub(in crate::monitoring) kind: Kind,
    pub(in crate::monitoring) unit: &'static str,
    pub(in crate::monitoring) width: u32,
    pub(in crate::monitoring) height: u32,
    /// Expression and legend.
    pub(in crate::monitoring) queries: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::monitoring) enum Kind {
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

pub(in crate::monitoring) const DASHBOARDS: &[Dashboard] = &[
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
