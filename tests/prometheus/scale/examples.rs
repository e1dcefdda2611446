//! The examples of relabelling in the document: Prometheus takes them, and they leave out what they say.

use std::process::Command;

use monitor::surface::metrics::TABLE;
use monitor::surface::metrics::definition::PREFIX;
use monitor_lab::Host;
use overlay_tests::prometheus::{Folder, query, root, rules};

use super::page::DOCUMENT;

/// The blocks of YAML in the document.
fn blocks() -> Vec<String> {
    let page = std::fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// The same as further jobs, each with this target alone.
pub(super) fn jobs(target: &str) -> String {
    let job = |(number, block): (usize, String)| {
        let jobs = block.strip_prefix("scrape_configs:\n").unwrap().to_owned();
        let jobs = jobs.replace(
            "job_name: overlay-monitor",
            &format!("job_name: example-{number}"),
        );
        jobs.replace("\"node1:9469\"", &format!("\"{target}\""))
    };
    (1..).zip(blocks()).map(job).collect()
}

/// What is left of a page by each.
pub(super) fn table(host: &Host) -> String {
    let mut out =
        "\n| example | series of a page | series that are stored |\n| --- | --- | --- |\n"
            .to_owned();
    for number in 1..=blocks().len() {
        let of = |metric: &str| {
            let found = query(host, &format!("{metric}{{job=\"example-{number}\"}}"));
            found.first().unwrap().parse::<u64>().unwrap()
        };
        let (all, left) = (
            of("scrape_samples_scraped"),
            of("scrape_samples_post_metric_relabeling"),
        );
        assert!(left < all, "example {number} leaves out nothing");
        out.push_str(&format!("| {number} | {all} | {left} |\n"));
    }
    out
}

#[test]
fn prometheus_takes_the_examples_of_relabelling() {
    let folder = Folder::new();
    let blocks = blocks();
    assert!(!blocks.is_empty());
    for block in blocks {
        let file = folder.file("prometheus.yml", &block);
        let checked = Command::new("promtool")
            .args(["check", "config", &file])
            .output()
            .unwrap();
        assert!(checked.status.success(), "{block}: {checked:?}");
    }
}

#[test]
fn the_first_example_leaves_out_only_what_no_rule_and_no_panel_names() {
    let mut asked = std::fs::read_to_string(rules()).unwrap();
    for entry in std::fs::read_dir(root().join("deploy/grafana")).unwrap() {
        asked.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let first = &blocks()[0];
    let regex = first
        .lines()
        .find_map(|line| line.trim().strip_prefix("regex: "));
    for name in regex.unwrap().split('|') {
        let exists = TABLE
            .iter()
            .any(|row| row.series(PREFIX).iter().any(|of| of == name));
        assert!(exists || name.starts_with("process_"), "there is no {name}");
        assert!(!asked.contains(name), "{name} is used");
    }
}
