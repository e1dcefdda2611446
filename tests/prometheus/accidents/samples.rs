//! More samples are chosen than the agent may take.

use std::time::Duration;

use monitor_lab::{CLIENT, Lab, WEB};
use overlay_tests::process::Monitor;
use overlay_tests::prometheus::{Alert, Folder, Proven, scaled};

use super::limits::{DELIVERY, seconds};
use overlay_tests::prometheus::nodes::{
    Repeated, SYSLOG, agent, serving, syslog, target, watch_with,
};

/// Between two datagrams: a hundred in a second.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) fn accidents() -> Vec<Proven> {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let folder = Folder::new();
    let file = folder.file(
        "config.toml",
        "interfaces = [\"eth0\"]\ndocker = \"off\"\nlisten = \"0.0.0.0:9469\"\n\
         sample_every = 1\nsamples_per_second = 10\nnetwork_samples_per_second = 10\n",
    );
    let _agents = [
        serving(Monitor::start(one, &["run", "--config", &file])),
        agent(two, &["--docker", "off"]),
    ];
    let watch = watch_with(&lab, scaled(), None);
    let [from, _to] = syslog(&lab, WEB, CLIENT);

    let left_out = Alert::at("OverlaySamplesLeftOut", &target(one), &[]);
    let mut accident = watch.accident(
        "a hundred packets a second are sampled, and ten may be",
        vec![left_out],
    );
    let traffic = Repeated::each(PAUSE, move || {
        from.send(SYSLOG).unwrap();
    });
    accident.fires(seconds(20 + 60) + DELIVERY);
    accident.ends();
    drop(traffic);
    accident.clears(seconds(20) + DELIVERY)
}
