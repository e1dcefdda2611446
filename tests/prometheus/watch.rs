//! Prometheus and Alertmanager on a node, which scrape the agents of both.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use monitor_lab::{Host, Lab, Process};
use overlay_tests::process::{Monitor, wait_until};
use serde_json::Value;

/// The network that must be encrypted, and is not.
pub(crate) const REQUIRED: &str = "4096";
/// A datagram that anyone on the path can read.
pub(crate) const SYSLOG: &[u8] = b"<34>1 2026-11-27T10:00:00Z web shop 7 - - order 4711 was paid";

/// A folder of this test, removed in the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("overlay-prometheus-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
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

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Starts a program whose output is not wanted.
pub(crate) fn spawn(host: &Host, program: &str, arguments: &[String]) -> Process {
    let mut command = host.command(program).unwrap();
    command.args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    host.spawn(command).unwrap()
}

/// Prometheus and Alertmanager on node1.
pub(crate) struct Watch<'a> {
    pub(crate) host: &'a Host,
    _prometheus: Process,
    _alertmanager: Process,
    // Removed after both have ended.
    _folder: Folder,
}

impl<'a> Watch<'a> {
    pub(crate) fn start(lab: &'a Lab) -> Watch<'a> {
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
        let spawn = |program: &str, arguments: &[String]| spawn(host, program, arguments);
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

    pub(crate) fn ask(&self, url: &str, query: &str) -> Option<Value> {
        ask(self.host, url, query)
    }

    /// Values of an expression now.
    pub(crate) fn query(&self, expression: &str) -> Vec<String> {
        query(self.host, expression)
    }
}

/// The JSON of an address on this host.
pub(crate) fn ask(host: &Host, url: &str, query: &str) -> Option<Value> {
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
    serde_json::from_str(&host.run("curl", &arguments).ok()?).ok()
}

/// Values of an expression now, of the Prometheus on a host.
pub(crate) fn query(host: &Host, expression: &str) -> Vec<String> {
    let Some(answer) = ask(host, "http://127.0.0.1:9090/api/v1/query", expression) else {
        return Vec::new();
    };
    let Some(rows) = answer["data"]["result"].as_array() else {
        return Vec::new();
    };
    let value = |row: &Value| row["value"][1].as_str().map(str::to_owned);
    rows.iter().filter_map(value).collect()
}

/// A real agent on a node.
pub(crate) fn agent(host: &Host) -> Monitor<'_> {
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
