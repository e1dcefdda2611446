//! What the monitor on a node says: its metrics, its networks and violations,
//! and its log.

use anyhow::{Context, Result};
use serde_json::Value;

use super::stack::CONTAINER;
use crate::metrics::Metrics;
use crate::nodes::node::Node;
use crate::proc::printable;

/// The metrics of this moment.
pub(super) fn metrics(node: &mut Node) -> Result<Metrics> {
    let page = node.sh("curl -sSf -m 60 http://127.0.0.1:9469/metrics | grep -v '^#'")?;
    Ok(Metrics::parse(&page))
}

/// The objects of a type that `/networks` lists: `network` or `violation`.
pub(super) fn objects(node: &mut Node, kind: &str) -> Result<Vec<Value>> {
    let page = node.sh("curl -sSf -m 60 http://127.0.0.1:9469/networks")?;
    let mut list = Vec::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        let value: Value = serde_json::from_str(line)
            .with_context(|| format!("/networks on {} is no JSON: {line}", node.name))?;
        if value["type"] == kind {
            list.push(value);
        }
    }
    Ok(list)
}

/// The object of a network.
pub(super) fn network(node: &mut Node, vni: u32) -> Result<Option<Value>> {
    let list = objects(node, "network")?;
    Ok(list.into_iter().find(|object| object["vni"] == vni))
}

/// A line of the log on a violation that has begun, or on why.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    /// When it was logged, on our clock, in seconds since 1970.
    pub(super) time: f64,
    /// The whole line behind its time.
    pub(super) text: String,
}

/// All such lines, in their order.
pub(super) fn alarms(node: &mut Node) -> Result<Vec<Alarm>> {
    // The time of each line as a number, computed where its text is.
    let script = format!(
        r#"docker logs {CONTAINER} 2>&1 | grep 'violation: ' | while read -r time text; do
            echo "$(date -d "$time" +%s.%N) $text"
        done"#
    );
    let lines = node.sh(&script)?;
    let mut list = Vec::new();
    for line in lines.lines() {
        let Some((time, text)) = line.split_once(' ') else {
            continue;
        };
        let time: f64 = time
            .parse()
            .with_context(|| format!("{} says no time: {line}", node.name))?;
        list.push(Alarm {
            time: node.our_time(time),
            text: printable(text),
        });
    }
    Ok(list)
}

/// What the log says can be read of a network and protocol: the first time it was seen.
pub(super) fn evidence(node: &mut Node, vni: u32, protocol: &str) -> Result<Option<String>> {
    // With or without the network's name in front of its VNI.
    let network = format!("VNI {vni}");
    let said = format!(": {protocol} is readable in plaintext");
    let log = node.sh(&format!("docker logs {CONTAINER} 2>&1"))?;
    let mut lines = log.lines();
    let line = lines.find(|line| {
        line.split_once(&said)
            .is_some_and(|(before, _)| before.trim_end_matches(')').ends_with(&network))
    });
    Ok(line.map(|line| printable(line.rsplit(": ").next().unwrap_or_default())))
}
