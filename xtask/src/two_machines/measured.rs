//! A run from end to end: both reports beside each other, beside the formula, and beside the frames on the wire.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::run::{self, Side};
use super::trial::Trial;
use crate::nodes::clock::now;
use crate::nodes::frame::What;
use crate::nodes::node::both;
use crate::nodes::wire::Seen;
use crate::outcome::Row;

/// What is measured: without encryption, in ESP with each kind of algorithm, and in WireGuard.
const WAYS: &str = "direct,vxlan,esp-aes-128-gcm,esp-chacha20-poly1305,wireguard";
const ESP: &str = "esp-";
/// Until both have ended.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// Datagrams of each size that a way is measured with.
const DATAGRAMS: usize = 8;

/// Measures by devices of this kind on the cards: `macvlan` or `ipvlan`.
pub(super) fn measure(trial: &mut Trial, via: &'static str) -> Result<()> {
    let begin = Instant::now();
    let since = now();
    run::start(&mut trial.nodes, &trial.program, via, WAYS, 20)?;
    run::until(
        &mut trial.nodes[Side::Listener.node()],
        "has connected",
        LIMIT,
    )?;
    trial.seen(via)?;
    let ends = both(&mut trial.nodes, |node| run::end(node, LIMIT))?;
    for side in Side::BOTH {
        let end = ends[side.node()].as_ref();
        let found = match end {
            Some(end) if end.code == 0 => "exit code 0".to_owned(),
            Some(end) => format!("exit code {}: {}", end.code, end.said.trim()),
            None => format!("it still runs after {} s", LIMIT.as_secs()),
        };
        trial
            .outcome
            .same(via, format!("end of {}", side.name()), "exit code 0", found);
    }
    trial.keep(via)?;
    if !ends.iter().flatten().all(|end| end.code == 0) {
        return Ok(());
    }
    let seconds = begin.elapsed().as_secs();
    let [theirs, ours] = both(&mut trial.nodes, |node| {
        let text = node.sh("cat /bench/report.json")?;
        serde_json::from_str::<Value>(&text).context("the report is no JSON")
    })?;
    compare(trial, via, [&theirs, &ours]);
    let seen = trial.wire.since(since);
    for way in list(&ours, "ways") {
        of_formula(trial, via, way);
        on_the_wire(trial, via, way, &seen);
    }
    println!("  measured by {via} in {seconds} s");
    trial.untouched(via, "all is measured")
}

/// What both reports must have in common.
fn compare(trial: &mut Trial, via: &'static str, [theirs, ours]: [&Value; 2]) {
    let outcome = &mut trial.outcome;
    let names = |report: &Value| {
        let ways = list(report, "ways").iter();
        let names: Vec<&str> = ways.filter_map(|way| way["way"].as_str()).collect();
        names.join(",")
    };
    outcome.same(via, "ways that the caller has measured", WAYS, names(ours));
    outcome.same(
        via,
        "ways that the listener reports",
        names(ours),
        names(theirs),
    );
    outcome.same(
        via,
        "devices on the cards, as both report",
        format!("{via} and {via}, twice"),
        match [theirs, ours].iter().all(|report| {
            let two = &report["two_machines"];
            two["sender_via"] == via && two["receiver_via"] == via
        }) {
            true => format!("{via} and {via}, twice"),
            false => format!("{} and {}", theirs["two_machines"], ours["two_machines"]),
        },
    );
    let differing = differences(list(theirs, "rows"), list(ours, "rows"));
    outcome.none(
        via,
        format!(
            "results in which the reports differ, of {} rows",
            list(ours, "rows").len()
        ),
        &differing,
    );
    let unequal = list(ours, "ways") != list(theirs, "ways");
    outcome.same(
        via,
        "bytes, frames and MTU of each way in the two reports",
        "equal",
        if unequal { "not equal" } else { "equal" },
    );
}

