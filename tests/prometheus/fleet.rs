//! What `fleet` makes of two real agents that a real Prometheus scrapes.

use std::time::Duration;

use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::process::{Ended, run, wait_until};
use overlay_tests::schema::{Output, Validator};
use serde_json::Value;

use overlay_tests::prometheus::nodes::{SYSLOG, requiring, syslog, target, watch};

/// Datagrams in cleartext.
const SENT: u64 = 3;

fn fleet(host: &Host, arguments: &[&str]) -> Ended {
    let server = ["fleet", "--prometheus", "http://127.0.0.1:9090"];
    run(host, &[&server, arguments].concat())
}

/// The objects of a type, as printed.
fn objects(ended: &Ended, kind: &str) -> Vec<Value> {
    let lines = ended.out.lines();
    let all = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|object| object["type"] == kind).collect()
}

#[test]
fn two_agents_are_seen_now_and_over_their_time() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let _first = requiring(one);
    let mut second = requiring(two);
    let _watch = watch(&lab);
    let json = ["--format", "json"];

    // Both are there, and nothing was sent: whether it would be encrypted is not known.
    let mut ended = fleet(one, &json);
    wait_until("both agents have been scraped", || {
        ended = fleet(one, &json);
        objects(&ended, "fleet_network").len() == 2
    });
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let met = Validator::new().check(Output::Fleet, &ended.out);
    assert_eq!(Vec::from_iter(met), ["fleet-network", "fleet-summary"]);
    let summary = &objects(&ended, "fleet_summary")[0];
    assert_eq!(summary["nodes"], 2, "{summary}");
    assert_eq!(summary["missing"], Value::Array(vec![]), "{summary}");

    let [from, _to] = syslog(&lab, WEB, CLIENT);
    for _ in 0..SENT {
        from.send(SYSLOG).unwrap();
    }
    wait_until("the violations of both nodes have been scraped", || {
        let ended = fleet(one, &json);
        let networks = objects(&ended, "fleet_network");
        networks.iter().all(|at| at["violated"] == true)
            && networks.iter().any(|at| at["readable"][0] == "syslog")
    });
    let ended = fleet(one, &json);
    assert_eq!(ended.code, Some(1), "{ended:?}");

    let over = ["--since", "20m", "--format", "json"];
    let ended = fleet(one, &over);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    Validator::new().check(Output::Fleet, &ended.out);
    let history = objects(&ended, "fleet_history");
    assert_eq!(history.len(), 2, "{ended:?}");
    for network in &history {
        // Counted once on each node, to the packet, though the agents had counted before the first scrape of them.
        assert_eq!(network["cleartext"]["packets"], SENT, "{network}");
        let peer = [two, one][usize::from(network["node"] == target(two).as_str())];
        assert_eq!(
            network["cleartext"]["peers"][0],
            peer.address().to_string(),
            "{network}"
        );
        // Before the agents ran nothing is covered.
        assert_eq!(network["holes"].as_array().unwrap().len(), 1, "{network}");
        let uncovered = network["seconds"]["uncovered"].as_f64().unwrap();
        assert!((900.0..1_200.0).contains(&uncovered), "{network}");
    }

    second.stop();
    let target = format!("{}:9469", two.address());
    wait_until("the agent that was stopped is missing", || {
        let summary = &objects(&fleet(one, &json), "fleet_summary")[0];
        summary["missing"][0]["node"] == target.as_str()
    });
    // Long enough for a scrape that fails.
    std::thread::sleep(Duration::from_secs(5));
    let ended = fleet(one, &over);
    let history = objects(&ended, "fleet_history");
    let of_second = history.iter().find(|at| at["node"] == target.as_str());
    let holes = of_second.unwrap()["holes"].as_array().unwrap();
    assert_eq!(holes.len(), 2, "before it ran, and after: {ended:?}");
    assert_eq!(of_second.unwrap()["cleartext"]["packets"], SENT);
}
