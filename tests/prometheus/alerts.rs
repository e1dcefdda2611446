//! While accidents are made, exactly the right alerts arrive, in time, and every dashboard can be drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use monitor_lab::{CLIENT, Host, Lab, WEB};
use serde_json::Value;

use crate::watch::{REQUIRED, SYSLOG, Watch, agent, root};

/// An alert of cleartext is with the one who is on call this long after its first packet, at most. Pages are scraped, and rules evaluated,
/// every two seconds.
const CLEARTEXT: Duration = Duration::from_secs(15);
/// An agent that is gone: two minutes by the rule.
const DOWN: Duration = Duration::from_secs(2 * 60 + 20);

impl Watch<'_> {
    /// Names and nodes of the alerts that have arrived.
    fn alerts(&self) -> BTreeSet<(String, String)> {
        let answer = self.ask("http://127.0.0.1:9093/api/v2/alerts", "").unwrap();
        let label = |alert: &Value, name: &str| {
            alert["labels"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let alerts = answer.as_array().unwrap().iter();
        alerts
            .map(|alert| (label(alert, "alertname"), label(alert, "instance")))
            .collect()
    }

    /// Waits until these alerts have arrived, beside `before`, and insists that no other one does.
    fn expect(
        &self,
        what: &str,
        before: &[(&str, &Host)],
        new: &[(&str, &Host)],
        within: Duration,
    ) {
        let all = |alerts: &[(&str, &Host)]| -> BTreeSet<(String, String)> {
            let alerts = alerts.iter();
            alerts
                .map(|(name, host)| ((*name).to_owned(), format!("{}:9469", host.address())))
                .collect()
        };
        let (before, expected) = (all(before), all(&[before, new].concat()));
        let start = Instant::now();
        loop {
            let found = self.alerts();
            assert!(found.is_subset(&expected), "{what}: {found:?}");
            assert!(found.is_superset(&before), "{what}: {found:?}");
            if found == expected {
                break;
            }
            assert!(
                start.elapsed() < within,
                "{what}: only {found:?} after {within:?}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        println!("{what}: all alerts after {:.1?}", start.elapsed());
        // Others would come with the next evaluations.
        std::thread::sleep(Duration::from_secs(6));
        assert_eq!(self.alerts(), expected, "{what}");
    }
}

/// The expressions of all dashboards, with their file.
fn panels() -> BTreeMap<String, Vec<String>> {
    let folder = root().join("deploy/grafana");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let json: Value =
                serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let panels = json["panels"].as_array().unwrap().iter();
            let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
            let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
            (path.display().to_string(), expressions.collect())
        })
        .collect()
}

/// Metrics that only a host with ESP, Docker, or readable credentials has.
const ELSEWHERE: [&str; 6] = [
    "overlay_esp_network_packets_total{vni",
    "overlay_esp_packets_total",
    "overlay_esp_sequence_used_ratio",
    "overlay_docker_up",
    "overlay_credential_flows_total{vni",
    "overlay_xfrm_errors_total",
];

#[test]
fn each_accident_raises_its_alerts_and_no_other() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let _first = agent(one);
    let mut second = agent(two);
    let watch = Watch::start(&lab);
    watch.expect("nothing has happened", &[], &[], CLEARTEXT);

    let [from, to] = [WEB, CLIENT].map(|name| {
        let host = lab.container(name).unwrap();
        let bound = host.enter(|| UdpSocket::bind((host.address(), 514)));
        bound.unwrap().unwrap()
    });
    for _ in 0..3 {
        from.send_to(SYSLOG, to.local_addr().unwrap()).unwrap();
    }
    let cleartext = [
        ("OverlayCleartextSent", one),
        ("OverlayCleartextReceived", two),
    ];
    watch.expect("three datagrams in cleartext", &[], &cleartext, CLEARTEXT);

    let node = format!("{}:9469", one.address());
    let mut drawn = 0;
    for (file, expressions) in panels() {
        for expression in expressions {
            let query = expression.replace("$vni", REQUIRED).replace("$node", &node);
            let is_elsewhere = ELSEWHERE.iter().any(|metric| expression.contains(metric));
            let rows = watch.query(&query);
            assert!(
                is_elsewhere || !rows.is_empty(),
                "{file}: nothing to draw for {query}"
            );
            drawn += usize::from(!rows.is_empty());
        }
    }
    println!("{drawn} panels have something to draw");

    second.stop();
    let down = [("OverlayAgentDown", two)];
    watch.expect("an agent that is stopped", &cleartext, &down, DOWN);
}
