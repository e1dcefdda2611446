//! One interface: down and up, gone, back again, renamed.

use super::{PORT, assert_received, ip, packets, quiet, send, up, veth, within_a_second};
use overlay_tests::agent::Agent;

#[test]
fn an_interface_is_followed_and_no_count_is_lost() {
    let lab = quiet();
    let host = lab.node1();
    veth(host, "x0", "x1");
    let mut agent = Agent::watch(host, PORT, &["-i", "x0"]);
    send(host, "x1", 10);
    send(host, "x0", 3);
    assert_received(&agent, "x0", 10);
    assert_eq!(packets(&agent, "x0", "tx"), 3);
    assert_eq!(packets(&agent, "x1", "tx"), 0, "x1 is not watched");

    // Down and up: the programs stay.
    ip(host, "link set x0 down");
    assert_eq!(up(&agent, "x0"), Some(1));
    ip(host, "link set x0 up");
    overlay_tests::process::wait_until("the link is up", || {
        let shown = host.run("ip", &["link", "show", "dev", "x1"]).unwrap();
        shown.contains("state UP")
    });
    send(host, "x1", 10);
    assert_received(&agent, "x0", 20);
    let said = agent.monitor.err();
    assert!(
        !said.contains("attached again") && !said.contains("removed"),
        "{said}"
    );

    // Gone.
    ip(host, "link del x0");
    within_a_second(&agent, "it is missed", || {
        agent.ask("/healthz").unwrap().0 == 503
    });
    assert_eq!(agent.ask("/healthz").unwrap().1, "blind: no interface x0\n");
    assert_eq!(up(&agent, "x0"), Some(0));
    assert_received(&agent, "x0", 20);
    assert!(
        agent
            .monitor
            .err()
            .contains("x0: the interface was removed")
    );

    // Back: another interface of the same name.
    veth(host, "x0", "x1");
    within_a_second(&agent, "it is watched again", || {
        up(&agent, "x0") == Some(1)
    });
    assert_eq!(agent.ask("/healthz").unwrap().0, 200);
    assert_received(&agent, "x0", 20);
    send(host, "x1", 10);
    assert_received(&agent, "x0", 30);
    assert_eq!(packets(&agent, "x0", "tx"), 3);

    // Renamed: what was counted stays with the old name.
    ip(host, "link set x0 down");
    ip(host, "link set x0 name y0");
    ip(host, "link set y0 up");
    within_a_second(&agent, "it is watched under its new name", || {
        up(&agent, "y0") == Some(1)
    });
    assert_eq!(up(&agent, "x0"), None);
    let before = packets(&agent, "y0", "rx");
    assert_eq!(before, 0);
    overlay_tests::process::wait_until("the link is up", || {
        let shown = host.run("ip", &["link", "show", "dev", "x1"]).unwrap();
        shown.contains("state UP")
    });
    send(host, "x1", 10);
    assert_received(&agent, "y0", 10);
    assert_received(&agent, "x0", 30);
    let said = agent.monitor.err();
    let about: Vec<&str> = said.lines().filter(|line| line.contains("y0")).collect();
    assert!(
        about.len() == 1 && about[0].contains("x0: renamed to y0; still watched"),
        "one rename, one line: {said}"
    );

    // Its dead predecessor is put away in the meantime; that changes no number.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_received(&agent, "y0", 10);
    assert_received(&agent, "x0", 30);
    assert_eq!(packets(&agent, "x0", "tx"), 3);
    agent.monitor.stop();
}
