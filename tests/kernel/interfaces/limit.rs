//! As many interfaces as can be watched, and one more.

use super::{PORT, ip, quiet, up};
use monitor::agent::INTERFACES;
use overlay_tests::agent::Agent;
use overlay_tests::process::{run, wait_until};

#[test]
fn as_many_interfaces_are_watched_as_can_be_and_one_more_is_refused() {
    assert_eq!(INTERFACES, 64, "docs/configuration.md says how many");
    let lab = quiet();
    let host = lab.node1();
    let pair = |n: usize, other: &str| {
        ip(host, &format!("link add v{n} type veth peer name {other}"));
    };
    for n in (0..INTERFACES).step_by(2) {
        pair(n, &format!("v{}", n + 1));
    }
    let mut agent = Agent::watch(host, PORT, &["--docker", "off", "-i", "v*"]);
    for n in 0..INTERFACES {
        assert_eq!(up(&agent, &format!("v{n}")), Some(1), "v{n}");
    }
    pair(INTERFACES, "w");
    let not_watched = format!(
        "v{INTERFACES}: not watched, because {INTERFACES} interfaces are and no more can be"
    );
    agent
        .monitor
        .wait_for(&not_watched, |monitor| monitor.err().contains(&not_watched));
    assert_eq!(up(&agent, &format!("v{INTERFACES}")), Some(0));
    // One leaves, and the other takes its place.
    ip(host, "link set v0 name w0");
    wait_until("the next one is watched", || {
        up(&agent, &format!("v{INTERFACES}")) == Some(1)
    });
    agent.monitor.stop();

    ip(host, "link set w0 name v0");
    let refused = run(host, &["run", "--docker", "off", "-i", "v*"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let says = format!(
        "{} interfaces are selected, and at most {INTERFACES} can be watched",
        INTERFACES + 1
    );
    assert!(refused.err.contains(&says), "{refused:?}");
}
