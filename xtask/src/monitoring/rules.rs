//! The alerts and recorded series, as data: the only place that has them. Rules, runbook and dashboards are made of it.

/// How soon someone must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// At once.
    Critical,
    /// On this working day.
    Warning,
    /// When there is time.
    Info,
}

impl Severity {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// A series that Prometheus computes beforehand.
pub(super) struct Recorded {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) expression: &'static str,
}

/// An alert.
pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) expression: &'static str,
    /// How long it must hold first.
    pub(super) hold: &'static str,
    /// How long it goes on after its expression ended: for what an agent forgets when it restarts.
    pub(super) keep: Option<&'static str>,
    /// One sentence, with templates of Prometheus.
    pub(super) summary: &'static str,
    /// What it means, for the runbook.
    pub(super) means: &'static str,
    /// What to do first.
    pub(super) action: &'static str,
}

/// Recorded series.
pub(super) const RECORDED: &[Recorded] = &[
    Recorded {
        name: "vni:overlay_sent_packets:rate5m",
        what: "packets a second that all nodes sent of a network, in cleartext and in ESP",
        expression: r#"sum by (job, vni) (
  rate(overlay_packets_total{direction="tx", vni!~"|other"}[5m])
  or rate(overlay_esp_network_packets_total{direction="tx", vni!="other"}[5m])
)"#,
    },
    Recorded {
        name: "vni:overlay_received_packets:rate5m",
        what: "packets a second that all nodes received of a network, in cleartext and in ESP",
        expression: r#"sum by (job, vni) (
  rate(overlay_packets_total{direction="rx", vni!~"|other"}[5m])
  or rate(overlay_esp_network_packets_total{direction="rx", vni!="other"}[5m])
)"#,
    },
    Recorded {
        name: "instance_vni_protocol:overlay_plaintext_packets:sum",
        what: "packets that can be read in a network on a node, by protocol",
        expression: r#"sum by (job, instance, vni, protocol) (overlay_exposure_packets_total{exposure="plaintext", vni!~"|other"})"#,
    },
    Recorded {
        name: "instance:overlay_samples_left_out:ratio_rate10m",
        what: "part of the packets chosen as samples on a node that no classifier saw",
        expression: r#"sum by (job, instance) (rate(overlay_samples_total{outcome=~"capped|ring_full"}[10m]))
/ sum by (job, instance) (rate(overlay_samples_total[10m]))"#,
    },
    Recorded {
        name: "instance_vni:overlay_network_watched:ratio_rate1h",
        what: "part of the last hour in which the state of a network could be determined on a node",
        expression: "rate(overlay_network_watched_seconds_total[1h])",
    },
];

/// All alerts, the most urgent first.
pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "OverlayCleartextSent",
        severity: Severity::Critical,
        expression: r#"(overlay_violation_active{direction="tx"} == 1)
