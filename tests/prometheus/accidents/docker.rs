//! Docker's daemon ends.

use monitor_lab::Lab;
use overlay_tests::dockerd::{Dockerd, Folder};
use overlay_tests::prometheus::{Alert, Proven, scaled};

use super::limits::{DELIVERY, seconds};
use overlay_tests::prometheus::nodes::{agent, target, watch_with};

pub(super) fn accidents() -> Vec<Proven> {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let folder = Folder::new();
    let daemon = Dockerd::start(one, &folder);
    let socket = folder.path(Dockerd::SOCKET);
    let _agents = [
        agent(one, &["--docker", &socket]),
        agent(two, &["--docker", "off"]),
    ];
    let watch = watch_with(&lab, scaled(), None);

    let silent = Alert::at("OverlayDockerSilent", &target(one), &[]);
    let mut accident = watch.accident("Docker's daemon is killed", vec![silent]);
    drop(daemon);
    accident.fires(seconds(10) + DELIVERY);
    accident.ends();
    let _daemon = Dockerd::start(one, &folder);
    // The agent asks again after some seconds.
    accident.clears(seconds(30) + DELIVERY)
}
