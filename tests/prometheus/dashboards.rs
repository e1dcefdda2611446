//! Every panel of the dashboards draws something.

use std::collections::BTreeMap;

use monitor_lab::Lab;
use overlay_tests::process::wait_until;
use overlay_tests::prometheus::root;
use serde_json::Value;

use overlay_tests::prometheus::nodes::{REQUIRED, SYSLOG, requiring, syslog, target, watch};

/// The expressions of all dashboards, with their file.
fn panels() -> BTreeMap<String, Vec<String>> {
    let folder = root().join("deploy/grafana");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let json: Value =
                serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let panels = json["panels"].as_array().unwrap().iter();
            let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
            let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
            (path.display().to_string(), expressions.collect())
        })
        .collect()
}

/// Metrics that only a host with ESP, Docker, or readable credentials has.
const ELSEWHERE: [&str; 6] = [
    "overlay_esp_network_packets_total{vni",
    "overlay_esp_packets_total",
    "overlay_esp_sequence_used_ratio",
    "overlay_docker_up",
    "overlay_credential_flows_total{vni",
    "overlay_xfrm_errors_total",
];

#[test]
fn every_panel_that_this_kernel_has_data_for_draws_something() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let _agents = [requiring(lab.node1()), requiring(lab.node2())];
    let watch = watch(&lab);
    let [from, _to] = syslog(&lab, monitor_lab::WEB, monitor_lab::CLIENT);
    from.send(SYSLOG).unwrap();
    let node = target(lab.node1());
    let mut drawn = 0;
    for (file, expressions) in panels() {
        for expression in expressions {
            let query = expression.replace("$vni", REQUIRED).replace("$node", &node);
            if ELSEWHERE.iter().any(|metric| expression.contains(metric)) {
                drawn += usize::from(!watch.query(&query).is_empty());
                continue;
            }
            wait_until(&format!("{file} draws {query}"), || {
                !watch.query(&query).is_empty()
            });
            drawn += 1;
        }
    }
    println!("{drawn} panels have something to draw");
}
