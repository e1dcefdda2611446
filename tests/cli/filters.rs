//! What `tail` and `read` show with filters.

use std::path::PathBuf;
use std::process::Command;

use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::{Ended, Monitor, finish, program};
use overlay_tests::wire::Raw;
use serde_json::Value;

fn recorded(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/traffic");
    PathBuf::from(format!("{folder}/{name}.pcap"))
}

/// `read` of two recordings with these arguments.
fn read(arguments: &[&str]) -> Ended {
    let mut command = Command::new(program());
    command.arg("read").args(arguments);
    command.args([recorded("redis"), recorded("http")]);
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Arguments, and what holds for each object that they admit.
type Filter = (Vec<&'static str>, Box<dyn Fn(&Value) -> bool>);

/// Each filter.
fn filters() -> Vec<Filter> {
    vec![
        (
            vec!["--protocol", "redis"],
            Box::new(|at| at["protocol"] == "redis"),
        ),
        (
            vec!["--protocol", "redis,http"],
            Box::new(|at| at["protocol"] == "redis" || at["protocol"] == "http"),
        ),
        (
            vec!["--port", "6379"],
            Box::new(|at| at["src_port"] == 6379 || at["dst_port"] == 6379),
        ),
        (
            vec!["--exposure", "plaintext"],
            Box::new(|at| at["exposure"] == "plaintext"),
        ),
        (
            vec!["--credentials"],
            Box::new(|at| at["credentials"] != Value::Array(Vec::new())),
        ),
        (
            vec!["--credentials", "--protocol", "redis"],
            Box::new(|at| {
                at["credentials"] != Value::Array(Vec::new()) && at["protocol"] == "redis"
            }),
        ),
    ]
}

#[test]
fn read_shows_exactly_what_the_filter_admits_as_packets_and_as_flows() {
    for form in [&["--format", "json"][..], &["--format", "json", "--flows"]] {
        let all = objects(&read(form).out);
        let is_summary = |at: &&Value| at["type"] == "read_summary";
        for (filter, holds) in filters() {
            let ended = read(&[form, &filter].concat());
            let expected: Vec<&Value> = all
                .iter()
                .filter(|at| is_summary(at) || holds(at))
                .collect();
            let shown = objects(&ended.out);
            assert_eq!(Vec::from_iter(&shown), expected, "{form:?} {filter:?}");
            assert!(
                expected.iter().any(|at| !is_summary(at)) && expected.len() < all.len(),
                "{filter:?} proves nothing: {} of {}",
                expected.len(),
                all.len()
            );
            assert!(ended.err.contains(" shown"), "{ended:?}");
        }
    }
    // Recorded long ago, so nothing is of the last five minutes.
    assert_eq!(read(&["--since", "5m"]).out, "");
    assert_eq!(read(&["--vni", "1"]).out, "");
    assert_eq!(read(&["--host", "203.0.113.0/24"]).out, "");
    assert_eq!(
        read(&["--host", "0.0.0.0/0", "--since", "1970-01-01"]).out,
        read(&[]).out
    );
}

#[test]
fn tail_shows_and_writes_what_the_filter_admits_and_ends_with_a_summary() {
    let lab = super::quiet();
    let folder = super::folder::Folder::new("filtered");
    let file = folder.file("shown.pcapng");
    let wire = Raw::open(lab.node2(), "eth0");
    let vni = VNI.to_string();
    let arguments = ["--vni", &vni, "--write", file.to_str().unwrap()];
    let mut tail = Monitor::tail(lab.node1(), &arguments);
    for _ in 0..3 {
        wire.send(&overlay(VNI + 1, &redis_command()));
        wire.send(&overlay(VNI, &redis_command()));
    }
    tail.wait_for("the network", |tail| tail.out().lines().count() == 3);
    tail.stop();
    let is_ours = |line: &str| line.contains(&format!("  vni {VNI}  "));
    assert!(tail.out().lines().all(is_ours), "{}", tail.out());
    let err = tail.err();
    assert!(err.contains("3 of 6 packets shown"), "{err}");
    assert!(err.contains("plaintext  redis 3"), "{err}");
    let mut command = Command::new(program());
    command.arg("read").arg(&file);
    assert_eq!(finish(command).out.lines().count(), 3);
}

#[test]
fn a_bad_filter_is_refused_with_what_it_takes() {
    for (arguments, says) in [
        (["--protocol", "htpp"], "tcp, udp"),
        (["--host", "web"], "10.42.0.0/16"),
        (["--exposure", "clear"], "plaintext, encrypted or unknown"),
        (["--since", "yesterday"], "such as 5m"),
        (["--vni", "16777216"], "16777215"),
        (["--port", "0"], "65535"),
    ] {
        for command in ["tail", "read"] {
            let mut command_line = Command::new(program());
            command_line.arg(command).args(arguments);
            let ended = finish(command_line);
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.err.contains(says), "{ended:?}");
        }
    }
}
