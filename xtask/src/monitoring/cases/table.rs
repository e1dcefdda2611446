//! The cases in which an alert fires, or just does not.

use super::case::{Case, REQUIRED, fires, none};

const SENT: &[(&str, &str)] = &[(
    r#"instance: "n1:9469", vni: "4096", direction: tx, network: app1"#,
    "n1:9469 sends network app1 (VNI 4096) in cleartext, though it must be encrypted",
)];
const RECEIVED: &[(&str, &str)] = &[(
    r#"instance: "n1:9469", vni: "4096", direction: rx, network: app1"#,
    "n1:9469 receives network app1 (VNI 4096) in cleartext, though it must be encrypted",
)];
const OPTIONAL: (&str, &str) = (
    r#"overlay_network_info{JOB,vni="7",network="lab",source="docker",required="optional",kind="overlay"}"#,
    "1x400",
);

/// All cases.
pub(in crate::monitoring) const CASES: &[Case] = &[
    Case {
        name: "a violation of two minutes, in what is sent",
        interval: "15s",
        series: &[
            REQUIRED,
            OPTIONAL,
            (
                r#"overlay_violation_active{JOB,vni="4096",direction="tx"}"#,
                "0x3 1x7 0x300",
            ),
            (
                r#"overlay_violation_active{JOB,vni="4096",direction="rx"}"#,
                "0x300",
            ),
            (
                r#"overlay_violation_active{JOB,vni="7",direction="tx"}"#,
                "1x300",
            ),
        ],
        checks: &[
            none("45s", "OverlayCleartextSent"),
            fires("1m", "OverlayCleartextSent", SENT),
            fires("10m", "OverlayCleartextSent", SENT),
            none("25m", "OverlayCleartextSent"),
            none("2m", "OverlayCleartextReceived"),
            none("2m", "OverlayForbiddenEncryption"),
        ],
    },
    Case {
        name: "a violation that the agent forgets, because it restarts",
        interval: "15s",
        series: &[
            REQUIRED,
            (
                r#"overlay_violation_active{JOB,vni="4096",direction="rx"}"#,
                "0x3 1x3 0x300",
            ),
        ],
        checks: &[
            fires("1m", "OverlayCleartextReceived", RECEIVED),
            fires("12m", "OverlayCleartextReceived", RECEIVED),
            none("25m", "OverlayCleartextReceived"),
            none("2m", "OverlayCleartextSent"),
        ],
    },
    Case {
        name: "a network that must not be encrypted, and is",
        interval: "15s",
        series: &[
            (
                r#"overlay_network_info{JOB,vni="9",network="tapped",source="config",required="forbidden",kind="overlay"}"#,
                "1x40",
            ),
            (
                r#"overlay_violation_active{JOB,vni="9",direction="tx"}"#,
                "0x3 1x40",
            ),
        ],
        checks: &[
            none("45s", "OverlayForbiddenEncryption"),
            fires(
                "1m",
                "OverlayForbiddenEncryption",
                &[(
                    r#"instance: "n1:9469", vni: "9", direction: tx, network: tapped"#,
                    "network tapped (VNI 9) is encrypted at n1:9469, though it must not be",
                )],
            ),
            none("2m", "OverlayCleartextSent"),
        ],
    },
    Case {
        name: "an agent that is gone",
        interval: "15s",
        series: &[
            (r#"up{JOB}"#, "1x4 0x40"),
            (
                r#"up{job="overlay-monitor",instance="n2:9469"}"#,
                "1x4 0x4 1x40",
            ),
            (r#"up{job="node",instance="n1:9100"}"#, "0x40"),
        ],
        checks: &[
            none("3m", "OverlayAgentDown"),
            fires(
                "4m",
                "OverlayAgentDown",
                &[(
                    r#"instance: "n1:9469""#,
                    "no overlay-monitor answers at n1:9469",
                )],
            ),
        ],
    },
    Case {
        name: "an interface that is gone",
        interval: "15s",
        series: &[
            (
                r#"overlay_hook_up{JOB,interface="eth0",direction="rx"}"#,
                "1x4 0x40",
            ),
            (
                r#"overlay_hook_up{JOB,interface="eth0",direction="tx"}"#,
                "1x4 0x1 1x40",
            ),
        ],
        checks: &[
            none("2m", "OverlayHookDown"),
            fires(
                "3m",
                "OverlayHookDown",
                &[(
                    r#"instance: "n1:9469", interface: eth0, direction: rx"#,
                    "n1:9469 sees no packets (rx) of eth0",
                )],
            ),
        ],
    },
    Case {
        name: "networks of which nothing can be known, one with a requirement",
        interval: "15s",
        series: &[
            REQUIRED,
            OPTIONAL,
            (
                r#"overlay_network_state{JOB,vni="4096",state="unknown"}"#,
                "1x40",
            ),
            (
                r#"overlay_network_state{JOB,vni="4096",state="cleartext"}"#,
                "0x40",
            ),
            (
                r#"overlay_network_state{JOB,vni="7",state="unknown"}"#,
                "1x40",
            ),
        ],
        checks: &[
            none("4m", "OverlayEncryptionUnknown"),
            fires(
                "6m",
                "OverlayEncryptionUnknown",
                &[(
                    r#"instance: "n1:9469", vni: "4096", state: unknown, network: app1"#,
                    "n1:9469 cannot see whether network app1 (VNI 4096) is encrypted",
                )],
            ),
        ],
    },
    Case {
        name: "credentials: the first ones, old ones, and those outside any overlay",
        interval: "15s",
        series: &[
            (
                r#"overlay_credential_flows_total{JOB,vni="4096",kind="http_basic"}"#,
                "_x80 1x200",
            ),
            (
                r#"overlay_credential_flows_total{JOB,vni="4096",kind="cookie"}"#,
                "5x200 6x100",
            ),
            (
                r#"overlay_credential_flows_total{JOB,vni="",kind="ftp_password"}"#,
                "0+1x300",
            ),
        ],
        checks: &[
            none("19m", "OverlayCredentialsInCleartext"),
            fires(
                "21m",
                "OverlayCredentialsInCleartext",
                &[(
                    r#"instance: "n1:9469", vni: "4096", kind: http_basic"#,
                    "credentials (http_basic) can be read in VNI 4096 at n1:9469",
                )],
            ),
            none("40m", "OverlayCredentialsInCleartext"),
            fires(
                "52m",
                "OverlayCredentialsInCleartext",
                &[(
                    r#"instance: "n1:9469", vni: "4096", kind: cookie"#,
                    "credentials (cookie) can be read in VNI 4096 at n1:9469",
                )],
            ),
        ],
    },
    Case {
        name: "keys: one that is used up within a day, one that is, one in rotation, one that is hardly used",
        interval: "15s",
        series: &[
            (
                r#"overlay_esp_sequence_used_ratio{JOB,peer="10.0.0.2",direction="tx"}"#,
                "0.11+0.001x300",
            ),
            (
                r#"overlay_esp_sequence_used_ratio{JOB,peer="10.0.0.3",direction="rx"}"#,
                "0.95x300",
            ),
            (
                r#"overlay_esp_sequence_used_ratio{JOB,peer="10.0.0.4",direction="tx"}"#,
                "0.4x150 0x150",
            ),
            (
                r#"overlay_esp_sequence_used_ratio{JOB,peer="10.0.0.5",direction="tx"}"#,
                "0+0.000001x300",
            ),
        ],
        checks: &[
            none("5m", "OverlaySequenceNumbersRunOut"),
            fires(
                "1h",
                "OverlaySequenceNumbersRunOut",
                &[
                    (
                        r#"instance: "n1:9469", peer: 10.0.0.2, direction: tx"#,
                        "the ESP key of n1:9469 with 10.0.0.2 (tx) is used up within a day",
                    ),
                    (
                        r#"instance: "n1:9469", peer: 10.0.0.3, direction: rx"#,
                        "the ESP key of n1:9469 with 10.0.0.3 (rx) is used up within a day",
                    ),
                ],
            ),
        ],
    },
    Case {
        name: "ESP: unanswered, answered, and decrypted before it is counted",
        interval: "15s",
        series: &[
            (
                r#"overlay_esp_packets_total{JOB,interface="eth0",direction="tx",peer="10.0.0.2"}"#,
                "0+10x100",
            ),
            (
                r#"overlay_esp_packets_total{JOB,interface="eth0",direction="rx",peer="10.0.0.2"}"#,
                "7x100",
            ),
            (
                r#"overlay_esp_packets_total{JOB,interface="eth0",direction="tx",peer="10.0.0.3"}"#,
                "0+10x100",
            ),
            (
                r#"overlay_esp_packets_total{JOB,interface="eth0",direction="rx",peer="10.0.0.3"}"#,
                "0+10x100",
            ),
            (r#"overlay_decrypted_packets_total{JOB}"#, "0x100"),
            (
                r#"overlay_esp_packets_total{job="overlay-monitor",instance="n2:9469",interface="eth0",direction="tx",peer="10.0.0.4"}"#,
                "0+10x100",
            ),
            (
                r#"overlay_decrypted_packets_total{job="overlay-monitor",instance="n2:9469"}"#,
                "0+10x100",
            ),
        ],
        checks: &[
            none("9m", "OverlayEspUnanswered"),
            fires(
                "15m",
                "OverlayEspUnanswered",
                &[(
                    r#"instance: "n1:9469", peer: 10.0.0.2"#,
                    "n1:9469 sends ESP to 10.0.0.2 and receives none from it",
                )],
            ),
        ],
    },
    Case {
        name: "nodes that agree, disagree by a tenth, and in all",
        interval: "15s",
        series: &[
            (
                r#"overlay_packets_total{JOB,interface="eth0",direction="tx",encapsulation="vxlan",vni="4096"}"#,
                "0+150x200",
            ),
            (
                r#"overlay_packets_total{job="overlay-monitor",instance="n2:9469",interface="eth0",direction="rx",encapsulation="vxlan",vni="4096"}"#,
                "0+150x200",
            ),
            (
                r#"overlay_packets_total{JOB,interface="eth0",direction="tx",encapsulation="vxlan",vni="4097"}"#,
                "0+150x200",
            ),
            (
                r#"overlay_packets_total{job="overlay-monitor",instance="n2:9469",interface="eth0",direction="rx",encapsulation="vxlan",vni="4097"}"#,
                "0+135x200",
            ),
            (
                r#"overlay_esp_network_packets_total{JOB,direction="tx",vni="4098"}"#,
                "0+150x200",
            ),
            (
                r#"overlay_packets_total{JOB,interface="eth0",direction="tx",encapsulation="esp",vni=""}"#,
                "0+150x200",
            ),
        ],
        checks: &[
            none("9m", "OverlayNodesDisagree"),
            fires(
                "20m",
                "OverlayNodesDisagree",
                &[
                    (
                        r#"vni: "4097""#,
                        "10% of what nodes send in VNI 4097 is received on no node",
                    ),
                    (
                        r#"vni: "4098""#,
                        "100% of what nodes send in VNI 4098 is received on no node",
                    ),
                ],
            ),
        ],
    },
    Case {
        name: "an overlay on another port",
        interval: "15s",
        series: &[(
            r#"overlay_port_unwatched{JOB,port="8472",encapsulation="vxlan"}"#,
            "1x40",
        )],
        checks: &[
            none("4m", "OverlayPortUnwatched"),
            fires(
                "6m",
                "OverlayPortUnwatched",
                &[(
                    r#"instance: "n1:9469", port: "8472", encapsulation: vxlan"#,
                    "n1:9469 uses UDP port 8472 for vxlan, which its agent does not watch",
                )],
            ),
        ],
    },
    Case {
        name: "a map that is nearly full, and one that is not",
        interval: "15s",
        series: &[
            // A scan of VNIs fills seven eighths, and forged nodes half of the peers: the rest is kept for described networks.
            (r#"overlay_map_entries{JOB,map="counters"}"#, "87x100"),
            (r#"overlay_map_capacity{JOB,map="counters"}"#, "100x100"),
            (r#"overlay_map_entries{JOB,map="peers"}"#, "50x100"),
            (r#"overlay_map_capacity{JOB,map="peers"}"#, "100x100"),
            (r#"overlay_map_entries{JOB,map="esp"}"#, "50x100"),
            (r#"overlay_map_capacity{JOB,map="esp"}"#, "100x100"),
        ],
        checks: &[
            none("14m", "OverlayMapNearlyFull"),
            fires(
                "16m",
                "OverlayMapNearlyFull",
                &[
                    (
                        r#"instance: "n1:9469", map: counters"#,
                        "the map counters of n1:9469 is 87% full",
                    ),
                    (
                        r#"instance: "n1:9469", map: peers"#,
                        "the map peers of n1:9469 is 50% full",
                    ),
                ],
            ),
        ],
    },
    Case {
        name: "Docker that is restarted, and Docker that is gone",
        interval: "15s",
        series: &[
            (r#"overlay_docker_up{JOB}"#, "1x4 0x40"),
            (
                r#"overlay_docker_up{job="overlay-monitor",instance="n2:9469"}"#,
                "1x4 0x4 1x40",
            ),
        ],
        checks: &[
            none("5m", "OverlayDockerSilent"),
            fires(
                "8m",
                "OverlayDockerSilent",
                &[(
                    r#"instance: "n1:9469""#,
                    "Docker does not answer the agent at n1:9469",
                )],
            ),
        ],
    },
    Case {
        name: "a program before ours",
        interval: "15s",
        series: &[
            (
                r#"overlay_hook_first{JOB,interface="eth0",direction="rx"}"#,
                "0x40",
            ),
            (
                r#"overlay_hook_first{JOB,interface="eth0",direction="tx"}"#,
                "1x40",
            ),
        ],
        checks: &[
            none("4m", "OverlayHookNotFirst"),
            fires(
                "6m",
                "OverlayHookNotFirst",
                &[(
                    r#"instance: "n1:9469", interface: eth0, direction: rx"#,
                    "another program comes before the agent's on eth0 (rx) of n1:9469",
                )],
            ),
        ],
    },
    Case {
        name: "samples that are left out, and samples that are not",
        interval: "15s",
        series: &[
            (r#"overlay_samples_total{JOB,outcome="sent"}"#, "0+60x300"),
            (r#"overlay_samples_total{JOB,outcome="capped"}"#, "0+20x300"),
            (
                r#"overlay_samples_total{JOB,outcome="ring_full"}"#,
                "0+10x300",
            ),
            (
                r#"overlay_samples_total{job="overlay-monitor",instance="n2:9469",outcome="sent"}"#,
                "0+60x300",
            ),
            (
                r#"overlay_samples_total{job="overlay-monitor",instance="n2:9469",outcome="capped"}"#,
                "0+1x300",
            ),
        ],
        checks: &[
            none("20m", "OverlaySamplesLeftOut"),
            fires(
                "45m",
                "OverlaySamplesLeftOut",
                &[(
                    r#"instance: "n1:9469""#,
                    "33.33% of the samples of n1:9469 are left out",
                )],
            ),
        ],
    },
    Case {
        name: "a protocol that is new after a day, and one that is not",
        interval: "1m",
        series: &[
            (r#"up{JOB}"#, "1x1700"),
            (
                r#"overlay_exposure_packets_total{JOB,direction="tx",vni="4096",protocol="redis",exposure="plaintext"}"#,
                "1+1x1700",
            ),
            (
                r#"overlay_exposure_packets_total{JOB,direction="tx",vni="4096",protocol="http",exposure="plaintext"}"#,
                "_x1500 1+1x200",
            ),
            (
                r#"overlay_exposure_packets_total{JOB,direction="tx",vni="4096",protocol="tls",exposure="encrypted"}"#,
                "_x1500 1+1x200",
            ),
        ],
        checks: &[
            none("5m", "OverlayNewPlaintextProtocol"),
            none("24h30m", "OverlayNewPlaintextProtocol"),
            fires(
                "25h5m",
                "OverlayNewPlaintextProtocol",
                &[(
                    r#"instance: "n1:9469", vni: "4096", protocol: http"#,
                    "http can be read in VNI 4096 at n1:9469, for the first time in a day",
                )],
            ),
            none("26h", "OverlayNewPlaintextProtocol"),
        ],
    },
];
