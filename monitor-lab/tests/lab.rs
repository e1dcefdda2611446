//! The lab on this kernel: what crosses its wire, and that nothing of it remains. Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows only functions marked #[test] as tests, not their helpers"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use monitor_lab::{Error, Lab, Publish};

use common::{attach_oracle, idle_counters, oracle_counts, running};

const PROGRAM: &str = env!("CARGO_BIN_EXE_overlay-lab");

#[test]
fn a_plain_overlay_carries_http_and_redis_in_vxlan() {
    let lab = running(false);
    attach_oracle(lab.node2());
    let vxlan = &lab.overlays()[0].sandboxes()[1];
    let before = (
        idle_counters(lab.node2(), "eth0"),
        idle_counters(vxlan, "vxlan0"),
    );
    let pages = lab.http_get(3).unwrap();
    assert_eq!(pages.len(), 3);
    for (visit, page) in (1..).zip(&pages) {
        assert_eq!(page.status, 200);
        let count = format!("<td>10.0.1.9</td><td>{visit}</td>");
        assert!(page.body.contains(&count), "{}", page.body);
    }
    let wire = idle_counters(lab.node2(), "eth0") - before.0;
    let inside = idle_counters(vxlan, "vxlan0") - before.1;
    // Redis is on node2 and the web app on node1, so both conversations cross the wire.
    assert!(wire.rx_packets > 30, "{wire:?}");
    assert_eq!(
        (wire.rx_packets, wire.tx_packets),
        (inside.rx_packets, inside.tx_packets)
    );
    assert_eq!(oracle_counts(lab.node2()), [wire.rx_packets, 0]);
    assert_eq!((wire.rx_dropped, wire.tx_dropped), (0, 0));
}

#[test]
fn the_published_port_answers_on_the_host_network() {
    let mut lab = running(false);
    lab.publish(Publish::Plain).unwrap();
    let page = lab.http_get_published(1).unwrap().remove(0);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<h1>Visits</h1>"), "{}", page.body);
    lab.publish(Publish::Tls).unwrap();
    let page = lab.http_get_published(1).unwrap().remove(0);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<h1>Visits</h1>"), "{}", page.body);
    assert_eq!(lab.published(), Some(Publish::Tls));
}

#[test]
fn a_quiet_wire_is_silent() {
    let lab = running(false);
    let before = idle_counters(lab.node1(), "eth0");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(lab.node1().device_stats("eth0").unwrap(), before);
}

#[test]
fn more_overlays_have_their_own_vni() {
    let lab = Lab::builder()
        .quiet(true)
        .overlay("app2-network", 70_000, false)
        .build()
        .unwrap();
    let vxlan = &lab.overlays()[1].sandboxes()[0];
    assert!(
        vxlan
            .run("ip", &["-d", "link", "show", "vxlan0"])
            .unwrap()
            .contains("vxlan id 70000 ")
    );
    let one = lab.container("app2-network.1").unwrap();
    let two = lab.container("app2-network.2").unwrap();
    let receiver = two
        .enter(|| UdpSocket::bind("10.0.2.4:5000"))
        .unwrap()
        .unwrap();
    let sender = one
        .enter(|| UdpSocket::bind("10.0.2.3:0"))
        .unwrap()
        .unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    for _ in 0..2 {
        sender.send_to(b"hello", "10.0.2.4:5000").unwrap();
        assert_eq!(receiver.recv(&mut [0; 16]).unwrap(), 5);
    }
    assert_eq!(vxlan.device_stats("vxlan0").unwrap().tx_packets, 2);
    assert_eq!(
        lab.overlays()[0].sandboxes()[0]
            .device_stats("vxlan0")
            .unwrap()
            .tx_packets,
        0
    );
}

#[test]
fn overlays_do_not_share_a_vni() {
    let error = Lab::builder()
        .overlay("app2-network", 4096, false)
        .build()
        .unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
    let error = Lab::builder().vni(1 << 24).build().unwrap_err();
    assert!(error.to_string().contains("24 bits"), "{error}");
}

/// What a lab could leave behind in the machine's namespaces: devices, mounts, named network namespaces.
fn machine_state() -> (BTreeSet<String>, String, Vec<String>) {
    let names = |folder: &str| match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect(),
        Err(_) => BTreeSet::new(),
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    (
        names("/sys/class/net"),
        mounts,
        names("/run/netns").into_iter().collect(),
    )
}

/// Folders of all processes of this machine.
fn processes() -> impl Iterator<Item = PathBuf> {
    let numbered = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok())
    };
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(numbered)
}

/// Whether a link in `/proc` points to one of the namespaces.
fn points_to(link: &Path, namespaces: &[String]) -> bool {
    fs::read_link(link).is_ok_and(|to| {
        namespaces
            .iter()
            .any(|name| to.as_os_str() == name.as_str())
    })
}

/// Whether a process or descriptor of this machine refers to one of the namespaces.
fn is_referred(namespaces: &[String]) -> bool {
    processes().any(|process| {
        let mut descriptors = fs::read_dir(process.join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        points_to(&process.join("ns/net"), namespaces)
            || descriptors.any(|entry| points_to(&entry.path(), namespaces))
    })
}

/// Names of the programs that run in the namespaces. (Redis overwrites its environment with its title, so the mark does
/// not find it.)
fn programs_in(namespaces: &[String]) -> BTreeSet<String> {
    let inside = processes().filter(|process| points_to(&process.join("ns/net"), namespaces));
    inside
        .map(|process| {
            fs::read_to_string(process.join("comm"))
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .collect()
}

/// Command lines of the processes that have a variable in their environment: the mark of one test.
fn marked(mark: &str) -> Vec<String> {
    let marked = processes().filter(|process| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    });
    marked
        .map(|process| fs::read_to_string(process.join("cmdline")).unwrap_or_default())
        .collect()
}

fn namespaces(lab: &Lab) -> Vec<String> {
    lab.hosts()
        .map(|host| format!("net:[{}]", host.namespace_inode().unwrap()))
        .collect()
}

#[test]
fn dropping_a_lab_removes_all_of_it() {
    let before = machine_state();
    let mut lab = running(false);
    lab.publish(Publish::Plain).unwrap();
    let namespaces = namespaces(&lab);
    assert!(is_referred(&namespaces));
    drop(lab);
    assert!(!is_referred(&namespaces));
    assert_eq!(machine_state(), before);
}

#[test]
fn killing_a_lab_removes_all_of_it() {
    let before = machine_state();
    let mark = format!("OVERLAY_LAB_TEST={}", std::process::id());
    let (key, value) = mark.split_once('=').unwrap();
    let mut lab = Command::new(PROGRAM)
        .arg("up")
        .env(key, value)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(lab.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let lines: Vec<String> = lines
        .take_while(|line| !line.starts_with("Ready"))
        .collect();
    let namespaces: Vec<String> = lines
        .iter()
        .filter_map(|line| Some(line[line.find("net:[")?..].to_owned()))
        .collect();
    assert_eq!(namespaces.len(), 7, "{lines:?}");
    let services = ["nginx", "overlay-lab", "redis-server"].map(str::to_owned);
    assert_eq!(programs_in(&namespaces), BTreeSet::from(services));
    assert_eq!(
        marked(&mark).len(),
        3,
        "the lab, nginx and the web app have the mark"
    );
    lab.kill().unwrap();
    lab.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end && (!marked(&mark).is_empty() || is_referred(&namespaces)) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(marked(&mark), Vec::<String>::new());
    assert!(!is_referred(&namespaces));
    assert_eq!(machine_state(), before);
}
