//! What strangers forge leaves nothing behind: not in the maps, not on the page, not in memory. Meanwhile nothing of a
//! described network is lost.
//!
//! `OVERLAY_TEST_ROUNDS=10 cargo test -p overlay-tests --test kernel_forged -- --nocapture` is the long form.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use monitor::policy::State;
use monitor::surface::metrics::VIOLATION_PEERS;
use monitor_classify::CredentialKind;
use monitor_common::encapsulation::Encapsulation;
use monitor_lab::{Host, Lab};
use overlay_tests::agent::{Agent, rows, value};
use overlay_tests::flood;
use overlay_tests::frame::{
    NODES, ah, esp, ethernet, ip_between, ipv4, ipv4_between, overlay, tcp, udp, vxlan,
};
use overlay_tests::oracle;
use overlay_tests::process::{resident, wait_until};
use overlay_tests::series::Size;

/// Forged networks, associations, nodes or flows of a flood.
const FORGED: u32 = 45_000;
/// Networks without a description that have series.
const UNKNOWN: usize = 100;
/// A network that must be encrypted.
const REQUIRED: u32 = 4_096;
/// Networks that must be encrypted and begin after the floods, one in each round.
const LATE: u64 = 4_200;
/// A violation is in the log this long after its first packet, at most.
const SAID: Duration = Duration::from_secs(2);
/// The limit of a page.
const PAGE: usize = 2 << 20;

/// A packet of a network whose inner flow has this number.
fn inside(vni: u32, flow: u32) -> Vec<u8> {
    let [_, a, b, c] = flow.to_be_bytes();
    let address = |first| IpAddr::V4(Ipv4Addr::new(first, a, b, c));
    let segment = tcp(40_000, 9_000, &[0xee; 64]);
    overlay(
        vni,
        &ethernet(0x0800, &ip_between(address(10), address(11), 6, &segment)),
    )
}

/// A packet from a forged node.
fn from(node: u32, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let source = Ipv4Addr::from(0x0a00_0000 + node);
    ethernet(
        0x0800,
        &ipv4_between(source, NODES.1, protocol, &[], payload),
    )
}

/// The first fragment of a datagram that goes on.
fn fragment(number: u32) -> Vec<u8> {
    const IDENTIFICATION: usize = 14 + 4;
    const FLAGS: usize = 14 + 6;
    let mut frame = from(
        number >> 16,
        17,
        &udp(50_000, 4_789, &vxlan(REQUIRED + 1, &[0; 80])),
    );
    frame[IDENTIFICATION..IDENTIFICATION + 2].copy_from_slice(&(number as u16).to_be_bytes());
    frame[FLAGS] |= 0x20;
    frame
}

type Forge = fn(u32) -> Vec<u8>;

/// What is forged, and frame N of it.
const FLOODS: [(&str, Forge); 8] = [
    ("VNIs", |n| inside(1_000_000 + n, 1)),
    ("flows of one network", |n| inside(900_000, n)),
    ("nodes", |n| from(n, 50, &esp(0x1000, 1))),
    ("SPIs", |n| {
        ethernet(0x0800, &ipv4(50, &[], &esp(0x1000 + n, 1)))
    }),
    ("nodes of AH", |n| from(n, 51, &ah(0, 253, &[0; 32]))),
    ("nodes of ESP in UDP", |n| {
        from(n, 17, &udp(4_500, 4_500, &esp(0x1000, 1)))
    }),
    ("VXLAN nodes", |n| {
        let inner = inside(REQUIRED + 2, 7);
        from(n, 17, &inner[14 + 20..])
    }),
    ("fragments", fragment),
];

#[test]
fn the_formula_of_the_document_has_the_numbers_of_the_tables() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/costs.md");
    let document = std::fs::read_to_string(document).unwrap();
    let with_vni = Encapsulation::ALL.iter().filter(|at| at.has_vni()).count();
    let without = Encapsulation::ALL.len() - with_vni;
    // Info and time watched; each state, and the time in it; three counts of both directions.
    let policy = 2 + 2 * State::ALL.len() + 2 * 3;
    let kinds = CredentialKind::ALL.len();
    for row in [
        format!("| packets, bytes | 2 × (2 × I × ({with_vni} × (D + 1) + {without}) + 2 × N) |"),
        format!("| requirements, states, violations | {policy} × D + 12 + {VIOLATION_PEERS} |"),
        format!("| credentials | {kinds} × (D + 2) + 1024 |"),
    ] {
        assert!(document.contains(&row), "{row}");
    }
}

