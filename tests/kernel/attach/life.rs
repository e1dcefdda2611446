//! Start, SIGTERM, `kill -9`, the next start, and `detach`.

use monitor_lab::Lab;
use overlay_tests::agent::Agent;
use overlay_tests::attached::{attached, has_tcx};
use overlay_tests::process::{run, wait_until};

use super::{assert_counted, exchange, quiet, shape};

/// What an agent's hooks look like from outside, with what stays of them after `kill -9`.
struct Expected {
    arguments: &'static [&'static str],
    hooks: [&'static str; 2],
    running: &'static [&'static str],
    killed: &'static [&'static str],
}

fn expected() -> [Expected; 2] {
    let xdp = &["--hook", "xdp"];
    let clsact = &["filter ingress ours", "filter egress ours", "clsact"];
    if has_tcx() {
        let tcx = &["tcx ingress ours", "tcx egress ours"];
        [
            Expected {
                arguments: &[],
                hooks: ["tcx", "tcx"],
                running: tcx,
                killed: &[],
            },
            Expected {
                arguments: xdp,
                hooks: ["xdp", "tcx"],
                running: &["tcx egress ours", "xdp"],
                killed: &[],
            },
        ]
    } else {
        let running = &["filter egress ours", "xdp", "clsact"];
        let killed = &["filter egress ours", "clsact"];
        [
            Expected {
                arguments: &[],
                hooks: ["clsact", "clsact"],
                running: clsact,
                killed: clsact,
            },
            Expected {
                arguments: xdp,
                hooks: ["xdp", "clsact"],
                running,
                killed,
            },
        ]
    }
}

#[test]
fn sigterm_leaves_nothing() {
    for expected in expected() {
        let lab = quiet();
        assert_eq!(attached(lab.node1()), [""; 0]);
        let mut agent = Agent::start(lab.node1(), expected.arguments);
        assert_eq!(agent.hooks(), expected.hooks);
        assert_eq!(shape(lab.node1()), expected.running);
        exchange(&lab, 10);
        assert_counted(&agent, 10);
        agent.monitor.stop();
        assert_eq!(attached(lab.node1()), [""; 0]);
    }
}

#[test]
fn what_a_kill_leaves_is_taken_over_by_the_next_start() {
    let [expected, _] = expected();
    let lab = quiet();
    let node = lab.node1();
    let left = kill(&lab, &expected);

    let mut agent = Agent::start(node, expected.arguments);
    assert_eq!(shape(node), expected.running, "one of each: {left:?}");
    let stays = |line: &String| line.contains("overlay-monitor/") && left.contains(line);
    assert!(!attached(node).iter().any(stays), "{left:?} stayed");
    let says = "filter of an overlay-monitor that was killed";
    assert_eq!(agent.monitor.err().contains(says), !has_tcx());
    exchange(&lab, 10);
    assert_counted(&agent, 10);
    agent.monitor.stop();
    assert_eq!(attached(node), [""; 0]);
}

#[test]
fn what_a_kill_leaves_is_removed_by_detach() {
    for expected in expected() {
        let lab = quiet();
        kill(&lab, &expected);
        let detach = run(lab.node1(), &["detach"]);
        assert_eq!(detach.code, Some(0), "{detach:?}");
        let is_filter = |line: &&&str| line.starts_with("filter");
        let says = match expected.killed.iter().filter(is_filter).count() {
            0 => "nothing of ours is attached to 2 interfaces",
            1 => "eth0: removed 1 TC filter left by a killed overlay-monitor",
            _ => "eth0: removed 2 TC filters left by a killed overlay-monitor",
        };
        assert!(detach.out.contains(says), "{detach:?}");
        assert_eq!(attached(lab.node1()), [""; 0]);
    }
}

/// Starts an agent, kills it, and gives what is left of it.
fn kill(lab: &Lab, expected: &Expected) -> Vec<String> {
    let mut agent = Agent::start(lab.node1(), expected.arguments);
    agent.monitor.kill();
    // The kernel lets go of a link a moment after its process is gone.
    wait_until("links are gone", || shape(lab.node1()) == expected.killed);
    attached(lab.node1())
}

#[test]
fn a_qdisc_that_was_there_stays() {
    let lab = quiet();
    let node = lab.node1();
    node.run("tc", &["qdisc", "add", "dev", "eth0", "clsact"])
        .unwrap();
    let mut agent = Agent::start(node, &[]);
    agent.monitor.kill();
    wait_until("links are gone", || {
        !has_tcx() || attached(node) == ["clsact"]
    });
    assert_eq!(run(node, &["detach"]).code, Some(0));
    assert_eq!(attached(node), ["clsact"]);
}

#[test]
fn a_removed_interface_is_reported_as_missing() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &[]);
    exchange(&lab, 10);
    assert_counted(&agent, 10);
    let (status, said) = agent.ask("/healthz").unwrap();
    assert!(
        status == 200 && said.starts_with("ok: eth0 rx"),
        "{status} {said}"
    );
    lab.node1().run("ip", &["link", "del", "eth0"]).unwrap();
    wait_until("/healthz says so", || {
        agent.ask("/healthz").unwrap().0 == 503
    });
    assert_eq!(
        agent.ask("/healthz").unwrap().1,
        "blind: no interface eth0\n"
    );
    assert_counted(&agent, 10);
    agent.monitor.stop();
    assert!(
        !agent.monitor.err().contains(" ERROR "),
        "{}",
        agent.monitor.err()
    );
}
