//! A scrape with 16,000 networks: quick, complete, and from maps of bounded size.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use monitor_lab::{Host, Lab};
use overlay_tests::agent::{Agent, rows, value};
use overlay_tests::flood;
use overlay_tests::frame::{ethernet, ip_between, overlay, tcp};
use overlay_tests::oracle;
use overlay_tests::process::{resident, wait_until};

const VNIS: u32 = 16_000;
/// Time for a scrape of all of them on an idle machine.
const LIMIT: Duration = Duration::from_millis(100);
/// The same in times of [`read_rows`], on a machine that is slow or that others use: it is 3 to 4.
const ROWS_READ: u32 = 6;
/// How often the median of eleven scrapes is tried.
const ROUNDS: usize = 5;
/// Kernel memory of all maps together.
const BUDGET: u64 = 64 << 20;

/// A packet of a flow in a network, with a payload of no known protocol.
fn frame(vni: u32) -> Vec<u8> {
    let [_, _, a, b] = vni.to_be_bytes();
    let address = |last| IpAddr::V4(Ipv4Addr::new(10, a, b, last));
    let segment = tcp(40_000, 9_000, &[0xee; 64]);
    overlay(
        vni,
        &ethernet(0x0800, &ip_between(address(1), address(2), 6, &segment)),
    )
}

/// How long a scrape takes, from the connection to the last byte, and the page.
fn scrape(host: &Host) -> (Duration, String) {
    let ask = || {
        let start = Instant::now();
        let mut stream = TcpStream::connect("127.0.0.1:9469").unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: node1\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        (start.elapsed(), page)
    };
    let (took, page) = host.enter(ask).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 "), "{page:.100}");
    (took, page)
}

/// Kernel memory of the maps that a process holds, in bytes, as the kernel says it
/// (`bpf_map_show_fdinfo` in kernel/bpf/syscall.c).
fn map_memory(process: u32) -> u64 {
    let folder = std::fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap();
    let mut maps: Vec<(u64, u64)> = folder
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .filter_map(|info| {
            let number = |name: &str| {
                let mut lines = info.lines();
                let value = lines.find_map(|line| line.strip_prefix(name))?;
                value.trim().parse().ok()
            };
            Some((number("map_id:")?, number("memlock:")?))
        })
        .collect();
    maps.sort_unstable();
    maps.dedup();
    maps.iter().map(|(_, bytes)| bytes).sum()
}

/// A fixed work of the same kind and size: each row of a page is read into a table. Its time measures how slow this machine is now.
fn read_rows(page: &str) -> Duration {
    let start = Instant::now();
    let rows: HashMap<&str, f64> = page
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(labels, value)| Some((labels, value.parse().ok()?)))
        .collect();
    assert!(rows.len() > VNIS as usize);
    start.elapsed()
}

/// The times of eleven scrapes, in order, and the limit for the median.
fn timed(node: &Host) -> (Vec<Duration>, Duration) {
    let (mut times, mut works) = (Vec::new(), Vec::new());
    for _ in 0..11 {
        let (took, page) = scrape(node);
        times.push(took);
        works.push(read_rows(&page));
    }
    times.sort_unstable();
    works.sort_unstable();
    println!(
        "a scrape takes {:?}, to read its rows {:?}",
        times[5], works[5]
    );
    (times, LIMIT.max(works[5] * ROWS_READ))
}

#[test]
fn sixteen_thousand_networks_in_a_tenth_of_a_second() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (node, peer) = (lab.node1(), lab.node2());
    oracle::count_vnis(node);
    let agent = Agent::start(node, &["--unknown-networks", "20000"]);
    let empty = scrape(node).0;
    // A busy machine loses some on the way: those again.
    let mut missing: Vec<u32> = (0..VNIS).collect();
    let mut rounds = 0;
    wait_until("all networks were seen", || {
        let time = Duration::from_micros(60 * missing.len() as u64);
        flood::at_a_rate(peer, "eth0", missing.len(), time, |n| frame(missing[n]));
        rounds += 1;
        let seen = oracle::vnis(node);
        missing.retain(|vni| !seen.contains_key(vni));
        missing.is_empty()
    });

    // Others may use this machine's processors: a few rounds, until one was not disturbed.
    let mut times = Vec::new();
    let mut limit = Duration::ZERO;
    for _ in 0..ROUNDS {
        (times, limit) = timed(node);
        if times[5] <= limit {
            break;
        }
        println!("disturbed: {times:?}, limit {limit:?}");
    }
    let (_, page) = scrape(node);
    let memory = map_memory(agent.monitor.id());
    println!(
        "{VNIS} VNIs: median {:?} ({:?} to {:?}), empty {empty:?}; {} KiB of page; maps {} KiB; agent {} KiB",
        times[5],
        times[0],
        times[10],
        page.len() >> 10,
        memory >> 10,
        resident(agent.monitor.id()),
    );

    let counted = rows(&page, "overlay_packets_total");
    assert_eq!(counted.len(), VNIS as usize, "each network has its row");
    assert!(
        counted
            .iter()
            .all(|(_, packets)| (1..=rounds).contains(packets))
    );
    let map = |metric: &str| value(&page, &format!(r#"overlay_map_{metric}{{map="counters"}}"#));
    assert!(map("entries") >= u64::from(VNIS), "{}", map("entries"));
    assert!(map("entries") <= map("capacity"), "{}", map("capacity"));
    assert_eq!(rows(&page, "overlay_map_overflow_packets_total"), []);
    // Maps that are not there yet would make it 0.
    assert!((1..=BUDGET).contains(&memory), "{memory} bytes of maps");
    assert!(times[5] <= limit, "median {:?}: {times:?}", times[5]);
}
