//! A network that must be encrypted, and crosses in the clear; an agent that is stopped.

use monitor_lab::{CLIENT, Lab, WEB};
use overlay_tests::prometheus::{Alert, Proven, scaled};

use super::limits::{DELIVERY, WINDOW, seconds};
use overlay_tests::prometheus::nodes::{REQUIRED, SYSLOG, agent, syslog, target, watch_with};

pub(super) fn accidents() -> Vec<Proven> {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let require = ["--docker", "off", "--require", REQUIRED, "--window", WINDOW];
    let _first = agent(one, &require);
    let mut second = agent(two, &require);
    let watch = watch_with(&lab, scaled(), None);
    let [from, _to] = syslog(&lab, WEB, CLIENT);

    let of = |name, host, direction| {
        let labels = [("vni", REQUIRED), ("direction", direction)];
        Alert::at(name, &target(host), &labels)
    };
    let mut accident = watch.accident(
        "three datagrams of a network that must be encrypted cross in cleartext",
        vec![
            of("OverlayCleartextSent", one, "tx"),
            of("OverlayCleartextReceived", two, "rx"),
        ],
    );
    for _ in 0..3 {
        from.send(SYSLOG).unwrap();
    }
    accident.fires(DELIVERY);
    // The window, in which the three datagrams already are, and half a minute for which the alert is kept.
    let mut proven = accident.clears(seconds(10 + 30) + DELIVERY);

    let down = Alert::at("OverlayAgentDown", &target(two), &[]);
    let mut accident = watch.accident("an agent is stopped", vec![down]);
    second.stop();
    accident.fires(seconds(4) + DELIVERY);
    accident.ends();
    let _second = agent(two, &require);
    proven.extend(accident.clears(DELIVERY));
    proven
}
