//! How long each query of the dashboards takes over the past.

use std::time::Instant;

use monitor_lab::Host;
use overlay_tests::prometheus::root;
use serde_json::Value;

use super::day::Day;
use super::page::FIRST;

/// Points of a graph.
const POINTS: u64 = 288;

/// The table: dashboard, panel, series, time.
pub(super) fn table(host: &Host, day: &Day, node: &str) -> String {
    let (begin, end) = day.seconds();
    let step = ((end - begin) / POINTS).max(15);
    let mut out = format!(
        "Queries of the dashboards over these hours, with a point every {step} s, or at their end:\n\n\
         | dashboard | panel | series drawn | s |\n| --- | --- | --- | --- |\n"
    );
    let mut files: Vec<_> = std::fs::read_dir(root().join("deploy/grafana"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        for panel in json["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let expression = expression
                    .replace("$vni", &FIRST.to_string())
                    .replace("$node", node);
                let times = if target["instant"] == true {
                    vec![format!("time={}", end - 60)]
                } else {
                    vec![
                        format!("start={begin}"),
                        format!("end={end}"),
                        format!("step={step}"),
                    ]
                };
                let start = Instant::now();
                let rows = ask(host, &expression, &times);
                let took = start.elapsed().as_secs_f64();
                let title = panel["title"].as_str().unwrap();
                out.push_str(&format!("| {name} | {title} | {rows} | {took:.2} |\n"));
            }
        }
    }
    out
}

/// Series in the answer.
fn ask(host: &Host, expression: &str, times: &[String]) -> usize {
    let kind = if times.len() == 1 {
        "query"
    } else {
        "query_range"
    };
    let url = format!("http://127.0.0.1:9090/api/v1/{kind}");
    let query = format!("query={expression}");
    let mut arguments = vec![
        "-s",
        "-G",
        "--noproxy",
        "*",
        &url,
        "--data-urlencode",
        &query,
    ];
    for time in times {
        arguments.extend(["--data-urlencode", time]);
    }
    let answer: Value = serde_json::from_str(&host.run("curl", &arguments).unwrap()).unwrap();
    assert_eq!(answer["status"], "success", "{expression}: {answer}");
    answer["data"]["result"].as_array().unwrap().len()
}