* on (job, instance, vni) group_left (network) overlay_network_info{required="required"}"#,
        hold: "0m",
        keep: Some("15m"),
        summary: "{{ $labels.instance }} sends network {{ $labels.network }} (VNI {{ $labels.vni }}) in cleartext, though it must be encrypted",
        means: "This node sent packets of a network that must be encrypted outside IPsec: anyone on the path can read them. \
                A firewall rule or an IPsec policy of this node is missing.",
        action: "Read the likely cause in the agent's log on that node (`violation: … Likely cause: …`), or run `overlay-monitor check` there. \
                 With Docker's Swarm, a firewall that was reloaded has lost Docker's rules: restart Docker.",
    },
    Alert {
        name: "OverlayCleartextReceived",
        severity: Severity::Critical,
        expression: r#"(overlay_violation_active{direction="rx"} == 1)
* on (job, instance, vni) group_left (network) overlay_network_info{required="required"}"#,
        hold: "0m",
        keep: Some("15m"),
        summary: "{{ $labels.instance }} receives network {{ $labels.network }} (VNI {{ $labels.vni }}) in cleartext, though it must be encrypted",
        means: "A packet of a network that must be encrypted came in outside IPsec. Another node does not encrypt, or someone injects \
                packets.",
        action: "The log of that agent and its `/networks` name the sender. If OverlayCleartextSent is firing on the sender, go there. If the sender counts none, or \
                 is no node of the cluster, packets are injected: block its address at the edge, and find out who has it.",
    },
    Alert {
        name: "OverlayAgentDown",
        severity: Severity::Critical,
        expression: r#"up{job="overlay-monitor"} == 0"#,
        hold: "2m",
        keep: None,
        summary: "no overlay-monitor answers at {{ $labels.instance }}",
        means: "Nothing is known of the networks of this node meanwhile, and nothing can be proven of that time later.",
        action: "See whether the node is up and whether the agent runs there, and read the end of its log.",
    },
    Alert {
        name: "OverlayHookDown",
        severity: Severity::Critical,
        expression: "overlay_hook_up == 0",
        hold: "1m",
        keep: None,
        summary: "{{ $labels.instance }} sees no packets ({{ $labels.direction }}) of {{ $labels.interface }}",
        means: "No program is attached to an interface that must be watched: it is gone, or another program took the place. The state of each \
                network there is unknown.",
        action: "`curl http://NODE:9469/healthz` says what is missing, and the log why. If the interface was renamed or replaced, name the new one \
                 with `-i`, or use `-i default`.",
    },
    Alert {
        name: "OverlayEncryptionUnknown",
        severity: Severity::Warning,
        expression: r#"(overlay_network_state{state="unknown"} == 1)
* on (job, instance, vni) group_left (network) overlay_network_info{required="required"}"#,
        hold: "5m",
        keep: None,
        summary: "{{ $labels.instance }} cannot see whether network {{ $labels.network }} (VNI {{ $labels.vni }}) is encrypted",
        means: "The network must be encrypted, and no cleartext was seen, but coverage is incomplete: an interface is not watched, the kernel \
                does not attribute ESP to networks, or a map is full.",
        action: "The field `doubts` of the network at `/networks` names the reason; `overlay-monitor check` on that node says whether it \
                 attributes ESP, and if not, why.",
    },
    Alert {
        name: "OverlayForbiddenEncryption",
        severity: Severity::Warning,
        expression: r#"(overlay_violation_active == 1)
* on (job, instance, vni) group_left (network) overlay_network_info{required="forbidden"}"#,
        hold: "0m",
        keep: Some("15m"),
        summary: "network {{ $labels.network }} (VNI {{ $labels.vni }}) is encrypted at {{ $labels.instance }}, though it must not be",
        means: "Inspection of this network on the path sees only ciphertext.",
        action: "Find the IPsec policy that takes it (`ip xfrm policy` on that node), or change the requirement.",
    },
    Alert {
        name: "OverlayCredentialsInCleartext",
        severity: Severity::Warning,
        expression: r#"increase(overlay_credential_flows_total{vni!=""}[15m]) > 0
or (overlay_credential_flows_total{vni!=""} > 0 unless overlay_credential_flows_total offset 15m)"#,
        hold: "0m",
        keep: None,
        summary: "credentials ({{ $labels.kind }}) can be read in VNI {{ $labels.vni }} at {{ $labels.instance }}",
        means: "A flow inside the overlay showed a password, a token or a cookie in plaintext. It was counted from samples, so there may be \
                more.",
        action: "`overlay-monitor tail -i INTERFACE --vni VNI --credentials` on that node shows whose they are. Encrypt the network or the \
                 protocol, then change the credentials: anyone on the path has them.",
    },
    Alert {
        name: "OverlaySequenceNumbersRunOut",
        severity: Severity::Warning,
        expression: r#"overlay_esp_sequence_used_ratio > 0.9
or predict_linear(overlay_esp_sequence_used_ratio[1h], 86400) > 1 and overlay_esp_sequence_used_ratio > 0.1"#,
        hold: "10m",
        keep: None,
        summary: "the ESP key of {{ $labels.instance }} with {{ $labels.peer }} ({{ $labels.direction }}) is used up within a day",
        means: "An association without extended sequence numbers sends 2^32 packets at most. Then the kernel drops, silently. A new key begins \
                again at 0: Docker makes one every 12 hours, so with Docker this matters only above half a key in that time.",
        action: "Change the key now (with Docker, restart the engine of the Swarm's leader, or let the rotation come if it is sooner), and spread the load over \
                 more nodes.",
    },
    Alert {
        name: "OverlayEspUnanswered",
        severity: Severity::Warning,
        expression: r#"(
  sum by (job, instance, peer) (rate(overlay_esp_packets_total{direction="tx", peer!="other"}[5m])) > 0
  unless sum by (job, instance, peer) (rate(overlay_esp_packets_total{direction="rx", peer!="other"}[5m])) > 0
)
unless on (job, instance) rate(overlay_decrypted_packets_total[5m]) > 0"#,
        hold: "10m",
        keep: None,
        summary: "{{ $labels.instance }} sends ESP to {{ $labels.peer }} and receives none from it",
        means: "ESP is blocked on the path, or the other node has another key. Services that cross it hang, while the network is \
                encrypted as it must be.",
        action: "Compare `overlay-monitor check` on both nodes. Allow IP protocol 50 (and UDP 4500, if NAT is between the nodes) in both directions.",
    },
    Alert {
        name: "OverlayNodesDisagree",
        severity: Severity::Warning,
        expression: r#"(
  vni:overlay_sent_packets:rate5m
  - (vni:overlay_received_packets:rate5m or vni:overlay_sent_packets:rate5m * 0)
) / vni:overlay_sent_packets:rate5m > 0.01
and vni:overlay_sent_packets:rate5m > 1"#,
        hold: "10m",
        keep: None,
        summary: "{{ $value | humanizePercentage }} of what nodes send in VNI {{ $labels.vni }} is received on no node",
        means: "Over all nodes with an agent, more than 1 % of the packets of a network are sent and never received: they are lost or blocked on \
                the path, or go to a node without an agent.",
        action: "On the dashboard of the network, compare what each node sends and receives. A node that receives nothing has a firewall between; \
                 loss on all points at the MTU (ESP in fragments) or at a full link.",
    },
    Alert {
        name: "OverlayPortUnwatched",
        severity: Severity::Warning,
        expression: "overlay_port_unwatched == 1",
        hold: "5m",
        keep: None,
        summary: "{{ $labels.instance }} uses UDP port {{ $labels.port }} for {{ $labels.encapsulation }}, which its agent does not watch",
        means: "An overlay of this node is not seen at all.",
        action: "Add the port to `vxlan_ports` or `geneve_ports` in the agent's configuration, and restart it.",
    },
    Alert {
        name: "OverlayMapNearlyFull",
        severity: Severity::Warning,
        expression: r#"overlay_map_entries{map!="peers"} / overlay_map_capacity > 0.7
or overlay_map_entries{map="peers"} / overlay_map_capacity > 0.45"#,
        hold: "15m",
        keep: None,
        summary: "the map {{ $labels.map }} of {{ $labels.instance }} is {{ $value | humanizePercentage }} full",
        means: "New networks or nodes will soon be counted as `other`. A part of each map is kept for described networks, which keep their rows: \
                the others find it full at three quarters or seven eighths of its capacity, and the map of peers at half.",
        action: "If someone scans VNIs or forges addresses (see `overlay_packets_total` by `vni`), stop them; rows leave after an hour of silence. Otherwise describe \
                 the networks that matter in the configuration.",
    },
    Alert {
        name: "OverlayDockerSilent",
        severity: Severity::Warning,
        expression: "overlay_docker_up == 0",
        hold: "5m",
        keep: None,
        summary: "Docker does not answer the agent at {{ $labels.instance }}",
        means: "The agent keeps the last known networks. One that was made since is not required to be encrypted.",
        action: "See whether the engine runs, and whether the agent may still open its socket.",
    },
    Alert {
        name: "OverlayHookNotFirst",
        severity: Severity::Info,
        expression: "overlay_hook_first == 0",
        hold: "5m",
        keep: None,
        summary: "another program comes before the agent's on {{ $labels.interface }} ({{ $labels.direction }}) of {{ $labels.instance }}",
        means: "Packets that the other program drops or redirects are not counted.",
        action: "`overlay-monitor check -i INTERFACE` names it. If it only looks, nothing is missing; otherwise restart the agent after it.",
    },
    Alert {
        name: "OverlaySamplesLeftOut",
        severity: Severity::Info,
        expression: "instance:overlay_samples_left_out:ratio_rate10m > 0.1",
        hold: "30m",
        keep: None,
        summary: "{{ $value | humanizePercentage }} of the samples of {{ $labels.instance }} are left out",
        means: "Protocols and credentials may be missed. Counts and states of networks are exact all the same.",
        action: "Raise `samples_per_second`, if the node has time to spare.",
    },
    Alert {
        name: "OverlayNewPlaintextProtocol",
        severity: Severity::Info,
        expression: r#"(
  instance_vni_protocol:overlay_plaintext_packets:sum > 0
  unless count_over_time(instance_vni_protocol:overlay_plaintext_packets:sum[1d] offset 15m)
)
and on (job, instance) up offset 1d == 1"#,
        hold: "0m",
        keep: None,
        summary: "{{ $labels.protocol }} can be read in VNI {{ $labels.vni }} at {{ $labels.instance }}, for the first time in a day",
        means: "A protocol appeared in plaintext that was not seen in this network on this node for a day. It fires for 15 minutes.",
        action: "`overlay-monitor tail -i INTERFACE --vni VNI --protocol PROTOCOL` on that node shows who talks. If it is meant to be readable, nothing \
                 is to be done.",
    },
];