/// The formula of `docs/costs.md`, "Series", with one interface.
fn most_series(page: &str, described: usize) -> usize {
    let classes: BTreeSet<String> = rows(page, "overlay_exposure_packets_total")
        .into_iter()
        .map(|(labels, _)| labels[labels.find("protocol=").unwrap()..].to_owned())
        .collect();
    let size = Size {
        interfaces: 1,
        described,
        unknown: UNKNOWN,
        nodes: 0,
        classes: classes.len(),
    };
    size.most_series()
}

fn entries(page: &str) -> BTreeMap<String, u64> {
    rows(page, "overlay_map_entries").into_iter().collect()
}

/// Rows of the maps that strangers fill, without those of flows.
fn rows_of(entries: &BTreeMap<String, u64>) -> u64 {
    let rows = entries.iter().filter(|(map, _)| !map.contains("flows"));
    rows.map(|(_, rows)| *rows).sum()
}

fn rows_now(agent: &Agent<'_>) -> u64 {
    rows_of(&entries(&agent.metrics()))
}

/// Packets that were counted of a network that must be encrypted.
fn of_required(page: &str) -> u64 {
    value(
        page,
        &format!(
            r#"overlay_packets_total{{interface="eth0",direction="rx",encapsulation="vxlan",vni="{REQUIRED}"}}"#
        ),
    )
}

/// The packets of a network that was never seen before, by what the page says of it after `count` of them were sent.
fn new_network(agent: &Agent<'_>, peer: &Host, vni: u32) -> u64 {
    for frame in [inside(vni, 1), inside(vni, 1), inside(vni, 2)] {
        flood::at_a_rate(peer, "eth0", 1, Duration::from_millis(1), |_| frame.clone());
    }
    let mut seen = 0;
    let end = Instant::now() + Duration::from_secs(2);
    while seen != 3 && Instant::now() < end {
        seen = agent.vni(vni, "rx").0;
    }
    seen
}

/// The first packets of a network that must be encrypted: its violation is logged in time, with the node that sent them.
fn late_network(agent: &mut Agent<'_>, peer: &Host, vni: u64) -> Duration {
    let vni = u32::try_from(vni).unwrap();
    let first = Instant::now();
    flood::at_a_rate(peer, "eth0", 3, Duration::from_millis(1), |n| {
        inside(vni, n as u32)
    });
    let line = format!(
        "VNI {vni} must be encrypted, but cleartext was received from {}",
        NODES.0
    );
    agent
        .monitor
        .wait_for(&line, |monitor| monitor.err().contains(&line));
    let took = first.elapsed();
    assert!(took < SAID, "{vni}: {took:?}");
    assert_eq!(agent.vni(vni, "rx").0, 3, "{vni}");
    took
}

