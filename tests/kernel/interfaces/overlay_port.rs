//! An overlay of this host on a UDP port that is not watched, and interfaces that carry no overlay traffic.

use super::{PORT, ip, quiet, within_a_second};
use overlay_tests::agent::Agent;
use overlay_tests::attached::attached;
use overlay_tests::process::{Monitor, run, wait_until};
use overlay_tests::schema::{Output, Validator};

/// As Flannel makes it.
const FLANNEL: &str = "link add flannel.1 type vxlan id 1 dstport 8472 dev eth0";
const METRIC: &str = r#"overlay_port_unwatched{port="8472",encapsulation="vxlan"}"#;
const SAID: &str = "the VXLAN device flannel.1 uses UDP port 8472, which is not watched as VXLAN; give --vxlan-port 8472,4789";

#[test]
fn run_says_so_everywhere_until_it_is_watched_or_gone() {
    let lab = quiet();
    let host = lab.node1();
    ip(host, FLANNEL);
    let arguments = ["-i", "eth0", "--docker", "off"];
    let mut agent = Agent::watch(host, PORT, &arguments);
    let warnings = |agent: &Agent| agent.monitor.err().matches(SAID).count();
    let health = |agent: &Agent| agent.ask("/healthz").unwrap();
    assert_eq!(warnings(&agent), 1, "{}", agent.monitor.err());
    let (status, text) = health(&agent);
    assert!(status == 503 && text.contains(SAID), "{status} {text}");
    assert_eq!(agent.metric(METRIC), 1);

    ip(host, "link del flannel.1");
    within_a_second(&agent, "it is gone", || health(&agent).0 == 200);
    assert!(!agent.metrics().contains("overlay_port_unwatched{"));
    ip(host, FLANNEL);
    within_a_second(&agent, "it is back", || health(&agent).0 == 503);
    wait_until("it is said again", || warnings(&agent) == 2);
    agent.monitor.stop();

    let mut agent = Agent::watch(
        host,
        PORT,
        &[&arguments[..], &["--vxlan-port", "8472,4789"]].concat(),
    );
    assert_eq!(health(&agent).0, 200, "{}", health(&agent).1);
    assert_eq!(warnings(&agent), 0);
    agent.monitor.stop();
}

#[test]
fn an_audit_is_undecided_and_check_is_limited() {
    let lab = quiet();
    let host = lab.node1();
    ip(host, FLANNEL);
    let audit = ["audit", "-i", "eth0", "--docker", "off", "--duration", "1s"];
    let check = ["check", "--docker", "off"];
    let watched = ["--vxlan-port", "8472,4789"];

    let ended = run(host, &audit);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(
        ended.err.contains("undecided: ") && ended.out.contains(SAID),
        "{ended:?}"
    );
    let ended = run(host, &[&audit[..], &["--format", "json"]].concat());
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.out.contains(r#""exit_code":5"#) && ended.out.contains(SAID));
    let ended = run(host, &[&audit[..], &watched].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let ended = run(host, &[&check[..], &["--format", "json"]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    Validator::new().check(Output::Checks, &ended.out);
    let mut lines = ended.out.lines();
    let line = lines.find(|line| line.contains(r#""check":"overlay_port""#));
    let line = line.unwrap_or_else(|| panic!("{ended:?}"));
    assert!(
        line.contains(r#""outcome":"limited""#) && line.contains(SAID),
        "{line}"
    );
    let ended = run(host, &[&check[..], &watched].concat());
    assert!(!ended.out.contains("not watched as VXLAN"), "{ended:?}");
}

#[test]
fn a_vxlan_device_is_refused_and_the_loopback_warned_of_with_the_interface_to_watch() {
    let lab = quiet();
    let host = lab.node1();
    ip(host, FLANNEL);
    ip(
        host,
        "link add vx0 type vxlan id 2 dstport 4789 remote 192.168.77.2",
    );
    for command in ["run", "tail", "audit", "check"] {
        for (device, below) in [("flannel.1", "-i eth0"), ("vx0", "-i default")] {
            let ended = run(host, &[command, "-i", device]);
            assert_eq!(ended.code, Some(2), "{command}: {ended:?}");
            let says = format!("interface {device} is a VXLAN or Geneve device");
            assert!(
                ended.err.contains(&says) && ended.err.contains(below),
                "{ended:?}"
            );
        }
    }
    assert_eq!(attached(host), [""; 0]);
    let says =
        "lo carries what this host sends to itself, and nothing between nodes; watch eth0 instead";
    let mut tail = Monitor::start(host, &["tail", "-i", "lo"]);
    tail.wait_for(says, |tail| {
        let err = tail.err();
        err.lines()
            .any(|line| line.contains("WARN") && line.contains(says))
    });
    tail.stop();
    let check = run(host, &["check", "-i", "lo", "--docker", "off"]);
    assert!(check.out.contains(says), "{check:?}");
}
