use std::path::Path;

use caps::Capability;
use monitor_common::count::{Count, EspCarried, EspCount};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::esp_time;
use monitor_common::key::{Class, ExposureKey, NetworkId};
use monitor_common::packet_time::PacketTimes;
use monitor_common::reason::Reason;

use super::super::documentation;
use super::*;
use crate::base::confinement::{Files, Held};
use crate::base::privileges::Capabilities;
use crate::host::process_use::ProcessUse;
use crate::kernel::Attribution;
use crate::traffic::counted::{Counted, EspNetwork, EspOther, EspPeer, Traffic, Unparsed, Vni};
use crate::traffic::counted::{EspTime, Exposed, Pending};
use crate::traffic::counted_association::CountedAssociation;
use crate::traffic::exposure_class::class;
use monitor_classify::{CredentialKind, Exposure, Protocol};

fn snapshot() -> Snapshot {
    let interface: Arc<str> = "eth0".into();
    let count = EspCount {
        packets: 2,
        bytes: 300,
        sequence_min: 1,
        sequence_max: 2,
        later_fragments: 1,
    };
    let inside = EspCarried {
        packets: 3,
        bytes: 330,
        overhead: 80,
    };
    let association = |spi| CountedAssociation {
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
    let mut packet_times = PacketTimes::default();
    let place = esp_time::place(Direction::Tx, 1_400);
    (
        packet_times.buckets[place][1],
        packet_times.buckets[place][12],
    ) = (2, 1);
    packet_times.nanoseconds[place] = 900_000;
    packet_times.asynchronous[Direction::Rx as usize] = 3;
    let counted = Counted {
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
        esp_peers: [Some("192.168.77.2"), None]
            .map(|peer| EspPeer {
                interface: interface.clone(),
                direction: Direction::Rx,
                peer: peer.map(|peer| peer.parse().unwrap()),
                count: EspCount {
                    packets: 4,
                    bytes: 600,
                    later_fragments: 2,
                    ..count
                },
            })
            .into(),
        esp_networks: ["192.168.77.2", "192.168.77.3"]
            .map(|peer| EspNetwork {
                direction: Direction::Rx,
                vni: 4096,
                peer: peer.parse().unwrap(),
                count: inside,
            })
            .into(),
        esp_others: vec![EspOther {
            direction: Direction::Tx,
            count: inside,
        }],
        attribution: Attribution::Exact,
        esp_overhead: true,
        esp_times: [(Direction::Tx, Some(2_048)), (Direction::Rx, None)]
            .map(|(direction, size_limit)| EspTime {
                direction,
                size_limit,
                packets: 5_000,
                samples: 3,
                nanoseconds: 30_000_000,
            })
            .into(),
        packet_times,
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
            bytes: 500,
        }],
        credential_flows: [((NetworkId::vni(4096), CredentialKind::HttpBasic), 3)].into(),
        ..Counted::default()
    };
    Snapshot {
        counted,
        kernel: "6.1.0".to_owned(),
        held: Some(Held {
            capabilities: Capabilities::of([Capability::CAP_NET_ADMIN]),
            filtered: true,
            files: Files::Restricted,
        }),
        last_scrape: Some(std::time::Duration::from_millis(12)),
        process: Some(ProcessUse {
            cpu: std::time::Duration::from_millis(1_500),
            resident: 20 << 20,
            address_space: 1 << 30,
            open_files: 70,
            max_files: Some(1024),
            started: 1_700_000_000.25,
        }),
        ..Snapshot::default()
    }
}

