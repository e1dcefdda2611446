//! What the program prints live as JSON is as `docs/schema` describes it.

use monitor_lab::{Lab, Publish};
use overlay_tests::agent::Agent;
use overlay_tests::process::{Monitor, wait_until};
use overlay_tests::schema::{Output, Validator};

/// A lab in which something can be read, in the overlay and at a published port.
fn lab() -> Lab {
    let mut lab = super::quiet();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    lab.publish(Publish::Plain).unwrap();
    lab
}

/// One page inside the overlay, and one from the published port.
fn traffic(lab: &Lab) {
    assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    lab.node2()
        .run("curl", &["-s", "--noproxy", "*", "http://192.168.77.1/"])
        .unwrap();
}

#[test]
fn tail_prints_samples() {
    let lab = lab();
    for more in [&[][..], &["--show-payload"], &["--all"]] {
        let arguments = [&["--format", "json"], more].concat();
        let mut tail = Monitor::tail(lab.node1(), &arguments);
        traffic(&lab);
        tail.wait_for("both conversations", |tail| {
            tail.out().contains("HGETALL ip") && tail.out().contains(r#""vni":null"#)
        });
        tail.stop();
        let met = Validator::new().check(Output::Samples, &tail.out());
        assert_eq!(Vec::from_iter(met), ["sample"]);
    }
}

#[test]
fn networks_and_an_audit_print_what_is_described() {
    let lab = lab();
    let validator = Validator::new();
    let agent = Agent::start(lab.node1(), &["--require", "4096", "--docker", "off"]);
    traffic(&lab);
    let mut page = String::new();
    wait_until("a violation with its causes", || {
        page = agent.ask("/networks").unwrap().1;
        page.contains(r#""type":"violation""#) && !page.contains(r#""causes":[]"#)
    });
    let met = validator.check(Output::Networks, &page);
    assert_eq!(Vec::from_iter(met), ["network", "violation"]);
    drop(agent);

    let arguments = "audit -i eth0 --docker off --duration 1h --format json --require 4096";
    let mut audit = Monitor::start(lab.node1(), &Vec::from_iter(arguments.split(' ')));
    audit.wait_for("it watches", |audit| audit.err().contains("watching"));
    traffic(&lab);
    audit.signal(libc::SIGINT);
    assert_eq!(audit.wait().0.code(), Some(1), "{}", audit.err());
    let met = validator.check(Output::Networks, &audit.out());
    let all = [
        "audit-summary",
        "exposure",
        "forecast",
        "network",
        "violation",
    ];
    assert_eq!(Vec::from_iter(met), all);
}

#[test]
fn the_log_of_run_is_objects_if_asked_for() {
    let lab = lab();
    let arguments = ["--require", "4096", "--docker", "off", "--window", "2s"];
    let arguments = [&arguments[..], &["--log-format", "json"]].concat();
    let mut agent = Agent::start(lab.node1(), &arguments);
    traffic(&lab);
    agent.monitor.wait_for("all kinds of lines", |run| {
        [
            "violation",
            "violation_cause",
            "violation_ended",
            "plaintext",
        ]
        .iter()
        .all(|name| run.err().contains(&format!(r#""event":"{name}""#)))
    });
    agent.monitor.stop();
    let met = Validator::new().check(Output::Log, &agent.monitor.err());
    assert_eq!(Vec::from_iter(met), ["log"]);
    let objects = agent.monitor.err();
    let objects = objects
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    for object in objects.filter(|object| !object["event"].is_null()) {
        assert_eq!(object["schema"], 1);
        match object["event"].as_str().unwrap() {
            "plaintext" => assert!(object["protocol"].is_string(), "{object}"),
            _ => assert_eq!(object["vni"], 4096, "{object}"),
        }
    }
}
