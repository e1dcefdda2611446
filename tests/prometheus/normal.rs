//! Normal traffic, in which no alert may fire: with the rules as they are delivered, and with their copy in which an hour is
//! two minutes.
//!
//! `OVERLAY_TEST_SECONDS=3600 UPDATE_DOCS=1 cargo test -p overlay-tests --test prometheus normal` is the long form.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::prometheus::{SCALE, Start, Watch, rules, scaled, write_section};
use overlay_tests::scale::duration;

use overlay_tests::prometheus::nodes::{Repeated, SYSLOG, agent, syslog, target};

/// How long in a usual run.
const USUAL: Duration = Duration::from_secs(60);
/// Between two looks at the alerts.
const LOOK: Duration = Duration::from_secs(2);

/// Prometheus on a node, with these rules, for both agents.
fn watch<'a>(host: &'a Host, targets: &[String], rules: String) -> Watch<'a> {
    let start = Start {
        rules,
        targets,
        past: None,
    };
    Watch::start(host, &start)
}

/// What a Prometheus found: samples that it took, and the alerts whose expression held for a while, each with how often.
fn found(watch: &Watch<'_>, time: Duration) -> (String, String) {
    let seconds = time.as_secs() + 60;
    let range = format!("[{seconds}s]");
    let firing = format!("count_over_time(ALERTS{{alertstate=\"firing\"}}{range})");
    assert!(
        watch.query(&firing).is_empty(),
        "{:?}",
        watch.query(&firing)
    );
    let samples = format!("sum(sum_over_time(scrape_samples_scraped{range}))");
    let pending =
        format!("sum by (alertname) (count_over_time(ALERTS{{alertstate=\"pending\"}}{range}))");
    let answer = watch
        .ask("http://127.0.0.1:9090/api/v1/query", &pending)
        .unwrap();
    let rows = answer["data"]["result"].as_array().unwrap().iter();
    let row = |row: &serde_json::Value| {
        let name = row["metric"]["alertname"].as_str().unwrap();
        format!(
            "{name} in {} evaluations",
            row["value"][1].as_str().unwrap()
        )
    };
    let rows: Vec<String> = rows.map(row).collect();
    let pending = if rows.is_empty() {
        "none".to_owned()
    } else {
        rows.join(", ")
    };
    let samples = watch.query(&samples).join("");
    assert!(
        samples.parse::<f64>().is_ok_and(|samples| samples > 0.0),
        "nothing was scraped: {samples}"
    );
    (samples, pending)
}

#[test]
fn in_normal_traffic_with_a_restart_no_alert_fires() {
    let time = duration(USUAL);
    let mut lab = Lab::builder().build().unwrap();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let _first = agent(one, &["--docker", "off"]);
    let mut second = agent(two, &["--docker", "off"]);
    let targets = [target(one), target(two)];
    let delivered = std::fs::read_to_string(rules()).unwrap();
    let watches = [
        ("as delivered", watch(one, &targets, delivered)),
        ("divided", watch(two, &targets, scaled())),
    ];

    let [from, _to] = syslog(&lab, WEB, CLIENT);
    let datagrams = Arc::new(AtomicU64::new(0));
    let sent = Arc::clone(&datagrams);
    let _syslog = Repeated::each(Duration::from_millis(100), move || {
        from.send(SYSLOG).unwrap();
        sent.fetch_add(1, Ordering::Relaxed);
    });
    let (start, mut requests, mut restarts) = (Instant::now(), 0, 0);
    while start.elapsed() < time {
        let pages = lab.http_get(4).unwrap();
        assert!(pages.iter().all(|page| page.status == 200));
        requests += pages.len();
        for (which, watch) in &watches {
            let after = start.elapsed();
            let alerts = watch.alerts().unwrap();
            assert!(alerts.is_empty(), "{which}, after {after:?}: {alerts:?}");
        }
        if restarts == 0 && start.elapsed() >= time / 2 {
            second.stop();
            second = agent(two, &["--docker", "off"]);
            restarts += 1;
        }
        std::thread::sleep(LOOK);
    }
    let mut table = format!(
        "\n{} minutes, {requests} requests to a web page that asks Redis, {} datagrams of syslog, {restarts} restart of an agent.\n\n\
         | rules | samples scraped | alerts that fired | expressions that held, too shortly to fire |\n| --- | --- | --- | --- |\n",
        time.as_secs() / 60,
        datagrams.load(Ordering::Relaxed),
    );
    for (which, watch) in &watches {
        let (samples, pending) = found(watch, time);
        let which = match *which {
            "divided" => format!("durations divided by {SCALE}"),
            which => which.to_owned(),
        };
        table.push_str(&format!("| {which} | {samples} | 0 | {pending} |\n"));
    }
    table.push('\n');
    write_section("docs/alert-times.md", "normal traffic", &table);
}
