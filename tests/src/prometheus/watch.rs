//! Prometheus and Alertmanager on a host of the lab.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use monitor_lab::{Host, Process};
use serde_json::Value;

use crate::process::wait_until;

/// A folder of this test, removed in the end.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Makes it.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes something")]
    pub fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("overlay-prometheus-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file in it, and gives its path.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The folder of the project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Starts a program whose output is not wanted.
#[must_use]
pub fn spawn(host: &Host, program: &str, arguments: &[String]) -> Process {
    let mut command = host.command(program).unwrap();
    command.args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    host.spawn(command).unwrap()
}

/// What a Prometheus is started with.
pub struct Start<'a> {
    /// Text of the rules.
    pub rules: String,
    /// Addresses of agents, with port.
    pub targets: &'a [String],
    /// Samples that it has before it starts, as OpenMetrics.
    pub past: Option<String>,
}

/// Prometheus and Alertmanager, and the agents that they watch.
pub struct Watch<'a> {
    /// Where both run.
    pub host: &'a Host,
    _prometheus: Process,
    _alertmanager: Process,
    // Removed after both have ended.
    _folder: Folder,
}

impl<'a> Watch<'a> {
    /// Starts both, and waits until all agents have been scraped. Pages are scraped, and rules evaluated, every two seconds.
    #[must_use]
    pub fn start(host: &'a Host, start: &Start<'_>) -> Watch<'a> {
        let folder = Folder::new();
        let rules = folder.file("rules.yml", &start.rules);
        let targets = start.targets.iter().map(|target| format!("\"{target}\""));
        let prometheus = folder.file(
            "prometheus.yml",
            &format!(
                "global: {{scrape_interval: 2s, evaluation_interval: 2s}}\n\
                 rule_files: [\"{rules}\"]\n\
                 alerting: {{alertmanagers: [{{static_configs: [{{targets: [\"127.0.0.1:9093\"]}}]}}]}}\n\
                 scrape_configs:\n  - job_name: overlay-monitor\n    static_configs: [{{targets: [{}]}}]\n",
                Vec::from_iter(targets).join(", ")
            ),
        );
        let alertmanager = folder.file(
            "alertmanager.yml",
            "route: {receiver: none, group_wait: 0s}\nreceivers: [{name: none}]\n",
        );
        let series = folder.path("series");
        if let Some(past) = &start.past {
            back_fill(&folder.file("past.txt", past), &series);
        }
        let watch = Watch {
            host,
            _alertmanager: spawn(
                host,
                "prometheus-alertmanager",
                &[
                    format!("--config.file={alertmanager}"),
                    format!("--storage.path={}", folder.path("alerts")),
                    "--cluster.listen-address=".to_owned(),
                    "--web.listen-address=127.0.0.1:9093".to_owned(),
                ],
            ),
            _prometheus: spawn(
                host,
                "prometheus",
                &[
                    format!("--config.file={prometheus}"),
                    format!("--storage.tsdb.path={series}"),
                    "--web.listen-address=127.0.0.1:9090".to_owned(),
                ],
            ),
            _folder: folder,
        };
        let up = start.targets.len().to_string();
        wait_until(
            "Prometheus has scraped all agents, and Alertmanager answers",
            || {
                // It does not answer at first.
                let found = try_query(host, "sum(up{job=\"overlay-monitor\"})");
                found.is_some_and(|found| found.first() == Some(&up)) && watch.alerts().is_some()
            },
        );
        watch
    }

    /// The JSON of an address where both run.
    #[must_use]
    pub fn ask(&self, url: &str, query: &str) -> Option<Value> {
        ask(self.host, url, query)
    }

    /// Values of an expression now.
    #[must_use]
    pub fn query(&self, expression: &str) -> Vec<String> {
        query(self.host, expression)
    }

    /// The labels of each alert that has arrived and is not resolved; `None` without an answer.
    #[must_use]
    pub fn alerts(&self) -> Option<Vec<BTreeMap<String, String>>> {
        let answer = self.ask("http://127.0.0.1:9093/api/v2/alerts", "")?;
        let labels = answer.as_array()?.iter().map(|alert| {
            let labels = alert["labels"].as_object().unwrap().iter();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            labels
                .map(|(name, value)| (name.clone(), text(value)))
                .collect()
        });
        Some(labels.collect())
    }
}

/// Makes blocks of samples, as OpenMetrics, in the folder of a Prometheus that does not run.
fn back_fill(text: &str, series: &str) {
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", text, series])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// The JSON of an address on this host.
#[must_use]
pub fn ask(host: &Host, url: &str, query: &str) -> Option<Value> {
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

/// Values of an expression now, of the Prometheus on a host. It insists on an answer: no rows mean that there are none.
#[must_use]
pub fn query(host: &Host, expression: &str) -> Vec<String> {
    try_query(host, expression).unwrap_or_else(|| panic!("Prometheus does not answer {expression}"))
}

/// The same while it starts; `None` without an answer.
#[must_use]
pub fn try_query(host: &Host, expression: &str) -> Option<Vec<String>> {
    let answer = ask(host, "http://127.0.0.1:9090/api/v1/query", expression)?;
    let rows = answer["data"]["result"].as_array()?;
    let value = |row: &Value| row["value"][1].as_str().map(str::to_owned);
    Some(rows.iter().filter_map(value).collect())
}
