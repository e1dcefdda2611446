//! ESP as it is on the wire, put there frame by frame: this kernel may have no ESP of its own.

use std::time::Duration;

use monitor_lab::{Host, Lab};
use overlay_tests::frame::{NODES, esp, ethernet, ipv4_between};
use overlay_tests::prometheus::{Alert, Proven, scaled};
use overlay_tests::wire::Raw;

use super::limits::{DELIVERY, seconds};
use overlay_tests::prometheus::nodes::{Repeated, agent, target, watch_with};

/// Between two packets of an association.
const PAUSE: Duration = Duration::from_millis(100);
/// A fifth of the sequence numbers.
const FIFTH: u32 = u32::MAX / 5;
/// Used up within a day: it lasts about four hours.
const FAST: u32 = 25_000;

/// ESP from one node to the other, whose sequence numbers begin at one, and grow by so much with each packet.
fn sends(from: &Host, first: u32, step: u32) -> Repeated {
    let wire = Raw::open(from, "eth0");
    let (source, destination) = match from.name() {
        "node1" => NODES,
        _ => (NODES.1, NODES.0),
    };
    let mut sequence = first;
    Repeated::each(PAUSE, move || {
        let packet = ipv4_between(source, destination, 50, &[], &esp(0x1000, sequence));
        wire.send(&ethernet(0x0800, &packet));
        sequence += step;
    })
}

pub(super) fn accidents() -> Vec<Proven> {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let _agents = [one, two].map(|host| agent(host, &["--docker", "off"]));
    let watch = watch_with(&lab, scaled(), None);
    let [to_one, to_two] = [one, two].map(|host| host.address().to_string());

    let unanswered = Alert::at("OverlayEspUnanswered", &target(one), &[("peer", &to_two)]);
    let mut accident = watch.accident("a node sends ESP, and none comes back", vec![unanswered]);
    let forth = sends(one, 1, 1);
    accident.fires(seconds(10 + 20) + DELIVERY);
    accident.ends();
    let back = sends(two, 1, 1);
    let mut proven = accident.clears(seconds(10) + DELIVERY);
    drop((forth, back));

    // One direction has nearly used its key, the other one will have in some hours.
    let used = |host, peer, direction| {
        let labels = [("peer", peer), ("direction", direction)];
        Alert::at("OverlaySequenceNumbersRunOut", &target(host), &labels)
    };
    let mut accident = watch.accident(
        "a key is used up to 95 %; that of the other direction to 20 %, and the rest lasts four hours",
        vec![
            used(one, to_two.as_str(), "tx"),
            used(one, to_two.as_str(), "rx"),
            used(two, to_one.as_str(), "tx"),
            used(two, to_one.as_str(), "rx"),
        ],
    );
    let both = [sends(one, u32::MAX / 20 * 19, 1), sends(two, FIFTH, FAST)];
    accident.fires(seconds(20) + DELIVERY);
    accident.ends();
    drop(both);
    // Nothing is said of an association that was silent for a minute.
    proven.extend(accident.clears(seconds(60) + DELIVERY));
    proven
}
