//! What the agent holds after its start, and that it still does all that it must.

use std::fs;

use monitor_lab::Lab;
use overlay_tests::agent::Agent;
use overlay_tests::certificates::Certificates;
use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::{Monitor, wait_until};
use overlay_tests::wire::Raw;

use super::quiet;

/// Numbers of capabilities (`linux/capability.h`).
const NET_ADMIN: u32 = 12;
const BPF: u32 = 39;

/// A field of `/proc/PID/status` in every thread.
fn of_threads(process: u32, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let values = tasks.map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let value = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap().trim().to_owned()
    });
    values.collect()
}

fn set_of(capabilities: &[u32]) -> String {
    let set: u64 = capabilities.iter().map(|number| 1 << number).sum();
    format!("{set:016x}")
}

fn send(lab: &Lab) {
    let wire = Raw::open(lab.node2(), "eth0");
    for _ in 0..3 {
        wire.send(&overlay(VNI, &redis_command()));
    }
}

#[test]
fn every_thread_of_a_started_agent_holds_what_is_documented() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &["--docker", "off"]);
    assert!(!agent.metrics().is_empty());
    let id = agent.monitor.id();
    let kept = [set_of(&[NET_ADMIN]), set_of(&[NET_ADMIN, BPF])];
    let mut effective = of_threads(id, "CapEff");
    effective.dedup();
    assert_eq!(effective.len(), 1, "{effective:?}");
    assert!(kept.contains(&effective[0]), "{effective:?}");
    assert_eq!(of_threads(id, "CapPrm")[0], effective[0]);
    // What a program would inherit.
    for field in ["CapInh", "CapAmb"] {
        assert_eq!(of_threads(id, field)[0], set_of(&[]), "{field}");
    }
    for bounding in of_threads(id, "CapBnd") {
        assert_eq!(bounding, kept[0]);
    }
    assert!(
        of_threads(id, "NoNewPrivs")
            .iter()
            .all(|is_set| is_set == "1")
    );
    assert!(of_threads(id, "Seccomp").iter().all(|mode| mode == "2"));
    let names = match effective[0] == kept[0] {
        true => "CAP_NET_ADMIN",
        false => "CAP_BPF, CAP_NET_ADMIN",
    };
    let info =
        format!(r#"overlay_privileges_info{{capabilities="{names}",system_calls="filtered","#);
    assert!(agent.metrics().contains(&info), "{}", agent.metrics());
    let said = agent.monitor.err();
    assert!(
        said.contains(&format!(
            "privileges: capabilities {names}; system calls filtered"
        )),
        "{said}"
    );
    assert!(!said.contains("keeps privileges"), "{said}");
    agent.monitor.stop();
}

#[test]
fn keep_privileges_keeps_them_and_says_so() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &["--docker", "off", "--keep-privileges"]);
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let id = agent.monitor.id();
    assert_eq!(of_threads(id, "CapEff")[0], own.unwrap().trim());
    assert!(of_threads(id, "Seccomp").iter().all(|mode| mode == "0"));
    assert!(
        agent
            .monitor
            .err()
            .contains("--keep-privileges is for debugging")
    );
    assert!(
        agent
            .metrics()
            .contains(r#"system_calls="all",files="unrestricted"}"#)
    );
    agent.monitor.stop();
}

#[test]
fn audit_tail_and_forecast_give_up_the_same_and_still_write_their_files() {
    const DAC_OVERRIDE: u32 = 1;
    let lab = quiet();
    let host = lab.node1();
    let files = Certificates::new();
    let report = files.write("report.txt", "old");
    let capture = files.path("samples.pcapng");
    let held = |monitor: &Monitor<'_>, more: &[u32]| {
        let id = monitor.id();
        let sets = [&[NET_ADMIN][..], &[NET_ADMIN, BPF]];
        let sets = sets.map(|set| set_of(&[set, more].concat()));
        for effective in of_threads(id, "CapEff") {
            assert!(sets.contains(&effective), "{effective}");
        }
        assert!(of_threads(id, "Seccomp").iter().all(|mode| mode == "2"));
    };
    let arguments = [
        "audit",
        "-i",
        "eth0",
        "--docker",
        "off",
        "--duration",
        "600s",
        "--output",
        &report,
    ];
    let mut audit = Monitor::start(host, &arguments);
    audit.wait_for("it watches", |audit| audit.err().contains("watching"));
    held(&audit, &[DAC_OVERRIDE]);
    let mut tail = Monitor::tail(host, &["--write", &capture]);
    held(&tail, &[]);
    let arguments = [
        "forecast",
        "-i",
        "eth0",
        "--docker",
        "off",
        "--duration",
        "600s",
    ];
    let mut forecast = Monitor::start(host, &arguments);
    forecast.wait_for("it is confined", |forecast| {
        let modes = of_threads(forecast.id(), "Seccomp");
        !modes.is_empty() && modes.iter().all(|mode| mode == "2")
    });
    held(&forecast, &[]);
    send(&lab);
    tail.lines(3);
    for monitor in [&mut audit, &mut tail, &mut forecast] {
        monitor.signal(libc::SIGINT);
        let (status, _) = monitor.wait();
        assert_eq!(status.code(), Some(0), "{}", monitor.err());
        assert!(
            !monitor.err().contains("keeps privileges"),
            "{}",
            monitor.err()
        );
    }
    let written = fs::read_to_string(&report).unwrap();
    assert!(written.contains(&VNI.to_string()), "{written}");
    assert!(fs::metadata(&capture).unwrap().len() > 100);
}

#[test]
fn interfaces_that_come_later_are_watched_and_causes_are_found() {
    let lab = quiet();
    let host = lab.node1();
    let vni = VNI.to_string();
    let later = ["-i", "later*", "--docker", "off", "--require", &vni];
    let mut agent = Agent::start(host, &later);
    let up = |agent: &Agent<'_>, interface: &str| {
        let row = format!(r#"overlay_hook_up{{interface="{interface}",direction="rx"}} 1"#);
        agent.metrics().contains(&row)
    };
    let ip = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        host.run("ip", &arguments).unwrap();
    };
    ip("link add later0 type veth peer name other0");
    // Its frames have no Ethernet header, so it takes programs that no interface had at the start.
    ip("tuntap add later1 mode tun");
    for interface in ["later0", "later1"] {
        wait_until(interface, || up(&agent, interface));
    }
    ip("link del later0");
    ip("link add later0 type veth peer name other0");
    wait_until("later0 again", || up(&agent, "later0"));
    send(&lab);
    agent
        .monitor
        .wait_for("a cause", |monitor| monitor.err().contains("Likely cause"));
    // It could read the firewall.
    let said = agent.monitor.err();
    let cause = "nothing on this host encrypts: it has no IPsec policy";
    assert!(said.contains(cause), "{said}");
    agent.monitor.stop();
}