/// Rows that do not say the same: they are computed on each machine from the same measurements.
fn differences(theirs: &[Value], ours: &[Value]) -> Vec<String> {
    const NUMBERS: [&str; 3] = [
        "rate",
        "cpu_seconds_per_million",
        "receiver_cpu_seconds_per_million",
    ];
    let mut found = Vec::new();
    if theirs.len() != ours.len() || ours.is_empty() {
        found.push(format!("{} and {} rows", theirs.len(), ours.len()));
    }
    for (theirs, ours) in theirs.iter().zip(ours) {
        let name = format!("{} {}", ours["way"], ours["load"]);
        if theirs["way"] != ours["way"] || theirs["load"] != ours["load"] {
            found.push(format!(
                "{name} beside {} {}",
                theirs["way"], theirs["load"]
            ));
        }
        for number in NUMBERS {
            let of = |row: &Value| row[number]["median"].as_f64();
            let same = match (of(theirs), of(ours)) {
                (Some(theirs), Some(ours)) => (theirs - ours).abs() <= 1e-9 * ours.abs(),
                _ => false,
            };
            if !same {
                found.push(format!("{number} of {name}"));
            }
        }
        if ours["rate"]["median"].as_f64().unwrap_or_default() <= 0.0 {
            found.push(format!("nothing arrived: {name}"));
        }
    }
    found
}

/// Bytes that a way's own counters had, beside the formula.
fn of_formula(trial: &mut Trial, via: &'static str, way: &Value) {
    let sizes = list(way, "sizes");
    let equal = sizes
        .iter()
        .filter(|size| size["bytes"].as_f64() == size["formula_bytes"].as_f64())
        .count();
    let around = &way["frames_around_the_mtu"];
    trial.outcome.same(
        via,
        format!("{}: bytes by formula, frames around MTU", name(way)),
        format!("{0} of {0}; [1.0,2.0]", sizes.len().max(1)),
        format!("{equal} of {}; {around}", sizes.len()),
    );
}

/// Frames of a length that the formula gives, on the wire.
fn on_the_wire(trial: &mut Trial, via: &'static str, way: &Value, seen: &[Seen]) {
    if !name(way).starts_with(ESP) {
        return;
    }
    let sizes = list(way, "sizes");
    let in_one_frame = sizes
        .iter()
        .filter(|size| size["formula_frames"] == 1)
        .filter_map(|size| size["formula_bytes"].as_u64());
    let wanted: Vec<u64> = in_one_frame.collect();
    let of_length = |length: u64| {
        let is = |seen: &&Seen| {
            matches!(seen.what, What::Esp { .. })
                && seen.bytes as u64 == length
                && seen.to == Side::Listener.node()
        };
        seen.iter().filter(is).count()
    };
    let found = wanted
        .iter()
        .filter(|length| of_length(**length) >= DATAGRAMS);
    let found = found.count();
    trial.outcome.add(Row {
        step: via,
        what: format!("{}: sizes seen on the wire in ESP", name(way)),
        expected: format!("{0} of {0}", wanted.len()),
        found: format!("{found} of {}", wanted.len()),
        holds: found == wanted.len() && found > 0,
    });
}

fn name(way: &Value) -> &str {
    way["way"].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reports_that_differ_are_named() {
        let row = |rate: f64| {
            let one = json!({"median": 1.0});
            json!({"way": "vxlan", "load": "tcp", "rate": {"median": rate},
                "cpu_seconds_per_million": one, "receiver_cpu_seconds_per_million": one})
        };
        assert!(differences(&[row(5.0)], &[row(5.0)]).is_empty());
        let found = differences(&[row(5.0)], &[row(6.0)]);
        assert_eq!(found, ["rate of \"vxlan\" \"tcp\""]);
        assert_eq!(differences(&[], &[]), ["0 and 0 rows"]);
        assert!(differences(&[row(0.0)], &[row(0.0)])[0].starts_with("nothing arrived"));
    }
}
