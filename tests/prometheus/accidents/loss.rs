//! One node has a smaller MTU than the other, so long packets are lost on the way.

use std::time::Duration;

use monitor_lab::{CLIENT, Lab, WEB};
use overlay_tests::prometheus::{Alert, Proven, scaled};

use super::limits::{DELIVERY, seconds};
use overlay_tests::prometheus::nodes::{REQUIRED, Repeated, SYSLOG, agent, syslog, watch_with};

/// Between a short datagram and a long one, and the next two.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn accidents() -> Vec<Proven> {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let _agents = [one, two].map(|host| agent(host, &["--docker", "off"]));
    let watch = watch_with(&lab, scaled(), None);
    let [from, _to] = syslog(&lab, WEB, CLIENT);
    let _traffic = Repeated::each(PAUSE, move || {
        let long = [SYSLOG, &[b' '; 1_000][..]].concat();
        from.send(SYSLOG).unwrap();
        from.send(&long).unwrap();
    });
    watch.silent("all that is sent is received", seconds(15));

    let disagree = Alert::of("OverlayNodesDisagree", &[("vni", REQUIRED)]);
    let mut accident = watch.accident(
        "a node's MTU is smaller than that of the other: long packets are lost",
        vec![disagree],
    );
    let mtu = |mtu: &str| two.run("ip", &["link", "set", "eth0", "mtu", mtu]).unwrap();
    mtu("900");
    accident.fires(seconds(20) + DELIVERY);
    accident.ends();
    mtu("1500");
    accident.clears(seconds(10) + DELIVERY)
}
