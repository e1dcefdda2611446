//! What each command loads: the programs, maps and links that it needs, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use monitor_lab::{Host, Lab};
use overlay_tests::agent::Agent;
use overlay_tests::held::Held;
use overlay_tests::process::{Monitor, command};
use overlay_tests::programs::kernel_version;

/// Instructions that the verifier follows in a program, at most, on every supported kernel. It refuses a million, and
/// its time is most of the time of a start.
const VERIFIED: u64 = 150_000;

fn quiet() -> Lab {
    Lab::builder().quiet(true).build().unwrap()
}

/// Names of the programs that are not for ESP by network.
fn on_packets(held: &Held) -> Vec<&str> {
    let names = held.programs.keys().map(String::as_str);
    names.filter(|name| !is_for_esp(name)).collect()
}

fn is_for_esp(name: &str) -> bool {
    name.starts_with("overlay_esp_")
}

/// The programs of TC, by names as the kernel cuts them.
const TC: [&str; 2] = ["overlay_tc_egre", "overlay_tc_ingr"];

/// Maps with room for more than the rows "other", of those that not every command uses.
fn with_room(held: &Held) -> BTreeSet<&str> {
    const OPTIONAL: [&str; 9] = [
        "FLOWS",
        "SHARES",
        "RETURNED",
        "SAMPLED",
        "VERDICTS",
        "EXPOSURE",
        "ESP_NETWORKS",
        "REQUIRED",
        "PEERS",
    ];
    let names = OPTIONAL.into_iter();
    names.filter(|name| held.maps[*name] > 2).collect()
}

#[test]
fn run_loads_the_programs_of_its_hook() {
    let lab = quiet();
    let host = lab.node1();
    let agent = Agent::start(host, &["--docker", "off"]);
    let held = Held::by(agent.monitor.id());
    println!("{held:?}");
    assert_eq!(on_packets(&held), TC);
    // Networks that must be encrypted may come with a reload.
    assert_eq!(
        with_room(&held),
        BTreeSet::from([
            "FLOWS",
            "SHARES",
            "RETURNED",
            "VERDICTS",
            "EXPOSURE",
            "ESP_NETWORKS",
            "REQUIRED",
            "PEERS",
        ])
    );
    for (name, verified) in &held.programs {
        assert!(*verified <= VERIFIED, "{name}: {verified}");
    }
    assert!(held.programs["overlay_tc_ingr"] > 0 || kernel_version() < (5, 16));
    drop(agent);

    let agent = Agent::start(host, &["--docker", "off", "--hook", "xdp"]);
    let held = Held::by(agent.monitor.id());
    println!("{held:?}");
    // Later it may load none, so it has those that any interface may need.
    let mut wanted = vec![TC[0], TC[1], "overlay_xdp"];
    if kernel_version() >= (5, 18) {
        wanted.push("overlay_xdp_fra");
    }
    assert_eq!(on_packets(&held), wanted);
}

#[test]
fn tail_loads_neither_esp_by_network_nor_exposure() {
    let lab = quiet();
    let tail = Monitor::tail(lab.node1(), &[]);
    let held = Held::by(tail.id());
    println!("{held:?}");
    assert_eq!(held.programs.keys().collect::<Vec<_>>(), TC);
    assert_eq!(with_room(&held), BTreeSet::new());
    drop(tail);
    let tail = Monitor::tail(lab.node1(), &["--flow-samples", "3"]);
    assert_eq!(with_room(&Held::by(tail.id())), BTreeSet::from(["SAMPLED"]));
}

#[test]
fn audit_loads_what_run_does() {
    let lab = quiet();
    let mut audit = Monitor::start(
        lab.node1(),
        &["audit", "-i", "eth0", "--duration", "5m", "--docker", "off"],
    );
    audit.wait_for("it watches", |audit| audit.err().contains("watching"));
    let held = Held::by(audit.id());
    assert_eq!(on_packets(&held), TC);
    assert!(with_room(&held).contains("EXPOSURE"));
}

#[test]
fn read_loads_nothing() {
    let lab = quiet();
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/traffic/postgresql.pcap"
    );
    let mut command = command(lab.node1(), &["read", "--flows", file]);
    let mut read = command.stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(held_until_the_end(&mut read), Held::default());
    assert!(read.wait().unwrap().success());
}

/// Everything that a command held at any time until its end, looked at as often as possible.
fn held_until_the_end(child: &mut Child) -> Held {
    let mut all = Held::default();
    while child.try_wait().unwrap().is_none() {
        let held = Held::by(child.id());
        all.programs.extend(held.programs);
        all.maps.extend(held.maps);
        all.links.extend(held.links);
    }
    all
}

fn check(host: &Host) -> (Held, String) {
    let mut command = command(host, &["check", "-i", "eth0", "--docker", "off"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut check = command.spawn().unwrap();
    let held = held_until_the_end(&mut check);
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (held, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn check_attaches_nothing() {
    let lab = quiet();
    let (held, out) = check(lab.node1());
    println!("{held:?}\n{out}");
    assert_eq!(held.links, BTreeSet::new());
    // It did load the programs of `run`, those for ESP by network too where the kernel permits them.
    assert!(on_packets(&held).starts_with(&TC), "{held:?}");
    let esp = held.programs.keys().filter(|name| is_for_esp(name)).count();
    assert_eq!(esp != 0, !out.contains("no ESP by network"), "{out}");
}
