//! Alerts about ESP, in a real Prometheus and Alertmanager: a network that must not be encrypted and is, and an encrypted network
//! over changes of keys and a restart of an agent, about which no alert may arrive.
//!
//! `OVERLAY_TEST_SECONDS=3600` is the long form of the second.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::time::{Duration, Instant};

use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::offload;
use overlay_tests::process::Monitor;
use overlay_tests::prometheus::nodes::{
    REQUIRED, Repeated, agent, syslog, target, watch, watch_with,
};
use overlay_tests::prometheus::{Alert, scaled_by};
use overlay_tests::scale::duration;

/// A machine that is emulated takes as long to scrape, to evaluate and to deliver, at most.
const DELIVERY: Duration = Duration::from_secs(60);
/// Durations of the rules are divided by this: by more, scrapes that come late here would be an agent that is down.
const SCALE: u64 = 5;
/// How long an alert is kept that no longer holds.
const KEPT: Duration = Duration::from_secs(15 * 60 / SCALE);
/// How long the agents judge a network by.
const WINDOW: Duration = Duration::from_secs(20);
/// How long the normal traffic takes in a usual run.
const USUAL: Duration = Duration::from_secs(90);
/// Changes of keys, spread over the normal traffic.
const ROTATIONS: u32 = 12;

fn lab() -> Lab {
    let lab = Lab::builder().encrypted(true).quiet(true);
    lab.build().unwrap()
}

/// An agent for which the network must not be encrypted.
fn forbidding(host: &Host) -> Monitor<'_> {
    let name = format!("overlay-alerts-{}.toml", std::process::id());
    let config = std::env::temp_dir().join(name);
    let text = format!("[[network]]\nvni = {REQUIRED}\nencrypted = 'forbidden'\n");
    std::fs::write(&config, text).unwrap();
    let window = format!("{}s", WINDOW.as_secs());
    let config_path = config.to_str().unwrap();
    let arguments = [
        "--docker",
        "off",
        "--window",
        &window,
        "--config",
        config_path,
    ];
    let agent = agent(host, &arguments);
    std::fs::remove_file(&config).unwrap();
    agent
}

#[test]
fn esp_where_it_is_forbidden_raises_its_alert_and_no_other_and_it_clears() {
    let _unloaded = offload::unloaded();
    let lab = lab();
    let nodes = [lab.node1(), lab.node2()];
    let _agents = nodes.map(forbidding);
    let watch = watch_with(&lab, scaled_by(SCALE), None);
    let [from, _to] = syslog(&lab, WEB, CLIENT);
    let alerts = nodes.map(|node| {
        let labels = [("vni", REQUIRED)];
        Alert::at("OverlayForbiddenEncryption", &target(node), &labels)
    });
    let mut accident = watch.accident(
        "seven datagrams of a network that must not be encrypted cross as ESP",
        alerts.to_vec(),
    );
    for _ in 0..7 {
        from.send(b"order 4711 was paid").unwrap();
    }
    accident.fires(DELIVERY);
    let proven = accident.clears(WINDOW + KEPT + DELIVERY * 2);
    assert_eq!(proven.len(), 1, "{proven:?}");
}

#[test]
fn over_changes_of_keys_and_a_restart_no_alert_fires() {
    let _unloaded = offload::unloaded();
    let time = duration(USUAL);
    let lab = lab();
    let require = ["--docker", "off", "--require", REQUIRED];
    let _first = agent(lab.node1(), &require);
    let mut second = agent(lab.node2(), &require);
    let watch = watch(&lab);
    let [from, to] = syslog(&lab, WEB, CLIENT);
    to.connect(from.local_addr().unwrap()).unwrap();
    let [_one, _other] = [from, to].map(|socket| {
        Repeated::each(Duration::from_millis(200), move || {
            // What nobody takes from a socket is dropped there: it has crossed by then.
            drop(socket.send(b"order 4711 was paid"));
        })
    });
    let (start, mut rotations, mut restarts) = (Instant::now(), 0, 0);
    while start.elapsed() < time || rotations < ROTATIONS {
        watch.silent("normal traffic", Duration::from_secs(1));
        if rotations < ROTATIONS && start.elapsed() >= time * rotations / ROTATIONS {
            lab.rotate_keys().unwrap();
            rotations += 1;
        }
        if restarts == 0 && start.elapsed() >= time / 2 {
            second.stop();
            second = agent(lab.node2(), &require);
            restarts += 1;
        }
    }
    assert_eq!((rotations, restarts), (ROTATIONS, 1));
    let states = watch.query(&format!(
        "overlay_network_state{{vni=\"{REQUIRED}\",state=\"encrypted\"}}"
    ));
    assert_eq!(states, ["1", "1"]);
    let fired = format!(
        "count_over_time(ALERTS{{alertstate=\"firing\"}}[{}s])",
        time.as_secs() + 60
    );
    assert!(watch.query(&fired).is_empty());
    let esp = watch.query("sum(overlay_esp_network_packets_total)");
    println!(
        "{time:?}, {rotations} changes of keys, {restarts} restart: no alert; ESP packets {esp:?}"
    );
}
