//! A few short plaintext flows among very many others are all found, and their packets counted.
//!
//! 100,000 other flows in 6 s; `OVERLAY_TEST_SECONDS=60 cargo test -p overlay-tests --test kernel_needles` is
//! the long form, with a million. Default settings of `run`, caps included.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use monitor_common::map_size;
use monitor_lab::Lab;
use overlay_tests::agent::{Agent, rows, value};
use overlay_tests::flood;
use overlay_tests::frame::{ethernet, ip_between, overlay, tcp};
use overlay_tests::held;
use overlay_tests::kernel_flood::Flood;
use overlay_tests::process::wait_until;
use overlay_tests::scale::{duration, in_vm};

/// The crowd's network, in which half of the needles are too, and the other half's.
const CROWD: u32 = 4096;
const OTHER: u32 = 4097;
/// A network that is described to the agent.
const DESCRIBED: u32 = 4098;
/// New flows a second: a million in a minute.
const RATE: u64 = 16_700;
/// Plaintext flows, and payload packets of each.
const NEEDLES: u32 = 20;
const PACKETS: u32 = 3;
/// How long, where nothing else is asked for.
const TIME: Duration = Duration::from_secs(6);

/// Held for writing where every flow of a crowd must be read: floods of other tests, which take all CPUs, keep the agent from
/// the ring, and then half of it is the most that a network gets.
static CPUS: RwLock<()> = RwLock::new(());

/// A packet of the flow `flow` in a network: `kind` keeps flows of different kinds apart.
fn frame(vni: u32, kind: u8, flow: u32, port: u16, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = flow.to_be_bytes();
    let source = IpAddr::V4(Ipv4Addr::new(10, kind, a, b));
    let destination = IpAddr::V4(Ipv4Addr::new(10, 200, 0, 1));
    let segment = tcp(10_000 + u16::from(c), port, payload);
    let packet = ip_between(source, destination, 6, &segment);
    overlay(vni, &ethernet(0x0800, &packet))
}

/// Numbers that look random and are the same in each run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// A flow of the crowd: one packet of ciphertext in a TLS record (RFC 8446, 5.1).
fn crowd(random: &mut Random, vni: u32, flow: u32) -> Vec<u8> {
    let mut payload = vec![23, 3, 3, 0, 64];
    payload.extend((0..8).flat_map(|_| random.next().to_ne_bytes()));
    frame(vni, 1, flow, 443, &payload)
}

/// A packet of a plaintext flow: every second one HTTP, the others Redis.
fn needle(vni: u32, flow: u32, packet: u32) -> Vec<u8> {
    let (port, payload) = if flow.is_multiple_of(2) {
        let request = format!("GET /page/{packet} HTTP/1.1\r\nHost: host01\r\n\r\n");
        (80, request)
    } else {
        let key = format!("key{packet}");
        (6379, format!("*2\r\n$3\r\nGET\r\n$4\r\n{key}\r\n"))
    };
    frame(vni, 2, flow, port, payload.as_bytes())
}

/// Waits until the verdicts have been counted, and gives the page then.
fn settled(agent: &Agent) -> String {
    let mut last = String::new();
    wait_until("the verdicts are counted", || {
        std::thread::sleep(Duration::from_secs(1));
        let page = agent.metrics();
        let of = |page: &str| rows(page, "overlay_exposure_packets_total");
        let rest = of(&page) == of(&last) && !of(&page).is_empty();
        last = page;
        rest
    });
    last
}

