//! The log names the reason why ESP cannot be attributed to networks, where a network must be encrypted or Docker encrypts one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::process::Command;

use monitor_lab::{Host, Lab};
use overlay_tests::offload::has_esp;
use overlay_tests::process::{Monitor, command};
use overlay_tests::seccomp::{RAW_TRACEPOINT_OPEN, without_bpf};

/// Whether the configuration of this kernel says that it was built without ESP.
fn is_without_esp() -> bool {
    let read = "zcat /proc/config.gz 2>/dev/null || cat /boot/config-$(uname -r) 2>/dev/null";
    let read = Command::new("sh").args(["-c", read]).output().unwrap();
    let text = String::from_utf8(read.stdout).unwrap();
    let has = |line: &str| text.lines().any(|found| found == line);
    has("# CONFIG_INET_ESP is not set") && has("# CONFIG_INET6_ESP is not set")
}

/// The log of `run` up to this part, on a kernel that attaches no tracing program.
fn log(host: &Host, arguments: &[&str], last: &str) -> String {
    let common = ["run", "-i", "eth0", "--docker", "off"];
    let mut command = command(host, &[&common[..], arguments].concat());
    without_bpf(&mut command, Some(RAW_TRACEPOINT_OPEN), libc::EOPNOTSUPP);
    let mut monitor = Monitor::spawn(host, command);
    monitor.wait_for(last, |monitor| monitor.err().contains(last));
    monitor.stop();
    monitor.err()
}

#[test]
fn the_reason_is_that_of_the_kernel_and_concerns_hosts_that_use_esp() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let reason = if is_without_esp() {
        "this kernel is built without ESP (CONFIG_INET_ESP, CONFIG_INET6_ESP)"
    } else {
        "cannot attach program overlay_esp_sent: "
    };
    let said = log(lab.node1(), &[], "serving http");
    let warns = said
        .lines()
        .any(|line| line.contains(" WARN ") && line.contains("cannot attribute ESP to networks"));
    assert_eq!(warns, has_esp(), "{said}");
    assert_eq!(said.contains(reason), has_esp(), "{said}");

    // Who requires encryption wants to know it in any case, with the reason.
    let said = log(lab.node1(), &["--require", "4096"], "whether ESP");
    let line = said.lines().find(|line| {
        line.contains(" WARN ") && line.contains("cleartext is detected, but not whether ESP")
    });
    let line = line.unwrap_or_else(|| panic!("no warning in {said}"));
    assert!(line.contains(reason), "{line}");
    if !is_without_esp() {
        assert!(line.contains("Operation not supported"), "{line}");
    }
}
