//! Interfaces that a glob selects: they come and go in numbers.

use super::{PORT, assert_received, ip, quiet, send, up, veth, within_a_second};
use overlay_tests::agent::Agent;
use overlay_tests::process::wait_until;

#[test]
fn a_glob_waits_for_interfaces_and_lets_them_go_and_the_maps_do_not_fill() {
    const ENTRIES: &str = r#"overlay_map_entries{map="reasons"}"#;
    let lab = quiet();
    let host = lab.node1();
    let mut agent = Agent::watch(host, PORT, &["-i", "v[0-9]*"]);
    let said = agent.monitor.err();
    assert!(
        said.contains("no interface matches v[0-9]* now")
            && said.contains("watching no interface yet"),
        "{said}"
    );
    assert_eq!(
        agent.ask("/healthz").unwrap().0,
        503,
        "blind is not healthy"
    );
    assert_eq!(agent.metric(ENTRIES), 0);

    veth(host, "v1", "w1");
    within_a_second(&agent, "it is watched", || up(&agent, "v1") == Some(1));
    assert_eq!(agent.ask("/healthz").unwrap().0, 200);
    send(host, "w1", 10);
    assert_received(&agent, "v1", 10);
    assert_eq!(up(&agent, "w1"), None);
    let rows_of_one = agent.metric(ENTRIES);

    // Overlay devices have no outer headers, and are not meant.
    ip(
        host,
        "link add v2 type vxlan id 7 dstport 4789 dev eth0 group 239.1.1.1",
    );
    for n in 3..8 {
        veth(host, &format!("v{n}"), &format!("w{n}"));
    }
    within_a_second(&agent, "all are watched", || up(&agent, "v7") == Some(1));
    for n in 3..8 {
        assert_eq!(up(&agent, &format!("v{n}")), Some(1), "v{n}");
        send(host, &format!("w{n}"), n);
    }
    assert_eq!(up(&agent, "v2"), None);
    assert_eq!(agent.metric(ENTRIES), 6 * rows_of_one);

    // A rename takes one out of the glob.
    ip(host, "link set v7 down");
    ip(host, "link set v7 name z7");
    within_a_second(&agent, "it is let go", || up(&agent, "v7").is_none());
    assert_eq!(up(&agent, "z7"), None);
    for n in 3..7 {
        ip(host, &format!("link del v{n}"));
    }
    wait_until("their rows are put away", || {
        agent.metric(ENTRIES) == rows_of_one
    });
    for n in 3..8 {
        assert_received(&agent, &format!("v{n}"), n as u64);
    }
    send(host, "w1", 10);
    assert_received(&agent, "v1", 20);
    assert_eq!(agent.ask("/healthz").unwrap().0, 200);
    agent.monitor.stop();
}
