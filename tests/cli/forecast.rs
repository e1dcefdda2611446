//! `forecast` on a known load.

use std::fs;

use monitor_lab::Lab;
use overlay_tests::agent::Agent;
use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::{Ended, run};
use overlay_tests::schema::{Output, Validator};
use overlay_tests::wire::Raw;
use serde_json::Value;

use super::quiet;

/// A bench that was recorded.
const BENCH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../monitor/src/surface/forecast/record/emulated-linux-6.1.json"
);
const URL: &str = "http://127.0.0.1:9469";

/// Runs a command while frames cross the wire; gives how many were sent before its end, too.
fn under_load(lab: &Lab, arguments: &[&str]) -> (Ended, usize) {
    let wire = Raw::open(lab.node2(), "eth0");
    let frame = overlay(VNI, &redis_command());
    let mut sent = 0;
    let ended = std::thread::scope(|scope| {
        let command = scope.spawn(move || run(lab.node1(), arguments));
        while !command.is_finished() {
            wire.send(&frame);
            sent += 1;
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        command.join().unwrap()
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (ended, sent)
}

#[test]
fn a_plain_network_is_forecast_from_its_counts() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &["--docker", "off"]);
    let count = [
        "forecast",
        "--url",
        URL,
        "--duration",
        "2s",
        "--bench",
        BENCH,
    ];
    let (ended, sent) = under_load(&lab, &[&count[..], &["--format", "json"]].concat());
    let met = Validator::new().check(Output::Forecast, &ended.out);
    assert_eq!(Vec::from_iter(met), ["forecast"], "{ended:?}");
    let of: Value = serde_json::from_str(&ended.out).unwrap();
    let number = |field: &str| of[field].as_f64().unwrap();
    let frame = overlay(VNI, &redis_command()).len() as f64;
    let packets = number("packets_per_second");
    assert!(packets > 0.0 && packets * 2.0 <= sent as f64, "{of} {sent}");
    assert!(
        (number("bytes_per_second") / packets - frame).abs() < 1e-6,
        "{of}"
    );
    assert_eq!(
        (&of["mtu"], &of["mtu_encrypted"]),
        (&1450.into(), &1424.into())
    );
    let cores = ["cores_low", "cores", "cores_high"].map(number);
    assert!(cores.is_sorted() && cores[1] > 0.0, "{of}");
    // ESP adds 26 to 29 bytes.
    assert!(
        (number("added_bytes_least") * frame - 26.0).abs() < 1e-6,
        "{of}"
    );
    let jumbo = ["--wire-mtu", "9000", "--format", "json"];
    let (ended, _) = under_load(&lab, &[&count[..], &jumbo].concat());
    let of: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&of["mtu"], &of["mtu_encrypted"]),
        (&8950.into(), &8924.into())
    );
    agent.monitor.stop();

    // It counts by itself, and says how to get a bench.
    let counts = "forecast -i eth0 --docker off --duration 2s";
    let counts = Vec::from_iter(counts.split(' '));
    let (ended, _) = under_load(&lab, &counts);
    let network = format!("VNI {VNI} carries ");
    assert!(ended.out.starts_with(&network), "{ended:?}");
    for says in [
        "its MTU must fall from 1,450 to 1,424",
        "run `overlay-lab bench encryption --docs /etc/overlay-monitor` on it",
    ] {
        assert!(ended.out.contains(says), "{says}: {ended:?}");
    }
}

#[test]
fn an_audit_forecasts_what_it_saw_in_the_clear() {
    let lab = quiet();
    let audit = "audit -i eth0 --docker off --duration 2s --format json --bench";
    let arguments = Vec::from_iter(audit.split(' ').chain([BENCH]));
    let (ended, sent) = under_load(&lab, &arguments);
    let lines = ended.out.lines();
    let mut forecasts = lines
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["type"] == "forecast");
    let of = forecasts.next().unwrap();
    assert_eq!((&of["vni"], forecasts.next()), (&VNI.into(), None));
    let packets = of["packets_per_second"].as_f64().unwrap();
    assert!(packets > 0.0 && packets * 2.0 <= sent as f64, "{of} {sent}");
    assert!(of["cores"].as_f64().unwrap() > 0.0, "{of}");

    // A bench that its user names must be one; an audit does without the usual one.
    let ended = run(
        lab.node1(),
        &["audit", "-i", "eth0", "--bench", "/dev/null"],
    );
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.err.contains("cannot take the bench /dev/null"),
        "{ended:?}"
    );
}

#[test]
fn a_file_that_is_no_bench_is_refused() {
    let lab = quiet();
    let file = std::env::temp_dir().join(format!("overlay-bench-{}.json", std::process::id()));
    fs::write(&file, "{}").unwrap();
    let path = file.to_str().unwrap();
    let ended = run(lab.node1(), &["forecast", "--url", URL, "--bench", path]);
    fs::remove_file(&file).unwrap();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let says = "is not the JSON of `overlay-lab bench encryption`";
    assert!(ended.err.contains(says), "{ended:?}");
}