#[test]
fn rows_come_out_as_the_contract_names_them() {
    let text = encode(snapshot(), Format::OpenMetrics).unwrap();
    for line in [
        r#"overlay_packets_total{interface="eth0",direction="rx",encapsulation="vxlan",vni="4096"} 12"#,
        r#"overlay_bytes_total{interface="eth0",direction="rx",encapsulation="vxlan",vni="4096"} 1800"#,
        r#"overlay_packets_total{interface="eth0",direction="rx",encapsulation="esp",vni=""} 4"#,
        r#"overlay_esp_packets_total{interface="eth0",direction="rx",peer="192.168.77.2"} 4"#,
        r#"overlay_esp_packets_total{interface="eth0",direction="rx",peer="other"} 4"#,
        r#"overlay_esp_network_packets_total{direction="rx",vni="4096"} 6"#,
        r#"overlay_esp_network_bytes_total{direction="rx",vni="4096"} 660"#,
        r#"overlay_esp_network_packets_total{direction="tx",vni="other"} 3"#,
        r#"overlay_esp_overhead_bytes_total{direction="rx",vni="4096"} 160"#,
        r#"overlay_esp_overhead_bytes_total{direction="tx",vni="other"} 80"#,
        r#"overlay_esp_attribution 1"#,
        r#"overlay_esp_crypto_seconds_total{direction="tx",size="2048"} 0.03"#,
        r#"overlay_esp_crypto_samples_total{direction="tx",size="2048"} 3"#,
        r#"overlay_esp_crypto_packets_total{direction="rx",size="larger"} 5000"#,
        r#"overlay_esp_packet_seconds_sum{direction="tx",size="2048"} 0.0009"#,
        r#"overlay_esp_packet_seconds_count{direction="tx",size="2048"} 3"#,
        r#"overlay_esp_packet_seconds_bucket{le="2.5e-7",direction="tx",size="2048"} 0"#,
        r#"overlay_esp_packet_seconds_bucket{le="5e-7",direction="tx",size="2048"} 2"#,
        r#"overlay_esp_packet_seconds_bucket{le="0.000512",direction="tx",size="2048"} 2"#,
        r#"overlay_esp_packet_seconds_bucket{le="+Inf",direction="tx",size="2048"} 3"#,
        r#"overlay_esp_asynchronous_packets_total{direction="rx"} 3"#,
        r#"overlay_unparsed_packets_total{interface="eth0",direction="tx",reason="vxlan_no_vni"} 3"#,
        r#"overlay_samples_total{outcome="sent"} 0"#,
        r#"overlay_exposure_packets_total{direction="tx",vni="4096",protocol="http",exposure="plaintext"} 7"#,
        r#"overlay_exposure_bytes_total{direction="tx",vni="4096",protocol="http",exposure="plaintext"} 700"#,
        r#"overlay_exposure_packets_total{direction="rx",vni="",protocol="unknown",exposure="unknown"} 7"#,
        r#"overlay_exposure_pending_packets{vni="other"} 5"#,
        r#"overlay_exposure_evicted_packets_total 0"#,
        r#"overlay_credential_flows_total{vni="4096",kind="http_basic"} 3"#,
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line}\nnot in\n{text}"
        );
    }
    assert!(!text.contains("0x100"), "SPIs are no label");
}

#[test]
fn what_esp_adds_is_no_metric_where_it_is_not_counted() {
    let mut snapshot = snapshot();
    snapshot.counted.esp_overhead = false;
    let text = encode(snapshot, Format::Text).unwrap();
    assert!(text.contains("overlay_esp_network_bytes_total{"));
    assert!(!text.contains("overlay_esp_overhead_bytes_total{"));
}

#[test]
fn associations_are_summed_by_encapsulation() {
    let mut snapshot = snapshot();
    let of = |encapsulation, at: usize| CountedAssociation {
        encapsulation,
        ..snapshot.counted.esp[at].clone()
    };
    let more = [of(Encapsulation::Ah, 0), of(Encapsulation::EspUdp, 1)];
    snapshot.counted.esp.extend(more);
    let text = encode(snapshot, Format::OpenMetrics).unwrap();
    for (encapsulation, packets) in [("esp", 4), ("ah", 2), ("esp_udp", 2)] {
        let row = format!(
            r#"overlay_packets_total{{interface="eth0",direction="rx",encapsulation="{encapsulation}",vni=""}} {packets}"#
        );
        assert!(text.lines().any(|line| line == row), "{row}\n{text}");
    }
}

#[test]
fn the_page() {
    let page = encode(snapshot(), Format::OpenMetrics).unwrap();
    insta::assert_snapshot!("page", page.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn the_page_in_the_text_format() {
    let page = encode(snapshot(), Format::Text).unwrap();
    let page = page.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!("text_page", page);
}

#[test]
fn no_name_gets_out_of_its_quotes() {
    let mut snapshot = snapshot();
    snapshot.counted.traffic[0].interface = "e\"} 1\n\\".into();
    let text = encode(snapshot, Format::OpenMetrics).unwrap();
    let row = r#"overlay_packets_total{interface="e\"} 1\n\\",direction="rx",encapsulation="vxlan",vni="4096"} 12"#;
    assert!(text.lines().any(|line| line == row), "{text}");
}

#[test]
fn every_row_of_the_table_is_well_named_and_described() {
    let text = encode(snapshot(), Format::OpenMetrics).unwrap();
    let rows = TABLES
        .iter()
        .flat_map(|(prefix, table)| table.iter().map(move |row| (prefix, row)));
    for (prefix, row) in rows {
        assert!(
            text.contains(&format!("# TYPE {prefix}_{} ", row.name)),
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
