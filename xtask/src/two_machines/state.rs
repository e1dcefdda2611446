//! What a machine has: IPsec, firewall rules, devices, addresses, routes, mounts, files, namespaces and processes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::nodes::node::Node;

/// Until the kernel has taken away all that a process had.
const GONE: Duration = Duration::from_secs(30);

/// The sections that `state.sh` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State(BTreeMap<String, Vec<String>>);

impl State {
    /// The state of this moment.
    pub(super) fn read(node: &mut Node) -> Result<Self> {
        Ok(Self::parse(&node.sh(include_str!("state.sh"))?))
    }

    fn parse(text: &str) -> Self {
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut lines = Vec::new();
        let mut name = None;
        let mut end = |name: Option<&str>, lines: &mut Vec<String>| {
            let lines = std::mem::take(lines);
            if let Some(name) = name {
                sections.insert(name.to_owned(), lines);
            }
        };
        for line in text.lines() {
            match line.strip_prefix("== ") {
                Some(next) => {
                    end(name, &mut lines);
                    name = Some(next);
                }
                None => lines.push(line.trim_end().to_owned()),
            }
        }
        end(name, &mut lines);
        Self(sections)
    }

    /// Lines that this state has more or less than the one before, each with its section.
    pub(super) fn differences(&self, before: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for name in before
            .0
            .keys()
            .chain(self.0.keys().filter(|name| !before.0.contains_key(*name)))
        {
            let empty = Vec::new();
            let (old, new) = (
                before.0.get(name).unwrap_or(&empty),
                self.0.get(name).unwrap_or(&empty),
            );
            let more = new.iter().filter(|line| !old.contains(line));
            let less = old.iter().filter(|line| !new.contains(line));
            found.extend(more.map(|line| format!("{name}: more: {}", line.trim())));
            found.extend(less.map(|line| format!("{name}: gone: {}", line.trim())));
        }
        found
    }
}

/// The sections of differences, each once.
pub(super) fn sections(differences: &[String]) -> Vec<String> {
    let mut names: Vec<String> = differences
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, _)| name.to_owned())
        .collect();
    names.dedup();
    names
}

/// Waits until a machine is as before; what differs in the end.
pub(super) fn left(node: &mut Node, before: &State) -> Result<Vec<String>> {
    let end = Instant::now() + GONE;
    loop {
        let differences = State::read(node)?.differences(before);
        if differences.is_empty() || Instant::now() > end {
            let of_node = |line: String| format!("{}: {line}", node.name);
            return Ok(differences.into_iter().map(of_node).collect());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_and_what_is_gone_is_named() {
        let before = State::parse("== devices\n1: lo\n2: eth0 \n== rules\n== processes\n1 sh\n");
        assert!(before.differences(&before).is_empty());
        let after = State::parse("== devices\n1: lo\n3: vxlan0\n== rules\na\n== processes\n1 sh\n");
        assert_eq!(
            after.differences(&before),
            [
                "devices: more: 3: vxlan0",
                "devices: gone: 2: eth0",
                "rules: more: a"
            ]
        );
        assert_eq!(sections(&after.differences(&before)), ["devices", "rules"]);
    }
}
