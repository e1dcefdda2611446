//! Very short benchmarks of the real programs on this kernel. Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows only functions marked #[test] as tests, not their helpers"
)]

use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs `overlay-lab bench` and returns its report.
fn bench(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_overlay-lab"))
        .arg("bench")
        .args(arguments)
        .args(["--json", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(row: &Value, of: &str) -> f64 {
    row[of]["median"].as_f64().unwrap()
}

#[test]
fn many_flows_cost_more_than_one_and_counting_more_than_nothing() {
    // With fewer than six rounds a goal is never resolved.
    let report = bench(&[
        "kernel",
        "--only",
        "TC: IPv4 VXLAN, ",
        "--runs",
        "6",
        "--packets",
        "20000",
    ]);
    let rows = report["parts"][0]["rows"].as_array().unwrap();
    let row = |case: &str, features: &str| {
        let named = |row: &&Value| {
            row["case"].as_str().unwrap().contains(case)
                && row["features"].as_str().unwrap().starts_with(features)
        };
        rows.iter().find(named).unwrap()
    };
    for counting in [row("one packet", "counts"), row("1 flow in", "counts")] {
        assert!(number(counting, "measured") > 0.0, "{counting}");
        assert_ne!(counting["verdict"], Value::Null);
    }
    // One entry fits into the fastest cache, 100,000 do not.
    let one = number(row("1 flow in", "as `run`"), "measured");
    let many = number(row("100000 flows in", "as `run`"), "measured");
    assert!(
        many > one,
        "{many} ns with 100,000 flows, {one} ns with one"
    );
    assert!(!report["machine"]["kernel"].as_str().unwrap().is_empty());
}

#[test]
fn two_cpus_count_at_once() {
    let report = bench(&["cpus", "--runs", "1", "--packets", "5000"]);
    let rows = report["parts"][0]["rows"].as_array().unwrap();
    let at_once = |row: &&Value| row["case"].as_str().unwrap().ends_with("2 CPUs at once");
    assert_eq!(rows.iter().filter(at_once).count() * 2, rows.len());
    for row in rows.iter().filter(at_once) {
        assert!(number(row, "measured") > 0.0, "{row}");
        assert_eq!(row["comparisons"][0]["with"], "1 CPU");
    }
}

#[test]
fn packets_of_short_flows_are_counted_under_a_verdict() {
    // That each packet is counted once is what the benchmark itself makes sure of.
    let only = "1000 new flows/s of 10 packets";
    let report = bench(&["agent", "--runs", "1", "--only", only]);
    let parts = report["parts"].as_array().unwrap();
    let rows = parts
        .iter()
        .flat_map(|part| part["rows"].as_array().unwrap());
    let rows: Vec<&Value> = rows.collect();
    let value = |what: &str| {
        let named = |row: &&&Value| row["case"].as_str().unwrap().starts_with(what);
        number(rows.iter().find(named).unwrap(), "measured")
    };
    assert!(value("agent's CPU, % of a core, 1000 new flows/s") > 0.0);
    let shares = ["under a verdict", "pending", "unknown"];
    let shares = shares.map(|name| value(&format!("packets {name}")));
    assert!(
        (shares.iter().sum::<f64>() - 100.0).abs() < 1e-6,
        "{shares:?}"
    );
    assert!(shares[0] > 50.0, "{shares:?}");
}

#[test]
fn all_packets_of_a_flood_are_counted() {
    let report = bench(&["live", "--runs", "1", "--frames", "20000"]);
    let rows = report["parts"][0]["rows"].as_array().unwrap();
    let counted: Vec<_> = rows.iter().map(|row| &row["counted"]).collect();
    let counted: Vec<_> = counted
        .iter()
        .filter(|counted| !counted.is_null())
        .collect();
    assert!(counted.len() >= 4, "TCX and XDP, 1 VNI and many: {report}");
    for counted in counted {
        assert_eq!(counted["missed"], 0, "{report}");
        assert!(counted["packets"].as_u64().unwrap() > 10_000, "{report}");
    }
}

/// Runs a command that must fail, and returns its standard error.
fn refused(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_overlay-lab"))
        .arg("bench")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(output.stdout.is_empty());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn invalid_options_fail_before_anything_is_measured() {
    let error = refused(&["kernel", "--only", "no such row"]);
    assert!(error.contains("no row matches --only"), "{error}");
    let error = refused(&["kernel", "--docs", "/dev/null/none"]);
    assert!(
        error.contains("there is no folder /dev/null/none"),
        "{error}"
    );
    let error = refused(&["live", "--monitor", "/dev/null/none"]);
    assert!(error.contains("--monitor PATH"), "{error}");
}
