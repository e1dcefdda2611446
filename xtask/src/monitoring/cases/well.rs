//! The case in which nothing fires.

use super::case::REQUIRED;

/// An hour in which all is well: keys are changed, and an agent restarts.
pub(in crate::monitoring) const WELL: &[(&str, &str)] = &[
    REQUIRED,
    (r#"up{JOB}"#, "1x100 0x2 1x200"),
    (
        r#"overlay_hook_up{JOB,interface="eth0",direction="rx"}"#,
        "1x300",
    ),
    (
        r#"overlay_hook_first{JOB,interface="eth0",direction="rx"}"#,
        "1x300",
    ),
    (r#"overlay_docker_up{JOB}"#, "1x300"),
    (
        r#"overlay_violation_active{JOB,vni="4096",direction="tx"}"#,
        "0x300",
    ),
    (
        r#"overlay_network_state{JOB,vni="4096",state="encrypted"}"#,
        "1x100 0x2 1x200",
    ),
    (
        r#"overlay_network_state{JOB,vni="4096",state="unknown"}"#,
        "0x100 1x2 0x200",
    ),
    (
        r#"overlay_esp_network_packets_total{JOB,direction="tx",vni="4096"}"#,
        "0+150x100 0+150x200",
    ),
    (
        r#"overlay_esp_network_packets_total{job="overlay-monitor",instance="n2:9469",direction="rx",vni="4096"}"#,
        "0+150x300",
    ),
    (
        r#"overlay_esp_packets_total{JOB,interface="eth0",direction="tx",peer="10.0.0.2"}"#,
        "0+150x100 0+150x200",
    ),
    (
        r#"overlay_esp_packets_total{JOB,interface="eth0",direction="rx",peer="10.0.0.2"}"#,
        "0+150x100 0+150x200",
    ),
    (
        r#"overlay_esp_sequence_used_ratio{JOB,peer="10.0.0.2",direction="tx"}"#,
        "0+0.000001x120 0+0.000001x180",
    ),
    (r#"overlay_map_entries{JOB,map="counters"}"#, "12x300"),
    (r#"overlay_map_capacity{JOB,map="counters"}"#, "16384x300"),
    (
        r#"overlay_samples_total{JOB,outcome="sent"}"#,
        "0+60x100 0+60x200",
    ),
    (r#"overlay_samples_total{JOB,outcome="capped"}"#, "0x300"),
    (
        r#"overlay_exposure_packets_total{JOB,direction="tx",vni="4096",protocol="esp",exposure="encrypted"}"#,
        "0+150x100 0+150x200",
    ),
];
/// When it is looked at: a moment after the restart, and in the end.
pub(in crate::monitoring) const WELL_AT: [&str; 2] = ["26m", "1h"];
