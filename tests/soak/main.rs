//! A node on which everything changes all the time, and an agent that stays as it was: counts are exact at the end, memory
//! and open files do not grow.
//!
//! `OVERLAY_TEST_SECONDS=5400 cargo test -p overlay-tests --test soak -- --nocapture` is the long form. It prints what it
//! measured each minute. As `vm_soak`, on a kernel with ESP, the keys of an encrypted network change all the time too.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod churn;
mod keys;
mod usage;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use monitor_lab::{CLIENT, Host, Lab};
use overlay_tests::agent::{Agent, rows, value};
use overlay_tests::dockerd::{Dockerd, Folder};
use overlay_tests::flood;
use overlay_tests::frame::{esp, ethernet, ip_between, ipv4, overlay, tcp, udp};
use overlay_tests::oracle;
use overlay_tests::process::wait_until;
use overlay_tests::scale::duration;

use churn::{Interfaces, Networks, STEADY};
use keys::Keys;
use usage::{Cpu, Usages};

/// How long, where nothing else is asked for.
const TIME: Duration = Duration::from_secs(40);
/// New flows a second of the network that is described all the time, and packets of each.
const FLOWS: usize = 100;
const PACKETS: usize = 3;
/// Frames of strangers a second: each of a network, an association or a node that was never there before.
const STRANGERS: usize = 100;
/// The limit of a page.
const PAGE: usize = 2 << 20;
/// Times that Docker's daemon is killed and started.
const RESTARTS: u32 = 2;
/// The part of the time at the end in which nothing is sent, 1 in so many.
const REST: u32 = 8;

const REQUEST: &[u8] = b"GET /orders HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// Packet `packet` of flow `flow`: a request of HTTP in plaintext.
fn of_flow(flow: u32, packet: usize) -> Vec<u8> {
    /// Where the flags of a TCP header are.
    const FLAGS: usize = 13;
    const SYN: u8 = 2;
    let [_, a, b, c] = flow.to_be_bytes();
    let address = |first| [first, 1, a, b].into();
    let payload = if packet == 0 { &[] } else { REQUEST };
    let mut segment = tcp(20_000 + u16::from(c), 80, payload);
    if packet == 0 {
        segment[FLAGS] = SYN;
    }
    let inner = ip_between(address(10), address(11), 6, &segment);
    overlay(STEADY, &ethernet(0x0800, &inner))
}

/// Frame `n` of strangers.
fn of_stranger(n: u32) -> Vec<u8> {
    let inner = ipv4(17, &[], &udp(4_000, 4_000, &[0xee; 64]));
    match n % 3 {
        0 => overlay(1_000_000 + n, &ethernet(0x0800, &inner)),
        1 => ethernet(0x0800, &ipv4(50, &[], &esp(0x1000 + n, 1))),
        _ => {
            let address = |first: u8| {
                let [_, a, b, c] = n.to_be_bytes();
                [first, a, b, c].into()
            };
            ethernet(
                0x0800,
                &ip_between(address(10), address(11), 50, &esp(9, 1)),
            )
        }
    }
}

/// Sends so many frames a second of which frame N is `frame(N)`, second after second. Returns how many.
fn send(host: &Host, a_second: usize, ends: &AtomicBool, frame: impl Fn(u32) -> Vec<u8>) -> u64 {
    let mut sent = 0;
    while !ends.load(Ordering::Relaxed) {
        flood::at_a_rate(host, "eth0", a_second, Duration::from_secs(1), |n| {
            frame(sent + n as u32)
        });
        sent += a_second as u32;
    }
    u64::from(sent)
}

