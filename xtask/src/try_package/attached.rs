//! What is in the kernel: programs, maps, links, and filters of interfaces.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::vm::remote::Remote;

/// Programs of systemd's own, which come and go with its services.
const OF_SYSTEMD: &str = "cgroup_";

/// How many there are of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attached(BTreeMap<String, u32>);

impl Attached {
    /// What there is now.
    pub(super) fn read(machine: &mut Remote) -> Result<Self> {
        let mut all = Self::default();
        let programs = list(machine, "prog")?;
        for program in &programs {
            let kind = program["type"].as_str().unwrap_or("?");
            if !kind.starts_with(OF_SYSTEMD) {
                all.add(format!("program {kind} {}", name(program)));
            }
        }
        let of_systemd: Vec<&Value> = programs
            .iter()
            .filter(|program| {
                program["type"]
                    .as_str()
                    .is_some_and(|kind| kind.starts_with(OF_SYSTEMD))
            })
            .flat_map(|program| program["map_ids"].as_array())
            .flatten()
            .collect();
        for map in list(machine, "map")? {
            if !of_systemd.contains(&&map["id"]) {
                all.add(format!("map {}", name(&map)));
            }
        }
        for link in list(machine, "link")? {
            let kind = link["type"].as_str().unwrap_or("?");
            if kind != "cgroup" {
                all.add(format!("link {kind}"));
            }
        }
        let text = machine.sh(
            "tc qdisc show dev eth0; for way in ingress egress; do tc filter show dev eth0 $way 2>/dev/null; done; ip -d link show dev eth0",
        )?;
        for line in text.lines().map(str::trim) {
            let is_filter = line.starts_with("filter ") && line.contains(" handle ");
            if line.contains("clsact") || is_filter || line.contains("xdp") {
                all.add(without_numbers(line));
            }
        }
        Ok(all)
    }

    fn add(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    /// What is here more often than in `other`, and what less often.
    pub(super) fn beside(&self, other: &Self) -> Vec<String> {
        let keys = self.0.keys().chain(other.0.keys());
        let mut different: Vec<String> = keys
            .filter_map(|key| {
                let [here, there] = [self, other].map(|all| all.0.get(key).copied().unwrap_or(0));
                (here != there).then(|| format!("{key}: {there}, then {here}"))
            })
            .collect();
        different.sort();
        different.dedup();
        different
    }
}

/// What `bpftool` lists.
fn list(machine: &mut Remote, what: &str) -> Result<Vec<Value>> {
    let text = machine.sh(&format!("bpftool -j {what} show"))?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_str(&text)
        .with_context(|| format!("bpftool lists no JSON for {what}: {text}"))?;
    Ok(value.as_array().cloned().unwrap_or_default())
}

/// A line of tc without what is another with each process: the number that ends a filter's name, and those of the program.
fn without_numbers(line: &str) -> String {
    let words = line.split_whitespace().take_while(|word| *word != "id");
    let words = words.map(|word| word.split('/').next().unwrap_or_default());
    words.collect::<Vec<_>>().join(" ")
}

fn name(object: &Value) -> &str {
    object["name"].as_str().unwrap_or("without a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_two_processes_are_alike() {
        let line = |name: &str, id| {
            format!(
                "filter protocol all pref 1 bpf chain 0 handle 0x1 {name} direct-action not_in_hw id {id} tag f0 jited"
            )
        };
        assert_eq!(
            without_numbers(&line("overlay-monitor/4e/q", 7)),
            without_numbers(&line("overlay-monitor/a9/q", 8))
        );
        assert_ne!(
            without_numbers(&line("overlay-monitor/4e/q", 7)),
            without_numbers(&line("other/4e/q", 7))
        );
    }

    #[test]
    fn what_is_doubled_or_left_is_named() {
        let of = |all: &[(&str, u32)]| {
            Attached(
                all.iter()
                    .map(|(what, count)| ((*what).to_owned(), *count))
                    .collect(),
            )
        };
        let before = of(&[("program a", 1), ("qdisc clsact", 1)]);
        let now = of(&[("program a", 2), ("map b", 1)]);
        assert_eq!(
            now.beside(&before),
            [
                "map b: 0, then 1",
                "program a: 1, then 2",
                "qdisc clsact: 1, then 0"
            ]
        );
        assert_eq!(now.beside(&now), [""; 0]);
    }
}
