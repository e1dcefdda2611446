//! A day of three nodes, made up and back-filled into a real Prometheus behind TLS and a password: what was planted is found,
//! to the scrape and the packet, and nothing else.

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use monitor_lab::{Host, Lab, Process};
use overlay_tests::process::{Ended, run, wait_until};
use overlay_tests::prometheus::Folder;
use overlay_tests::schema::{Output, Validator};
use serde_json::Value;

/// How often the nodes were scraped, in seconds.
const SCRAPE: u64 = 15;
const DAY: u64 = 86_400;
/// The first scrape of the day.
const FIRST: u64 = 7;
/// How long before the day the agents had started.
const BEFORE: u64 = 100_000;
/// `reader` with the password `sun:day`, by bcrypt.
const USERS: &str = "reader: $2y$04$g.H7rKHmt.Sax8WWL1WJTui/L/CEwFmqPEASFF5ZCLRqpMw5LhorO";

/// Packets and bytes of the network in the clear, each second and each way.
const PLAIN: (u64, u64) = (1_000, 600_000);

/// What happens on a node, in seconds since the beginning of the day.
#[derive(Clone, Copy)]
struct Node {
    name: &'static str,
    /// Without an agent, from and until.
    hole: Option<(u64, u64)>,
    /// Not scraped, though the agent runs, from and until.
    unscraped: Option<(u64, u64)>,
    /// When three packets cross in cleartext.
    violation: Option<u64>,
}

const fn node(name: &'static str) -> Node {
    Node {
        name,
        hole: None,
        unscraped: None,
        violation: None,
    }
}

/// Three nodes of which all can be proven. One was out of Prometheus' reach for half an hour: its counters prove the time.
const GOOD: [Node; 3] = [
    node("node1:9469"),
    Node {
        unscraped: Some((40_000, 41_800)),
        ..node("node2:9469")
    },
    node("node3:9469"),
];
/// Ten minutes without an agent on one node, three packets on another.
const PLANTED: [Node; 3] = [
    Node {
        hole: Some((30_000, 30_600)),
        ..GOOD[0]
    },
    Node {
        violation: Some(50_005),
        ..GOOD[1]
    },
    GOOD[2],
];

impl Node {
    /// For how long its agent has run at a scrape; `None` where it was not scraped.
    fn running(&self, at: u64) -> Option<u64> {
        let within = |times: Option<(u64, u64)>| {
            times.is_some_and(|(from, until)| (from..until).contains(&at))
        };
        if within(self.hole) || within(self.unscraped) {
            return None;
        }
        let restarted = self.hole.filter(|(_, until)| at >= *until);
        Some(restarted.map_or(BEFORE + at, |(_, until)| at - until))
    }

    /// 1 once three packets were sent in cleartext.
    fn violated(&self, direction: &str, at: u64) -> u64 {
        u64::from(direction == "tx" && self.violation.is_some_and(|when| at >= when))
    }

    /// Seconds in a state. Encrypted, idle for the last hour of the day, and mixed for a minute from the violation on.
    fn seconds(&self, state: &str, at: u64, running: u64) -> u64 {
        let idle = at.saturating_sub(DAY - 3_600).min(running);
        let mixed = self
            .violation
            .map_or(0, |when| at.saturating_sub(when).min(60));
        match state {
            "encrypted" => running - idle - mixed,
            "idle" => idle,
            "mixed" => mixed,
            _ => 0,
        }
    }
}

