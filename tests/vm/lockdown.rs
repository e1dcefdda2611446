//! The reason for which a locked kernel does not attribute ESP to networks, as `check` and the log give it: lockdown. The kernel
//! stays locked down, so this program runs last.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::process::Command;

use monitor_lab::{Host, Lab};
use overlay_tests::agent::Agent;
use overlay_tests::offload::{WithoutEsp, has_esp};
use overlay_tests::process::{Monitor, run};

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Whether a log warns that ESP is not attributed, and with which reason.
fn warning(log: &str) -> Option<String> {
    let (_, reason) = log
        .lines()
        .filter(|line| line.contains(" WARN "))
        .find_map(|line| {
            line.split_once("cannot attribute ESP to networks, so it is counted by peer only: ")
        })?;
    Some(reason.to_owned())
}

/// What `run` logs; it is ended when it has logged this part.
fn log(host: &Host, arguments: &[&str], last: &str) -> String {
    let mut agent = Agent::start(host, &[&["--docker", "off"], arguments].concat());
    agent
        .monitor
        .wait_for(last, |monitor| monitor.err().contains(last));
    agent.monitor.stop();
    agent.monitor.err()
}

/// The line of `check` on ESP by network.
fn checked(out: &str) -> &str {
    let mut lines = out.lines();
    lines.find(|line| line.contains("ESP by network")).unwrap()
}

fn modprobe(arguments: &[&str]) {
    let ended = Command::new("/sbin/modprobe").args(arguments).status();
    assert!(ended.unwrap().success(), "modprobe {arguments:?}");
}

#[test]
fn the_real_reason_is_given_and_warned_of_only_where_esp_is_used() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let host = lab.node1();
    let alone = WithoutEsp::now();
    let arguments = ["check", "-i", "eth0", "--docker", "off"];
    let check = run(host, &arguments);
    assert!(checked(&check.out).starts_with("ok "), "{check:?}");

    modprobe(&["esp4"]);
    assert_eq!(
        warning(&log(host, &[], "serving")),
        None,
        "it is attributed"
    );
    if !std::path::Path::new(LOCKDOWN).exists() {
        let mounted = Command::new("mount")
            .args(["-t", "securityfs", "none", "/sys/kernel/security"])
            .status();
        assert!(mounted.unwrap().success());
    }
    std::fs::write(LOCKDOWN, "confidentiality").unwrap();

    let lockdown = "lockdown (confidentiality) forbids tracing programs";
    let check = run(host, &arguments);
    let line = checked(&check.out);
    assert!(
        line.starts_with("limited ") && line.contains(lockdown),
        "{line}"
    );
    assert_eq!(check.code, Some(0), "{check:?}");
    // The module could be used at any moment.
    assert!(has_esp());
    let reason = warning(&log(host, &[], "serving")).expect("a warning");
    assert!(reason.starts_with(lockdown), "{reason}");
    // Without it, and without a requirement, it concerns no one.
    modprobe(&["-r", "esp4"]);
    let quiet = log(host, &[], "serving");
    assert!(!has_esp() && !quiet.contains(" WARN "), "{quiet}");
    let required = log(host, &["--require", "4096"], "whether ESP");
    let says = format!("but not whether ESP replaces it: {lockdown}");
    assert!(
        required.contains(&says) && warning(&required).is_none(),
        "{required}"
    );

    // What is counted without attribution is counted still.
    let mut tail = Monitor::tail(host, &[]);
    tail.stop();
    drop(alone);
}
