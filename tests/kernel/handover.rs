//! One agent ends and the next goes on, while packets cross: none is lost, none is counted twice, and no counter goes down.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use overlay_tests::agent::{Agent, rows};
use overlay_tests::attached::attached;
use overlay_tests::handover::{goes_on, hand_over, in_place, is_complete, lab, next, send};
use overlay_tests::process::wait_until;
use overlay_tests::service_manager::ServiceManager;

#[test]
fn at_tc_the_next_agent_goes_on_where_the_first_ended() {
    goes_on("tc");
}

#[test]
fn at_xdp_the_next_agent_goes_on_where_the_first_ended() {
    goes_on("xdp");
}

#[test]
fn what_is_left_is_detached_if_the_next_agent_cannot_start() {
    let lab = lab();
    let host = lab.node1();
    let manager = ServiceManager::start("handover-fails");
    hand_over(&mut next(&manager, host, "tc").monitor);
    assert!(!attached(host).is_empty() && !manager.kept().is_empty());
    let mut monitor = manager.run(host, &["run", "--config", "/no/such/file"]);
    let (status, _) = monitor.wait();
    assert_eq!(status.code(), Some(2), "{}", monitor.err());
    wait_until("the manager forgets", || manager.kept().is_empty());
    assert_eq!(attached(host), [""; 0]);
}

#[test]
fn a_version_that_counts_in_another_way_starts_afresh_and_says_so() {
    let lab = lab();
    let (host, sender) = (lab.node1(), lab.node2());
    let manager = ServiceManager::start("handover-afresh");
    let mut agent = next(&manager, host, "tc");
    let before = in_place(host);
    let of_each = send(sender, Duration::from_secs(1));
    is_complete(&agent.metrics(), of_each);
    hand_over(&mut agent.monitor);
    let mut record: serde_json::Value = serde_json::from_slice(&manager.file("record")).unwrap();
    record["format"] = 1_000.into();
    record["version"] = "9.9.9".into();
    manager.replace("record", record.to_string().as_bytes());
    let agent = next(&manager, host, "tc");
    let log = agent.monitor.err();
    assert!(
        log.contains("so they start at 0: version 9.9.9 counts in another way"),
        "{log}"
    );
    assert_eq!(in_place(host), before, "each program once");
    assert_eq!(rows(&agent.metrics(), "overlay_packets_total"), []);
    let of_each = send(sender, Duration::from_secs(1));
    is_complete(&agent.metrics(), of_each);
}

#[test]
fn after_a_change_of_the_hook_each_packet_is_counted_once() {
    for [first, second] in [["xdp", "tc"], ["tc", "xdp"]] {
        let lab = lab();
        let (host, sender) = (lab.node1(), lab.node2());
        let manager = ServiceManager::start(&format!("handover-from-{first}"));
        let mut agent = next(&manager, host, first);
        let before = send(sender, Duration::from_secs(1));
        hand_over(&mut agent.monitor);
        let meanwhile = send(sender, Duration::from_secs(1));
        let agent = next(&manager, host, second);
        let after = send(sender, Duration::from_secs(1));
        is_complete(&agent.metrics(), before + meanwhile + after);
    }
}

#[test]
fn an_interface_that_is_not_watched_any_more_keeps_its_counts_and_no_program() {
    let lab = lab();
    let (host, sender) = (lab.node1(), lab.node2());
    let manager = ServiceManager::start("handover-other");
    let mut agent = next(&manager, host, "tc");
    let of_each = send(sender, Duration::from_secs(1));
    hand_over(&mut agent.monitor);
    let arguments = ["run", "-i", "lo", "--docker", "off", "--require", "6000"];
    let agent = Agent::serving(manager.run(host, &arguments), 9469);
    assert_eq!(attached(host), [""; 0]);
    is_complete(&agent.metrics(), of_each);
}

#[test]
fn without_a_service_manager_the_signal_ends_it() {
    let lab = lab();
    let host = lab.node1();
    let mut agent = Agent::start(host, &["--docker", "off"]);
    agent.monitor.signal(libc::SIGUSR1);
    let (status, _) = agent.monitor.wait();
    assert_eq!(status.code(), Some(0));
    assert!(agent.monitor.err().contains("nothing stays attached"));
    assert_eq!(attached(host), [""; 0]);
}
