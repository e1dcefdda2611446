//! What a fleet costs its Prometheus: pages of a real agent, served for many targets, and a day of them that is back-filled.
//!
//! `OVERLAY_TEST_TARGETS=200 UPDATE_DOCS=1 cargo test -p overlay-tests --test prometheus scale` is the long form: it writes
//! `docs/scale.md`.

mod day;
mod examples;
mod page;
mod queries;
mod served;
mod sizes;

use std::time::{Duration, Instant};

use monitor_lab::Lab;
use overlay_tests::process::{run, wait_until};
use overlay_tests::prometheus::{Folder, query, rules, spawn, try_query, write_section};

use page::{DOCUMENT, Page, described};
use served::Served;

/// Networks on each node of the fleet, all of which must be encrypted and are not.
const NETWORKS: u32 = 20;

/// How much is done.
struct Form {
    targets: usize,
    /// Between two scrapes.
    scrape: u64,
    /// How long the fleet is scraped.
    time: Duration,
    /// Hours of the past that are back-filled.
    hours: u64,
}

fn form() -> Form {
    match std::env::var("OVERLAY_TEST_TARGETS") {
        Ok(targets) => Form {
            targets: targets.parse().unwrap(),
            scrape: 15,
            time: Duration::from_secs(180),
            hours: 24,
        },
        Err(_) => Form {
            targets: 5,
            scrape: 2,
            time: Duration::from_secs(20),
            hours: 2,
        },
    }
}

/// The configuration: the fleet, Prometheus itself, and one more target for each example of relabelling.
fn configuration(form: &Form, targets: &[String]) -> String {
    let examples = examples::jobs(&served::address(form.targets));
    let scrape = form.scrape;
    format!(
        "global: {{scrape_interval: {scrape}s, evaluation_interval: {scrape}s}}\n\
         rule_files: [\"{}\"]\n\
         scrape_configs:\n\
         \x20 - {{job_name: overlay-monitor, static_configs: [{{targets: {targets:?}}}]}}\n\
         \x20 - {{job_name: prometheus, static_configs: [{{targets: [\"127.0.0.1:9090\"]}}]}}\n{examples}",
        rules().display()
    )
}

#[test]
fn a_fleet_is_scraped_queried_and_proven() {
    let form = form();
    let lab = Lab::builder().quiet(true).build().unwrap();
    let node = lab.node1();
    let folder = Folder::new();
    let page = Page::start(&lab, &folder, &described(NETWORKS));
    page.traffic();
    let served = Served::start(node, page.read());

    let targets: Vec<String> = (0..form.targets).map(served::address).collect();
    let series = folder.path("series");
    let day = day::back_fill(&page.read().text, &targets, form.hours, &folder, &series);
    let config = folder.file("prometheus.yml", &configuration(&form, &targets));
    let start = Instant::now();
    let _prometheus = spawn(
        node,
        "prometheus",
        &[
            format!("--config.file={config}"),
            format!("--storage.tsdb.path={series}"),
            "--storage.tsdb.retention.time=3650d".to_owned(),
            "--web.listen-address=127.0.0.1:9090".to_owned(),
        ],
    );
    let all = form.targets.to_string();
    wait_until("all targets were scraped", || {
        let found = try_query(node, "sum(up{job=\"overlay-monitor\"})").unwrap_or_default();
        found.first() == Some(&all)
    });
    while start.elapsed() < form.time {
        page.traffic();
        served.serve(page.read());
        std::thread::sleep(Duration::from_secs(2));
    }

    let number = |expression: &str| -> f64 {
        let found = query(node, expression);
        let value = found.first().unwrap_or_else(|| panic!("no {expression}"));
        value.parse().unwrap()
    };
    let window = form.time.as_secs() / 2;
    let fleet = |what: &str, arguments: &[&str]| {
        let server = [
            "fleet",
            "--prometheus",
            "http://127.0.0.1:9090",
            "--format",
            "json",
        ];
        let ended = run(node, &[&server, arguments].concat());
        // The networks are not encrypted.
        assert_eq!(ended.code, Some(1), "{what}: {}", ended.err);
        let objects = ended.out.lines().count() - 1;
        (what.to_owned(), objects, ended.took)
    };
    let mut out = page::machine();
    out.push_str(&format!(
        "\n{} targets, each with {NETWORKS} networks, scraped every {} s for {} s, with all rules:\n\n\
         | Prometheus | |\n| --- | --- |\n\
         | series of a target | {:.0} |\n| series in memory | {:.0} |\n| samples ingested a second | {:.0} |\n\
         | resident memory, MiB | {:.0} |\n| CPUs used | {:.2} |\n| one evaluation of all rules, s | {:.3} |\n",
        form.targets,
        form.scrape,
        form.time.as_secs(),
        number("max(scrape_samples_scraped{job=\"overlay-monitor\"})"),
        number("prometheus_tsdb_head_series"),
        number(&format!("rate(prometheus_tsdb_head_samples_appended_total[{window}s])")),
        number("process_resident_memory_bytes{job=\"prometheus\"}") / f64::from(1 << 20),
        number(&format!("rate(process_cpu_seconds_total{{job=\"prometheus\"}}[{window}s])")),
        number("sum(prometheus_rule_group_last_duration_seconds)"),
    ));
    out.push_str(&day.describe(form.hours));
    out.push_str("| command | networks of nodes reported | s |\n| --- | --- | --- |\n");
    let [from, to] = day.times();
    for (what, objects, took) in [
        fleet("`overlay-monitor fleet`", &[]),
        fleet(
            &format!(
                "`overlay-monitor fleet` over {} hours of the past",
                form.hours
            ),
            &["--from", &from, "--to", &to],
        ),
    ] {
        let seconds = took.as_secs_f64();
        out.push_str(&format!("| {what} | {objects} | {seconds:.2} |\n"));
    }
    out.push('\n');
    out.push_str(&queries::table(node, &day, &targets[0]));
    write_section(DOCUMENT, "fleet", &out);
    write_section(DOCUMENT, "examples", &examples::table(node));
}
