//! The rules and dashboards name only metrics, labels and states that the agent exports, and parts of the runbook that
//! exist.

use std::collections::BTreeSet;

use monitor::policy::State;
use monitor::surface::metrics::TABLE;
use monitor::surface::metrics::definition::PREFIX;

const RULES: &str = "deploy/prometheus/overlay-monitor.rules.yml";
/// Labels that Prometheus adds to what it scrapes.
const ADDED: [&str; 2] = ["job", "instance"];

/// All labels that may be named in a grouping.
fn all_labels() -> BTreeSet<&'static str> {
    TABLE
        .iter()
        .flat_map(|row| row.labels)
        .copied()
        .chain(ADDED)
        .collect()
}

/// Whether a character belongs to the name of a metric, and to that of a recorded series.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Labels in braces or parentheses: what stands before an operator or a comma, outside quotes.
fn names_in(list: &str) -> Vec<String> {
    let mut outside = String::new();
    for (index, part) in list.split('"').enumerate() {
        if index % 2 == 0 {
            outside.push_str(part);
        }
    }
    let names = outside.split(',').map(|part| {
        let name = part.trim();
        name[..name.find(|c| !is_name(c)).unwrap_or(name.len())].to_owned()
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// Checks an expression; returns the metrics of the agent in it.
fn check(expression: &str, recorded: &BTreeSet<String>) -> usize {
    let labels = all_labels();
    let mut found = 0;
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        let list = |open: char, close: char| {
            let list = after.trim_start().strip_prefix(open)?;
            Some(list.split(close).next().unwrap().to_owned())
        };
        let skip = |rest: &mut &str, close: char| {
            let at = rest.find(close).unwrap();
            *rest = &rest[at..];
        };
        if [
            "by",
            "on",
            "without",
            "ignoring",
            "group_left",
            "group_right",
        ]
        .contains(&name)
        {
            for label in list('(', ')').iter().flat_map(|list| names_in(list)) {
                assert!(labels.contains(label.as_str()), "{label:?} in {expression}");
            }
            skip(&mut rest, ')');
        } else if name.contains(':') {
            assert!(recorded.contains(name), "{name} in {expression}");
        } else if name.starts_with("overlay_") {
            let row = TABLE
                .iter()
                .find(|row| row.series(PREFIX).iter().any(|of| of == name));
            let row = row.unwrap_or_else(|| panic!("{name} in {expression}"));
            found += 1;
            if let Some(matchers) = list('{', '}') {
                for label in names_in(&matchers) {
                    let known = row.labels.contains(&label.as_str());
                    assert!(
                        known || ADDED.contains(&label.as_str()),
                        "{label:?} of {name}"
                    );
                }
                for state in matchers.split("state=\"").skip(1) {
                    let state = state.split('"').next().unwrap();
                    assert!(State::ALL.iter().any(|at| at.name() == state), "{state}");
                }
                skip(&mut rest, '}');
            }
        } else if after.starts_with('{') {
            skip(&mut rest, '}');
        }
    }
    found
}

/// The expressions of the rules: the indented lines behind `expr`.
fn expressions(text: &str) -> Vec<String> {
    let blocks = text.split("        expr: |-\n").skip(1);
    blocks
        .map(|block| {
            let lines = block
                .lines()
                .take_while(|line| line.starts_with("          "));
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect()
}

fn recorded(text: &str) -> BTreeSet<String> {
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    names.map(str::to_owned).collect()
}

#[test]
fn the_rules_name_what_the_agent_exports() {
    let text = super::document(RULES);
    let recorded = recorded(&text);
    let expressions = expressions(&text);
    let metrics: usize = expressions.iter().map(|at| check(at, &recorded)).sum();
    assert!(
        expressions.len() > 15 && metrics > 25,
        "{} {metrics}",
        expressions.len()
    );
    let labels = all_labels();
    for part in text.split("$labels.").skip(1) {
        let name = &part[..part.find(|c| !is_name(c)).unwrap()];
        assert!(labels.contains(name), "{name}");
    }
}

#[test]
fn a_name_that_is_not_exported_is_found() {
    let recorded = BTreeSet::from(["a:b:c".to_owned()]);
    for expression in [
        "overlay_violations_active == 1",
        "overlay_violation_active{interface=\"eth0\"} == 1",
        "sum by (host) (overlay_violation_active)",
        "overlay_network_state{state=\"blind\"} == 1",
        "a:b:d > 1",
    ] {
        let found = std::panic::catch_unwind(|| check(expression, &recorded));
        assert!(found.is_err(), "{expression}");
    }
    let right = "sum by (vni) (overlay_network_state{state=\"unknown\", job=\"x\"}) > a:b:c";
    assert_eq!(check(right, &recorded), 1);
}

#[test]
fn each_alert_leads_into_the_runbook() {
    let text = super::document(RULES);
    let anchors = super::links::anchors(&super::document("docs/alerts.md"));
    let alerts = text.matches("- alert: ").count();
    let urls: Vec<&str> = text
        .split("runbook_url: \"docs/alerts.md#")
        .skip(1)
        .map(|part| part.split('"').next().unwrap())
        .collect();
    assert!(alerts > 10 && urls.len() == alerts, "{alerts} {urls:?}");
    for url in urls {
        assert!(anchors.contains(url), "{url}");
    }
}

/// The strings of these keys, anywhere in a dashboard.
fn strings<'a>(value: &'a serde_json::Value, keys: &[&str], found: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if keys.contains(&key.as_str()) => found.push(text),
                    _ => strings(value, keys, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, keys, found)),
        _ => {}
    }
}

#[test]
fn the_dashboards_name_what_the_agent_exports() {
    let recorded = recorded(&super::document(RULES));
    let labels = all_labels();
    let mut metrics = 0;
    for entry in std::fs::read_dir(super::root().join("deploy/grafana")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        strings(&dashboard, &["expr", "query"], &mut found);
        assert!(found.len() > 5, "{}", path.display());
        metrics += found.iter().map(|at| check(at, &recorded)).sum::<usize>();
        let mut legends = Vec::new();
        strings(&dashboard, &["legendFormat"], &mut legends);
        for label in legends.iter().flat_map(|text| text.split("{{").skip(1)) {
            let label = label.split("}}").next().unwrap();
            assert!(labels.contains(label), "{label} in {}", path.display());
        }
    }
    assert!(metrics > 30, "{metrics}");
}

#[test]
fn each_alert_was_made_to_arrive_or_is_named_with_the_reason() {
    let times = super::document("docs/alert-times.md");
    let rules = super::document(RULES);
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    for name in names {
        let link = format!("[{name}](alerts.md#{})", name.to_lowercase());
        assert!(times.contains(&link), "no {link}: measure it again");
    }
}