/// The day as OpenMetrics.
fn exposition(nodes: &[Node], begin: u64) -> String {
    /// The value of a metric with a label, at a scrape of an agent that has run for a while.
    type Value = fn(node: &Node, label: &str, at: u64, running: u64) -> u64;
    let vni = ",vni=\"4096\"";
    let info = ",network=\"app1\",source=\"config\",required=\"required\",kind=\"overlay\"";
    let plain = ",vni=\"70000\",interface=\"eth0\",encapsulation=\"vxlan\"";
    let states = ["encrypted", "cleartext", "mixed", "idle", "unknown"];
    let metrics: [(&str, &str, &str, &[&str], Value); 9] = [
        ("up", "", "", &[""], |_, _, _, _| 1),
        (
            "overlay_counting_start_time_seconds",
            "",
            "",
            &[""],
            |_, _, at, running| at.wrapping_sub(running),
        ),
        ("overlay_network_info", vni, info, &[""], |_, _, _, _| 1),
        (
            "overlay_network_watched_seconds_total",
            vni,
            "",
            &[""],
            |_, _, _, running| running,
        ),
        (
            "overlay_network_state_seconds_total",
            vni,
            "state",
            &states,
            Node::seconds,
        ),
        (
            "overlay_violation_packets_total",
            vni,
            "direction",
            &["rx", "tx"],
            |node, way, at, _| 3 * node.violated(way, at),
        ),
        (
            "overlay_violation_bytes_total",
            vni,
            "direction",
            &["rx", "tx"],
            |node, way, at, _| 372 * node.violated(way, at),
        ),
        (
            "overlay_packets_total",
            plain,
            "direction",
            &["rx", "tx"],
            |_, _, _, running| PLAIN.0 * running,
        ),
        (
            "overlay_bytes_total",
            plain,
            "direction",
            &["rx", "tx"],
            |_, _, _, running| PLAIN.1 * running,
        ),
    ];
    let mut out = String::new();
    for (name, vni, label, values, value) in metrics {
        let (family, kind) = match name.strip_suffix("_total") {
            Some(family) => (family, "counter"),
            None => (name, "gauge"),
        };
        writeln!(out, "# TYPE {family} {kind}").unwrap();
        for node in nodes {
            for of in values {
                // Without values these are all labels.
                let more = if of.is_empty() {
                    label.to_owned()
                } else {
                    format!(",{label}=\"{of}\"")
                };
                let instance = node.name;
                let labels = format!("instance=\"{instance}\",job=\"overlay-monitor\"{vni}{more}");
                for at in (FIRST..DAY).step_by(SCRAPE as usize) {
                    let Some(running) = node.running(at) else {
                        continue;
                    };
                    let mut number = value(node, of, at, running);
                    if name == "overlay_counting_start_time_seconds" {
                        number = number.wrapping_add(begin);
                    }
                    let time = begin + at;
                    writeln!(out, "{name}{{{labels}}} {number} {time}.250").unwrap();
                }
            }
        }
    }
    out + "# EOF\n"
}

/// A Prometheus that has a day, behind TLS and a password.
struct Past<'a> {
    host: &'a Host,
    begin: u64,
    authority: String,
    user: String,
    _prometheus: Process,
    // Removed after it has ended.
    folder: Folder,
}

