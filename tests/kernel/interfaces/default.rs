//! `-i default`: the interfaces of the default route, and what is below them.

use super::once::{bridged, exchange};
use super::{PORT, everywhere, ip, quiet, up, within_a_second};
use overlay_tests::agent::Agent;

#[test]
fn the_default_route_is_followed_down_to_the_wire() {
    let lab = quiet();
    let host = lab.node1();
    let sockets = bridged(&lab);
    let arguments = ["-i", "default", "--vxlan-port", "4790"];
    let mut agent = Agent::watch(host, PORT, &arguments);
    assert!(
        agent
            .monitor
            .err()
            .contains("there is no default route now")
    );
    assert_eq!(up(&agent, "default"), Some(0));
    assert_eq!(
        agent.ask("/healthz").unwrap().1,
        "blind: no default route\n"
    );

    ip(host, "route add default via 10.9.0.2 dev b0");
    within_a_second(&agent, "the port of the bridge is watched", || {
        up(&agent, "p0") == Some(1)
    });
    assert_eq!((up(&agent, "b0"), up(&agent, "default")), (None, None));
    let said = agent.monitor.err();
    assert!(
        said.contains("the default route uses b0 (bridge); watching p0 below it"),
        "{said}"
    );
    exchange(&sockets, 10);
    assert_eq!(
        (everywhere(&agent, "rx"), everywhere(&agent, "tx")),
        (10, 10)
    );

    // Without a default route it stays watched; with another one it does not.
    ip(host, "route del default");
    exchange(&sockets, 10);
    ip(host, "route add default via 192.168.77.2 dev eth0");
    within_a_second(&agent, "the other interface is watched", || {
        up(&agent, "eth0") == Some(1)
    });
    assert_eq!(up(&agent, "p0"), None);
    exchange(&sockets, 10);
    assert_eq!(
        (everywhere(&agent, "rx"), everywhere(&agent, "tx")),
        (20, 20)
    );
    agent.monitor.stop();
}
