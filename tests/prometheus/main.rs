//! A real Prometheus and Alertmanager scrape the agents of two nodes while accidents are made: exactly the right alerts arrive,
//! in time, and every dashboard can be drawn.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use monitor_lab::{CLIENT, Host, Lab, Process, WEB};
use overlay_tests::process::{Monitor, wait_until};
use serde_json::Value;

/// The network that must be encrypted, and is not.
const REQUIRED: &str = "4096";
/// A datagram that anyone on the path can read.
const SYSLOG: &[u8] = b"<34>1 2026-11-27T10:00:00Z web shop 7 - - order 4711 was paid";
/// An alert of cleartext is with the one who is on call this long after its first packet, at most. Pages are scraped, and rules evaluated,
/// every two seconds.
const CLEARTEXT: Duration = Duration::from_secs(15);
/// An agent that is gone: two minutes by the rule.
const DOWN: Duration = Duration::from_secs(2 * 60 + 20);

/// A folder of this test, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let name = format!("overlay-prometheus-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Prometheus and Alertmanager on node1.
struct Watch<'a> {
    host: &'a Host,
    _prometheus: Process,
    _alertmanager: Process,
    // Removed after both have ended.
    _folder: Folder,
}

impl<'a> Watch<'a> {
    fn start(lab: &'a Lab) -> Watch<'a> {
        let folder = Folder::new();
        let rules = root().join("deploy/prometheus/overlay-monitor.rules.yml");
        let targets = [lab.node1(), lab.node2()].map(|node| format!("\"{}:9469\"", node.address()));
        let prometheus = folder.file(
            "prometheus.yml",
            &format!(
                "global: {{scrape_interval: 2s, evaluation_interval: 2s}}\n\
                 rule_files: [\"{}\"]\n\
                 alerting: {{alertmanagers: [{{static_configs: [{{targets: [\"127.0.0.1:9093\"]}}]}}]}}\n\
                 scrape_configs:\n  - job_name: overlay-monitor\n    static_configs: [{{targets: [{}]}}]\n",
                rules.display(),
                targets.join(", ")
            ),
        );
        let alertmanager = folder.file(
            "alertmanager.yml",
            "route: {receiver: none, group_wait: 0s}\nreceivers: [{name: none}]\n",
        );
        let data = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
        let host = lab.node1();
        let spawn = |program: &str, arguments: &[String]| {
            let mut command = host.command(program).unwrap();
            command.args(arguments);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            host.spawn(command).unwrap()
        };
        let watch = Watch {
            host,
            _alertmanager: spawn(
                "prometheus-alertmanager",
                &[
                    format!("--config.file={alertmanager}"),
                    format!("--storage.path={}", data("alerts")),
                    "--cluster.listen-address=".to_owned(),
                    "--web.listen-address=127.0.0.1:9093".to_owned(),
                ],
            ),
            _prometheus: spawn(
                "prometheus",
                &[
                    format!("--config.file={prometheus}"),
                    format!("--storage.tsdb.path={}", data("series")),
                    "--web.listen-address=127.0.0.1:9090".to_owned(),
                ],
            ),
            _folder: folder,
        };
        wait_until(
            "Prometheus has scraped both agents, and Alertmanager answers",
            || {
                watch
                    .query("sum(up{job=\"overlay-monitor\"})")
                    .first()
                    .is_some_and(|at| at == "2")
                    && watch
                        .ask("http://127.0.0.1:9093/api/v2/alerts", "")
                        .is_some()
            },
        );
        watch
    }

    fn ask(&self, url: &str, query: &str) -> Option<Value> {
        let query = format!("query={query}");
        let arguments = [
            "-s",
            "-G",
            "--noproxy",
            "*",
            "--max-time",
            "10",
            url,
            "--data-urlencode",
            &query,
        ];
        serde_json::from_str(&self.host.run("curl", &arguments).ok()?).ok()
    }

    /// Values of an expression now.
    fn query(&self, expression: &str) -> Vec<String> {
        let Some(answer) = self.ask("http://127.0.0.1:9090/api/v1/query", expression) else {
            return Vec::new();
        };
        let Some(rows) = answer["data"]["result"].as_array() else {
            return Vec::new();
        };
        let value = |row: &Value| row["value"][1].as_str().map(str::to_owned);
        rows.iter().filter_map(value).collect()
    }

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

fn agent(host: &Host) -> Monitor<'_> {
    let arguments = [
        "run",
        "-i",
        "eth0",
        "--docker",
        "off",
        "--require",
        REQUIRED,
        "--listen",
        "0.0.0.0:9469",
    ];
    let mut monitor = Monitor::start(host, &arguments);
    monitor.wait_for("it serves", |monitor| {
        monitor.err().contains("serving http")
    });
    monitor
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
