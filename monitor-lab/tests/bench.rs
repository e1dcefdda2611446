//! A very short benchmark, with the real programs in this kernel.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows only functions marked #[test] as tests, not their helpers"
)]

use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs `overlay-lab bench` and gives its report.
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
    // Six rounds are the fewest that a verdict is given for.
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
    // 100,000 entries do not fit into any cache that one entry fits into.
    let one = number(row("1 flow in", "as `run`"), "measured");
    let many = number(row("100000 flows in", "as `run`"), "measured");
    assert!(
        many > one,
        "{many} ns with 100,000 flows, {one} ns with one"
    );
    assert!(!report["machine"]["kernel"].as_str().unwrap().is_empty());
}

#[test]
fn what_arrives_in_a_flood_is_counted() {
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

/// Runs what must fail, and gives its error.
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
fn what_cannot_be_done_is_said_before_anything_is_measured() {
    let said = refused(&["kernel", "--only", "no such row"]);
    assert!(said.contains("no case has such a name"), "{said}");
    let said = refused(&["kernel", "--docs", "/dev/null/none"]);
    assert!(said.contains("there is no folder /dev/null/none"), "{said}");
    let said = refused(&["live", "--monitor", "/dev/null/none"]);
    assert!(said.contains("--monitor PATH"), "{said}");
}