/// Packets of a network that were found to be plaintext of the needles' protocols.
fn plaintext(page: &str, vni: u32) -> u64 {
    let of = |protocol: &str| {
        let class = format!(r#"vni="{vni}",protocol="{protocol}",exposure="plaintext""#);
        let labels = format!(r#"{{direction="rx",{class}}}"#);
        value(page, &format!("overlay_exposure_packets_total{labels}"))
    };
    of("http") + of("redis")
}

/// Every packet of a network has an exposure or waits for one.
fn adds_up(page: &str, vni: u32) {
    let of_vni = format!(r#"vni="{vni}""#);
    let sum = |name: &str| -> u64 {
        let of = |(labels, _): &(String, u64)| labels.contains(&of_vni);
        let rows = rows(page, name).into_iter().filter(of);
        rows.map(|(_, packets)| packets).sum()
    };
    let exposed = sum("overlay_exposure_packets_total");
    let pending = sum("overlay_exposure_pending_packets");
    assert_eq!(exposed + pending, sum("overlay_packets_total"), "VNI {vni}");
}

/// Asserts that the page calls exposure a lower bound exactly when something was lost, capped or forgotten.
fn assert_lower_bound(page: &str) {
    let sum = |name: &str| -> u64 { rows(page, name).iter().map(|(_, packets)| packets).sum() };
    let lost = value(page, r#"overlay_samples_total{outcome="capped"}"#)
        + value(page, r#"overlay_samples_total{outcome="ring_full"}"#)
        + value(page, "overlay_exposure_evicted_packets_total")
        + sum("overlay_map_overflow_packets_total");
    let found = value(page, "overlay_exposure_lower_bound");
    assert_eq!(found, u64::from(lost > 0), "{lost}");
}

fn show(page: &str) {
    // Of many networks the first ones.
    const ROWS: usize = 12;
    for name in [
        "overlay_packets_total",
        "overlay_exposure_packets_total",
        "overlay_exposure_pending_packets",
        "overlay_exposure_evicted_packets_total",
        "overlay_samples_total",
    ] {
        for (labels, count) in rows(page, name).into_iter().take(ROWS) {
            println!("{name}{{{labels}}} {count}");
        }
    }
}

#[test]
fn all_plaintext_flows_are_found_in_a_crowd_of_others() {
    let _alone = CPUS.write().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::builder().quiet(true).build().unwrap();
    let agent = Agent::start(lab.node1(), &[]);
    let time = duration(TIME);
    let rate = if in_vm() { RATE / 10 } else { RATE };
    let others = (rate * time.as_secs()) as usize;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // Each begins at any time; its packets follow within a second.
    let mut needles = HashMap::new();
    for flow in 0..NEEDLES {
        let mut at = random.next() as usize % (others - 2 * rate as usize);
        for packet in 0..PACKETS {
            let vni = if flow < NEEDLES / 2 { CROWD } else { OTHER };
            while needles.contains_key(&at) {
                at += 1;
            }
            needles.insert(at, needle(vni, flow, packet));
            at += 1 + random.next() as usize % (rate as usize / 3);
        }
    }
    let mut flow = 0;
    let all = others + needles.len();
    flood::at_a_rate(lab.node2(), "eth0", all, time, |n| {
        needles.remove(&n).unwrap_or_else(|| {
            flow += 1;
            crowd(&mut random, CROWD, flow)
        })
    });
    let page = settled(&agent);
    show(&page);
    let half = u64::from(NEEDLES / 2 * PACKETS);
    assert_eq!(plaintext(&page, CROWD), half, "among others");
    assert_eq!(plaintext(&page, OTHER), half, "in a network of their own");
    for vni in [CROWD, OTHER] {
        adds_up(&page, vni);
    }
    assert_eq!(agent.vni(CROWD, "rx").0, others as u64 + half);
}

/// The flows of a flood: flow N is in VNI `vni + (N & vni_mask)`.
#[derive(Clone, Copy)]
struct Networks {
    vni: u32,
    vni_mask: u32,
}

/// One network.
const ONE: Networks = Networks {
    vni: CROWD,
    vni_mask: 0,
};
/// An attacker makes up networks as easily as flows.
const FORGED: Networks = Networks {
    vni: 100_000,
    vni_mask: 2_047,
};

/// Half of what a network may have of the flows at a time among the forged ones, where others are described: half of the
/// map, by the number of networks. While the forged ones come all at once, and before the agent takes any of their flows out,
/// the luckiest of them have twice their part, and no more than this is left to a network that comes then.
const FEW: u32 = map_size::FLOWS / 2 / (FORGED.vni_mask + 2) / 2;
/// The same without the flow that was there before.
const FEW_LATER: u32 = FEW - 1;

/// How the flood comes to the program.
#[derive(Clone, Copy)]
enum Way {
    /// By the lab's wire.
    Wire,
    /// By test runs of the attached program, which sees several times as many packets.
    TestRuns,
}

/// Floods as fast as the machine can, from as many threads as it has processors, with one packet of each flow, of
/// more flows than there is room for. Meanwhile needles in a network that is not described, so many flows of them, and in
/// one that is: all are found. Gives the page, and how many packets flooded.
fn flood_and_find(way: Way, networks: Networks, of_other: u32) -> (String, u64) {
    let _others_may_flood = CPUS.read().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::builder().quiet(true).build().unwrap();
    let described = DESCRIBED.to_string();
    let agent = Agent::start(lab.node1(), &["--docker", "off", "--require", &described]);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let flows = if in_vm() { 40_000 } else { 400_000 };
    let time = duration(Duration::from_secs(3));
    let needles: Vec<_> = (0..PACKETS)
        .flat_map(|packet| (0..NEEDLES).map(move |flow| (flow, packet)))
        .flat_map(|(flow, packet)| {
            let other = (flow < of_other).then(|| needle(OTHER, flow, packet));
            [Some(needle(DESCRIBED, flow, packet)), other]
        })
        .flatten()
        .collect();
    assert_lower_bound(&agent.metrics());
    // They were there before.
    flood::at_a_rate(lab.node2(), "eth0", 2, time / 30, |n| {
        needle([OTHER, DESCRIBED][n], NEEDLES, 0)
    });
    let meanwhile = || {
        std::thread::sleep(time / 8);
        flood::at_a_rate(lab.node2(), "eth0", needles.len(), time / 2, |n| {
            needles[n].clone()
        });
    };
    let sent = match way {
        Way::Wire => {
            let vni = |flow| networks.vni + (flow & networks.vni_mask);
            let frames: Vec<_> = (0..flows)
                .map(|flow| crowd(&mut random, vni(flow), flow))
                .collect();
            let halves = frames.chunks(frames.len() / 2);
            let send = |half: &[Vec<u8>]| flood::for_a_time(lab.node2(), "eth0", half, time);
            in_threads(halves.collect(), |half| send(half).accepted, meanwhile)
        }
        Way::TestRuns => {
            let flood = Flood {
                frame: &crowd(&mut random, networks.vni, 0),
                flows,
                vni: networks.vni,
                vni_mask: networks.vni_mask,
            };
            let program = held::program(agent.monitor.id(), "overlay_tc_ingr");
            let program = program.fd().unwrap();
            let run = |seed| flood.run(lab.node1(), "eth0", &program, seed, time);
            in_threads(vec![random.next(), random.next()], run, meanwhile)
        }
    };
    let rate = sent as f64 / time.as_secs_f64();
    println!("{sent} frames of {flows} flows in {time:?}: {rate:.0} a second");
    let page = settled(&agent);
    show(&page);
    for (vni, flows) in [(DESCRIBED, NEEDLES), (OTHER, of_other)] {
        let sent = u64::from(flows * PACKETS) + 1;
        assert_eq!(agent.vni(vni, "rx").0, sent, "VNI {vni}");
        assert_eq!(plaintext(&page, vni), sent, "VNI {vni}");
        adds_up(&page, vni);
    }
    assert_lower_bound(&page);
    // More than may be sampled, and more flows than there is room for, unless the machine is slow.
    let capped = value(&page, r#"overlay_samples_total{outcome="capped"}"#);
    assert!(capped > 0 || in_vm(), "{capped}");
    for vni in [networks.vni, networks.vni + networks.vni_mask] {
        adds_up(&page, vni);
    }
    (page, sent)
}

/// Does each part in a thread of its own, and something else meanwhile. Returns the sum of what the parts have sent.
fn in_threads<T: Send>(
    parts: Vec<T>,
    send: impl Fn(T) -> u64 + Sync,
    meanwhile: impl FnOnce(),
) -> u64 {
    std::thread::scope(|scope| {
        let send = &send;
        let parts = parts.into_iter();
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || send(part))).collect();
        meanwhile();
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

#[test]
fn a_flood_in_one_network_does_not_blind_another() {
    let (page, accepted) = flood_and_find(Way::Wire, ONE, NEEDLES);
    let refused = value(&page, "overlay_exposure_evicted_packets_total");
    assert!(refused > 0 || in_vm(), "of {accepted}");
}

#[test]
fn a_flood_of_forged_networks_does_not_blind_another() {
    flood_and_find(Way::Wire, FORGED, FEW_LATER);
}

#[test]
fn a_flood_of_millions_of_packets_a_second_does_not_blind_another() {
    let (page, runs) = flood_and_find(Way::TestRuns, ONE, NEEDLES);
    let refused = value(&page, "overlay_exposure_evicted_packets_total");
    assert!(refused > 0 || in_vm(), "of {runs}");
    let of_crowd = format!(r#"vni="{CROWD}""#);
    let counted = rows(&page, "overlay_packets_total").into_iter();
    let counted = counted.filter(|(labels, _)| labels.contains(&of_crowd));
    assert_eq!(counted.map(|(_, packets)| packets).sum::<u64>(), runs);
}

#[test]
fn millions_of_packets_a_second_of_forged_networks_do_not_blind_another() {
    flood_and_find(Way::TestRuns, FORGED, FEW_LATER);
}