#[test]
fn what_is_forged_leaves_and_nothing_of_a_described_network_is_lost() {
    let rounds = std::env::var("OVERLAY_TEST_ROUNDS").map_or(1, |text| text.parse().unwrap());
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (node, peer) = (lab.node1(), lab.node2());
    // A network of a device of this host is described by it.
    let device = [
        "link", "add", "own0", "type", "vxlan", "id", "77", "dstport", "4790", "dev", "eth0",
    ];
    node.run("ip", &device).unwrap();
    oracle::count_vnis(node);
    let late = (0..rounds).map(|round| LATE + u64::from(round));
    let required = late.chain([u64::from(REQUIRED)]).map(|vni| vni.to_string());
    let required = required.collect::<Vec<_>>().join(",");
    let limit = UNKNOWN.to_string();
    let mut agent = Agent::start_as_unit(
        node,
        &[
            "--require",
            &required,
            "--unknown-networks",
            &limit,
            "--forget-after",
            "10s",
        ],
    );
    let process = agent.monitor.id();
    let send_required = || {
        flood::at_a_rate(peer, "eth0", 100, Duration::from_millis(20), |n| {
            inside(REQUIRED, n as u32)
        });
        100
    };
    let mut required_sent = send_required();
    flood::at_a_rate(peer, "eth0", 1, Duration::from_millis(1), |_| inside(77, 1));
    wait_until("the first packets were counted", || {
        of_required(&agent.metrics()) == 100 && agent.vni(77, "rx").0 == 1
    });
    let before = entries(&agent.metrics());
    // The first samples of every kind have brought in code and tables that stay.
    for (_, forge) in FLOODS {
        flood::at_a_rate(peer, "eth0", 100, Duration::from_millis(20), |n| {
            forge(n as u32)
        });
        drop(agent.metrics());
    }
    let memory = resident(process);

    println!(
        "| forged | distinct | rows in maps at most | page at most, KiB | lost of described networks |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for round in 0..rounds {
        for (name, forge) in FLOODS {
            let time = Duration::from_micros(40 * u64::from(FORGED));
            flood::at_a_rate(peer, "eth0", FORGED as usize, time, |n| forge(n as u32));
            required_sent += send_required();
            wait_until("the packets of the described network were counted", || {
                of_required(&agent.metrics()) == required_sent
            });
            let page = agent.metrics();
            let full: u64 = entries(&page).values().sum();
            println!(
                "| {name} | {FORGED} | {full} | {} | 0 of {required_sent} |",
                page.len() >> 10
            );
            assert!(page.len() < PAGE, "{name}: {} bytes", page.len());
            let series = page.lines().filter(|line| !line.starts_with('#')).count();
            assert!(
                series <= most_series(&page, 2 + rounds as usize),
                "{name}: {series} series"
            );
            let nodes = rows(&page, "overlay_esp_packets_total").len();
            assert!(nodes <= 1_024 + 4, "{name}: {nodes} nodes");
            let networks = rows(&page, "overlay_packets_total").len();
            // Two encapsulations and directions, "other" of each encapsulation, and the described ones.
            assert!(
                networks <= 2 * UNKNOWN + 20 + 4 * rounds as usize,
                "{name}: {networks} networks"
            );
        }
        let took = late_network(&mut agent, peer, LATE + u64::from(round));
        println!("a violation in a network that began then: logged after {took:?}");
        // All that was on the wire is on the page, whether under its network or "other".
        let page = agent.metrics();
        let on_page = |page: &str| {
            let vxlan = rows(page, "overlay_packets_total").into_iter();
            let of_vxlan = vxlan.filter(|(labels, _)| labels.contains(r#"encapsulation="vxlan""#));
            of_vxlan.map(|(_, packets)| packets).sum::<u64>()
        };
        let other = |page: &str| {
            value(
                page,
                r#"overlay_packets_total{interface="eth0",direction="rx",encapsulation="vxlan",vni="other"}"#,
            )
        };
        let (all, others) = (on_page(&page), other(&page));
        let on_wire: u64 = oracle::vnis(node).values().map(|row| row.0).sum();
        // Where a series has left already, its few packets have too. The set of the oracle has fewer places than the forged
        // VNIs of several rounds.
        if round == 0 {
            assert!(all + 3 * UNKNOWN as u64 >= on_wire, "{all} of {on_wire}");
        }
        // A pass every five seconds removes a part.
        let end = Instant::now() + Duration::from_secs(120);
        // The networks that must be encrypted keep theirs: exposure and the node that sent.
        let late = 2 * (u64::from(round) + 1);
        while rows_now(&agent) > rows_of(&before) + 8 + late {
            assert!(Instant::now() < end, "{:?}", entries(&agent.metrics()));
            std::thread::sleep(Duration::from_millis(500));
        }
        let page = agent.metrics();
        assert!(other(&page) >= others, "\"other\" never goes down");
        assert_eq!(of_required(&page), required_sent);
        assert_eq!(
            agent.vni(77, "rx").0,
            1,
            "a network of this host's device stays"
        );
        let vni = 2_000_000 + round;
        assert_eq!(
            new_network(&agent, peer, vni),
            3,
            "a new network is counted under its VNI"
        );
    }
    println!("resident memory before: {memory} KiB");
    let most = memory + memory / 10;
    let end = Instant::now() + Duration::from_secs(60);
    while resident(process) > most {
        let now = resident(process);
        assert!(Instant::now() < end, "{memory} KiB before, {now} KiB now");
        std::thread::sleep(Duration::from_millis(500));
    }
    let after = resident(process);
    println!("resident memory: {memory} KiB before, {after} KiB after {rounds} rounds");
}