impl<'a> Past<'a> {
    fn start(lab: &'a Lab, nodes: &[Node]) -> Past<'a> {
        let folder = Folder::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        // The end of the day is an hour ago, so that nothing of it is still in memory.
        let begin = now.as_secs() / 3_600 * 3_600 - DAY - 3_600;
        let text = folder.file("day.txt", &exposition(nodes, begin));
        let series = folder.0.join("series").to_str().unwrap().to_owned();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", &text, &series])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let [key, authority] =
            ["key.pem", "cert.pem"].map(|name| folder.0.join(name).to_str().unwrap().to_owned());
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-keyout", &key, "-out", &authority, "-subj", "/CN=past"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let web = format!(
            "tls_server_config: {{cert_file: {authority}, key_file: {key}}}\nbasic_auth_users: {{{USERS}}}\n"
        );
        let web = folder.file("web.yml", &web);
        let config = folder.file("prometheus.yml", "scrape_configs: []\n");
        let host = lab.node1();
        let mut command = host.command("prometheus").unwrap();
        command
            .args([
                &format!("--config.file={config}"),
                &format!("--web.config.file={web}"),
                &format!("--storage.tsdb.path={series}"),
                "--storage.tsdb.retention.time=3650d",
                "--web.listen-address=127.0.0.1:9090",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let past = Past {
            host,
            begin,
            user: folder.file("user", "reader:sun:day\n"),
            authority,
            _prometheus: host.spawn(command).unwrap(),
            folder,
        };
        wait_until("Prometheus answers", || {
            past.fleet(&["--to", &past.at(60), "--from", &past.at(0)])
                .code
                != Some(4)
        });
        past
    }

    /// A moment of the day as an argument.
    fn at(&self, seconds: u64) -> String {
        let time = i64::try_from(self.begin + seconds).unwrap();
        jiff::Timestamp::from_second(time).unwrap().to_string()
    }

    /// A moment of the answer, in seconds of the day.
    fn second(&self, time: &Value) -> f64 {
        let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
        time.as_millisecond() as f64 / 1000.0 - self.begin as f64
    }

    fn ask(&self, command: &str, arguments: &[&str]) -> Ended {
        let server = [command, "--prometheus", "https://127.0.0.1:9090"];
        run(self.host, &[&server, arguments].concat())
    }

    /// As a user who may.
    fn admitted(&self, command: &str, arguments: &[&str]) -> Ended {
        let access = ["--ca-file", &self.authority, "--user-file", &self.user];
        self.ask(command, &[&access, arguments].concat())
    }

    fn fleet(&self, arguments: &[&str]) -> Ended {
        self.admitted("fleet", arguments)
    }

    /// The report on the whole day: networks, and the summary.
    fn day(&self, code: i32, more: &[&str]) -> (Vec<Value>, Value) {
        let (from, to) = (self.at(FIRST + 1), self.at(DAY - 1));
        let start = Instant::now();
        let times = ["--from", &from, "--to", &to, "--format", "json"];
        let ended = self.fleet(&[&times, more].concat());
        println!("a day of three nodes: {:.1?}", start.elapsed());
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let met = Validator::new().check(Output::Fleet, &ended.out);
        assert_eq!(Vec::from_iter(met), ["fleet-history", "fleet-summary"]);
        let lines = ended.out.lines();
        let mut objects: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let summary = objects.pop().unwrap();
        assert_eq!(objects.len(), 3);
        (objects, summary)
    }
}

#[test]
fn a_day_in_which_nothing_was_planted_is_proven() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let past = Past::start(&lab, &GOOD);
    let (networks, summary) = past.day(0, &[]);
    assert_eq!(summary["verdict"], "proven", "{summary}");
    for network in &networks {
        let seconds = &network["seconds"];
        let all: f64 = seconds
            .as_object()
            .unwrap()
            .values()
            .map(|at| at.as_f64().unwrap())
            .sum();
        // Both ends fall between two scrapes.
        let asked = (DAY - 2 - FIRST) as f64;
        assert!((all - asked).abs() <= SCRAPE as f64 * 2.0, "{network}");
        assert_eq!(network["cleartext"], Value::Null);
        assert_eq!(network["holes"].as_array().unwrap().len(), 0, "{network}");
    }
    // A node that must be there and never was.
    let (_, summary) = past.day(5, &["--expect-node", "node4:9469"]);
    assert_eq!(summary["verdict"], "not_proven", "{summary}");
    assert_eq!(summary["missing"][0]["node"], "node4:9469", "{summary}");

    // What keeps it from answering is named.
    let wrong = past.folder.file("wrong", "reader:moon\n");
    let authority = ["--ca-file", past.authority.as_str()];
    for (arguments, says) in [
        (vec![], "--ca-file"),
        (authority.to_vec(), "--user-file"),
        ([&authority[..], &["--user-file", &wrong]].concat(), "401"),
    ] {
        let ended = past.ask("fleet", &arguments);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.contains(says), "{ended:?}");
        assert!(!ended.err.contains("moon"), "{ended:?}");
    }
}

