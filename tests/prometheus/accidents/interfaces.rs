//! What an agent watches changes under it: an interface is removed, another program comes first, an overlay has another port.

use aya::programs::LinkOrder;
use aya::programs::tc::TcAttachOptions;
use monitor_lab::{Host, Lab};
use overlay_tests::attached::has_tcx;
use overlay_tests::foreign::Foreign;
use overlay_tests::prometheus::{Alert, Proven, scaled};

use super::limits::{DELIVERY, WINDOW, seconds};
use overlay_tests::prometheus::nodes::{REQUIRED, agent, target, watch_with};

/// A second interface of a node.
fn add_interface(host: &Host) {
    let ends = ["type", "veth", "peer", "name", "ext1"];
    host.run("ip", &[&["link", "add", "ext0"][..], &ends].concat())
        .unwrap();
    for end in ["ext0", "ext1"] {
        host.run("ip", &["link", "set", end, "up"]).unwrap();
    }
}

fn removed(host: &Host) -> [Alert; 2] {
    let of = |direction| {
        let labels = [("interface", "ext0"), ("direction", direction)];
        Alert::at("OverlayHookDown", &target(host), &labels)
    };
    [of("rx"), of("tx")]
}

pub(super) fn accidents() -> Vec<Proven> {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    add_interface(one);
    add_interface(two);
    let both = ["--docker", "off", "-i", "ext0", "--window", WINDOW];
    let _agents = [
        agent(one, &[&both[..], &["--require", REQUIRED]].concat()),
        agent(two, &both),
    ];
    let watch = watch_with(&lab, scaled(), None);

    let mut accident = watch.accident(
        "a watched interface is removed, on a node without a requirement",
        removed(two).to_vec(),
    );
    two.run("ip", &["link", "del", "ext0"]).unwrap();
    accident.fires(seconds(2) + DELIVERY);
    accident.ends();
    add_interface(two);
    let mut proven = accident.clears(DELIVERY);

    let unknown = Alert::at(
        "OverlayEncryptionUnknown",
        &target(one),
        &[("vni", REQUIRED)],
    );
    let mut accident = watch.accident(
        "a watched interface is removed, on a node with a network that must be encrypted",
        [&removed(one)[..], &[unknown]].concat(),
    );
    one.run("ip", &["link", "del", "ext0"]).unwrap();
    accident.fires(seconds(10) + DELIVERY);
    accident.ends();
    add_interface(one);
    // It was not seen what crossed within the window.
    proven.extend(accident.clears(seconds(10) + DELIVERY));

    // Before Linux 6.6 a filter can only be first if it was there first.
    if has_tcx() {
        let labels = [("interface", "eth0"), ("direction", "rx")];
        let second = Alert::at("OverlayHookNotFirst", &target(two), &labels);
        let mut accident = watch.accident("another program comes before the agent's", vec![second]);
        let first = || TcAttachOptions::TcxOrder(LinkOrder::first());
        let foreign = Foreign::attach(two, first).unwrap();
        accident.fires(seconds(10) + DELIVERY);
        accident.ends();
        drop(foreign);
        proven.extend(accident.clears(DELIVERY));
    }

    let unwatched = Alert::at("OverlayPortUnwatched", &target(one), &[("port", "8999")]);
    let mut accident = watch.accident(
        "a VXLAN device sends to a port that the agent does not watch",
        vec![unwatched],
    );
    let device = ["type", "vxlan", "id", "9", "dstport", "8999", "dev", "eth0"];
    one.run("ip", &[&["link", "add", "other0"][..], &device].concat())
        .unwrap();
    accident.fires(seconds(10) + DELIVERY);
    accident.ends();
    one.run("ip", &["link", "del", "other0"]).unwrap();
    proven.extend(accident.clears(DELIVERY));
    proven
}