/// Packets of the steady network, and those of them that were found to be readable.
fn steady(page: &str) -> [u64; 2] {
    let labels = format!(r#"direction="rx",encapsulation="vxlan",vni="{STEADY}""#);
    let readable = format!(r#"direction="rx",vni="{STEADY}",protocol="http",exposure="plaintext""#);
    [
        value(
            page,
            &format!(r#"overlay_packets_total{{interface="eth0",{labels}}}"#),
        ),
        value(
            page,
            &format!("overlay_exposure_packets_total{{{readable}}}"),
        ),
    ]
}

/// Asks for the page, and insists on its size, and that no count of the steady network has gone down.
fn scrape(agent: &Agent<'_>, before: &mut [u64; 2]) -> String {
    let page = agent.metrics();
    assert!(page.len() < PAGE, "{} bytes", page.len());
    let now = steady(&page);
    for (before, now) in before.iter().zip(now) {
        assert!(*before <= now, "{before} before, {now} now");
    }
    *before = now;
    page
}

#[test]
fn nothing_grows_and_every_count_is_exact_while_everything_changes() {
    let time = duration(TIME);
    let lab = keys::add_network(Lab::builder().quiet(true));
    let lab = lab.build().unwrap();
    let (node, peer) = (lab.node1(), lab.node2());
    oracle::count_vnis(node);
    let docker = Folder::new();
    // Not on the node: when Docker starts it removes all associations that have its mark, those of the lab too.
    let engine = lab.container(CLIENT).unwrap();
    let mut daemon = Dockerd::start(engine, &docker);
    daemon.swarm("");
    let mut networks = Networks::new(&docker.path(Dockerd::SOCKET));
    let mut agent = Agent::configured(node, Networks::PORT, networks.file());
    let mut interfaces = Interfaces::new(node);
    let mut usages = Usages::new(agent.monitor.id(), time);
    let cpu = Cpu::of(agent.monitor.id());

    let ends = AtomicBool::new(false);
    let all_sent = AtomicU64::new(0);
    let keys = Keys::default();
    let start = Instant::now();
    let busy = time - time / REST;
    let (mut counts, mut restarts) = ([0; 2], 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let of_flow = |n: u32| {
                let packet = n as usize / FLOWS % PACKETS;
                let round = n / (FLOWS * PACKETS) as u32;
                of_flow(round * FLOWS as u32 + n % FLOWS as u32, packet)
            };
            let sent = send(peer, FLOWS * PACKETS, &ends, of_flow);
            all_sent.store(sent, Ordering::Relaxed);
        });
        scope.spawn(|| send(peer, STRANGERS, &ends, of_stranger));
        scope.spawn(|| keys.change(&lab, &ends));
        // A check that fails ends the senders too.
        let _end = usage::AtTheEnd(&ends);
        for round in 0_u32.. {
            let elapsed = start.elapsed();
            if elapsed >= busy && restarts == RESTARTS {
                break;
            }
            scrape(&agent, &mut counts);
            match round % 4 {
                0 => interfaces.come_and_go(&agent),
                1 => networks.reload(&mut agent),
                2 => networks.add_to(&daemon, &mut agent),
                _ => networks.remove_from(&daemon, &mut agent),
            }
            if restarts < RESTARTS && elapsed > (restarts + 1) * busy / (RESTARTS + 1) {
                restarts += 1;
                drop(daemon);
                daemon = Dockerd::start(engine, &docker);
                networks.answers_again(&mut agent, restarts);
            }
            usages.note();
            let turn = Duration::from_secs(1) * (round + 1);
            std::thread::sleep(turn.saturating_sub(start.elapsed()));
        }
    });
    let in_churn = cpu.percent();

    let sent = all_sent.load(Ordering::Relaxed);
    wait_until("every packet was counted and has its exposure", || {
        drop(scrape(&agent, &mut counts));
        counts[1] >= sent
    });
    assert_eq!(counts, [sent; 2], "exact, and all of it readable");
    let on_wire = oracle::vnis(node);
    assert_eq!(on_wire[&STEADY].0, sent, "as nftables counted");
    keys.assert_exact(&scrape(&agent, &mut counts));
    let resting = Instant::now();
    let cpu = Cpu::of(agent.monitor.id());
    while resting.elapsed() < time / REST {
        scrape(&agent, &mut counts);
        std::thread::sleep(Duration::from_secs(1));
    }
    let at_rest = cpu.percent();
    println!(
        "{sent} packets of the described network; {interfaces}; {networks}; {restarts} restarts of Docker; {keys}"
    );
    println!(
        "CPU of the agent, percent of a core: {in_churn:.2} with {FLOWS} new flows/s, {at_rest:.2} at rest"
    );
    usages.assert_flat();
    let lower_bound = value(&scrape(&agent, &mut counts), "overlay_exposure_lower_bound");
    assert_eq!(lower_bound, 0, "nothing was left out");
    let hooks = rows(&agent.metrics(), "overlay_hook_up");
    assert_eq!(hooks.len(), 2, "of all interfaces eth0 is left: {hooks:?}");
    agent.monitor.stop();
}