#[test]
fn a_planted_hole_and_three_packets_are_both_named() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let past = Past::start(&lab, &PLANTED);
    let (networks, summary) = past.day(1, &[]);
    assert_eq!(summary["verdict"], "violated", "{summary}");
    let [one, two, three] = &networks[..] else {
        panic!("{networks:?}");
    };
    let scrape = SCRAPE as f64;

    let [hole] = &one["holes"].as_array().unwrap()[..] else {
        panic!("{one}");
    };
    // It begins at the last scrape before, and ends when the agent was back.
    let (from, to) = (past.second(&hole["from"]), past.second(&hole["to"]));
    assert!(from <= 30_000.0 && from > 30_000.0 - scrape, "{hole}");
    assert!((to - 30_600.0).abs() <= 1.0, "{hole}");
    assert_eq!(one["cleartext"], Value::Null);

    let seen = &two["cleartext"];
    assert_eq!(
        (seen["packets"].as_u64(), seen["bytes"].as_u64()),
        (Some(3), Some(372))
    );
    let (after, until) = (past.second(&seen["after"]), past.second(&seen["until"]));
    assert!(after < 50_005.0 && until >= 50_005.0, "{seen}");
    assert!(until - after <= scrape, "{seen}");
    assert_eq!(two["holes"].as_array().unwrap().len(), 0, "{two}");

    assert_eq!(three["cleartext"], Value::Null);
    assert_eq!(three["holes"].as_array().unwrap().len(), 0, "{three}");
    let phrases = |name: &str| summary[name].as_array().unwrap().len();
    assert_eq!(
        (phrases("violations"), phrases("undecided")),
        (1, 1),
        "{summary}"
    );

    // A window before the violation, which ends within the hole, and one in which only the hole is.
    let window = |from: u64, to: u64, code: i32, says: &str| {
        let ended = past.fleet(&["--from", &past.at(from), "--to", &past.at(to)]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.out.contains(says), "{}", ended.out);
    };
    window(20_000, 29_000, 0, "\nPROVEN: ");
    window(20_000, 45_000, 5, "\nNOT PROVEN: ");
    window(50_000, 50_100, 1, "3 packets (372 B)");
    window(50_100, 60_000, 0, "\nPROVEN: ");
    let tolerant = past.fleet(&[
        "--from",
        &past.at(20_000),
        "--to",
        &past.at(45_000),
        "--tolerate",
        "11m",
    ]);
    assert_eq!(tolerant.code, Some(0), "{tolerant:?}");

    // The page beside the text.
    let page = past.folder.0.join("fleet.html");
    let ended = past.fleet(&[
        "--from",
        &past.at(20_000),
        "--to",
        &past.at(60_000),
        "--output",
        page.to_str().unwrap(),
    ]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<strong>Violated</strong>"), "{page}");
}

#[test]
fn the_mean_of_each_node_is_forecast() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let past = Past::start(&lab, &GOOD);
    let asked = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ended = past.admitted("forecast", &["--since", &past.at(0), "--format", "json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let met = Validator::new().check(Output::Forecast, &ended.out);
    assert_eq!(Vec::from_iter(met), ["forecast"]);
    // The day is a part of the time since its beginning.
    let share = DAY as f64 / (asked.as_secs() - past.begin) as f64;
    let expected = [PLAIN.0, PLAIN.1].map(|each_way| 2.0 * each_way as f64 * share);
    let mut nodes = Vec::new();
    for line in ended.out.lines() {
        let network: Value = serde_json::from_str(line).unwrap();
        assert_eq!(network["vni"], 70_000, "{network}");
        nodes.push(network["node"].as_str().unwrap().to_owned());
        for (field, expected) in ["packets_per_second", "bytes_per_second"]
            .iter()
            .zip(expected)
        {
            let found = network[field].as_f64().unwrap();
            assert!(
                (found / expected - 1.0).abs() < 0.01,
                "{field}: {found}, not {expected}"
            );
        }
    }
    // The busiest first: they differ by less than a part in a hundred.
    nodes.sort_unstable();
    assert_eq!(nodes, GOOD.map(|node| node.name));
}
