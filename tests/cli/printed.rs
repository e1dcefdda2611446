//! What `tail` prints of real conversations.

use monitor_lab::Lab;
use overlay_tests::process::Monitor;
use serde_json::Value;

/// A quiet lab with Redis and the web app.
fn running() -> Lab {
    let mut lab = super::quiet();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    lab
}

#[test]
fn the_tutorials_conversation_as_text() {
    let lab = running();
    let mut tail = Monitor::tail(lab.node1(), &[]);
    assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    for part in [
        "  192.168.77.2 > 192.168.77.1  vni 4096  10.0.1.9:",
        " > 10.0.1.7:80 tcp  http  plaintext  GET / host01",
        "  vni 4096  10.0.1.7:80 > 10.0.1.9:",
        " tcp  http  plaintext  200 OK text/html",
        " > 10.0.1.3:6379 tcp  redis  plaintext  HGETALL ip",
    ] {
        tail.wait_for(part, |tail| {
            tail.out().lines().any(|line| line.contains(part))
        });
    }
    // Values of Redis are not shown: the page counts the client under its address.
    assert!(!tail.out().contains("<td>"), "{}", tail.out());
    tail.stop();
}

#[test]
fn each_line_of_json_is_an_object_of_its_type_and_schema() {
    let lab = running();
    let mut tail = Monitor::tail(lab.node1(), &["--format", "json", "--all"]);
    assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    // Samples come in batches: the end of the conversation may be in a later one.
    tail.wait_for("the whole conversation", |tail| {
        tail.out().contains("HGETALL ip") && tail.out().lines().count() > 20
    });
    tail.stop();
    let out = tail.out();
    assert!(out.ends_with('\n'));
    let objects: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(objects.len() > 20, "{}", objects.len());
    for object in &objects {
        assert_eq!(
            (&object["type"], &object["schema"]),
            (&Value::from("sample"), &Value::from(1)),
            "{object}"
        );
        assert_eq!(object["vni"], 4096, "{object}");
        let direction = if object["outer_src"] == "192.168.77.1" {
            "tx"
        } else {
            "rx"
        };
        assert_eq!(object["direction"], direction, "{object}");
    }
    let command = objects
        .iter()
        .find(|object| object["evidence"] == "HGETALL ip")
        .unwrap();
    for (key, value) in [
        ("interface", "eth0"),
        ("direction", "tx"),
        ("outer_dst", "192.168.77.2"),
        ("encapsulation", "vxlan"),
        ("transport", "tcp"),
        ("src", "10.0.1.7"),
        ("dst", "10.0.1.3"),
        ("protocol", "redis"),
        ("exposure", "plaintext"),
    ] {
        assert_eq!(command[key], value, "{key}");
    }
    assert_eq!(command["dst_port"], 6379);
}
