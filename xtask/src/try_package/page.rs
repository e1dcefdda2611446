//! The agent's page of metrics.

use std::collections::BTreeMap;

use anyhow::Result;

use super::traffic::{self, Crossed};
use crate::metrics::Metrics;
use crate::vm::remote::Remote;

/// Begin with the process, and are about it.
const OF_THE_PROCESS: &str = "process_";

/// A page.
#[derive(Clone)]
pub(super) struct Page(pub(super) String);

impl Page {
    /// The page of this moment.
    pub(super) fn scrape(machine: &mut Remote) -> Result<Self> {
        machine
            .sh("curl -sSf -m 60 http://127.0.0.1:9469/metrics")
            .map(Self)
    }

    /// What the agent has counted.
    pub(super) fn crossed(&self) -> Crossed {
        traffic::of_agent(&Metrics::parse(&self.0))
    }

    /// Hooks that the agent says are attached.
    pub(super) fn hooks(&self) -> u64 {
        let labels = [("interface", "eth0")];
        let up = Metrics::parse(&self.0).sum("overlay_hook_up", &labels);
        up.unwrap_or(0)
    }

    /// The counters, by their series.
    fn counters(&self) -> BTreeMap<&str, f64> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let name = series.split('{').next()?;
                let counts = name.ends_with("_total") && !name.starts_with(OF_THE_PROCESS);
                Some((series, value.parse().ok()?)).filter(|_| counts)
            })
            .collect()
    }

    /// How many counters there are.
    pub(super) fn series(&self) -> usize {
        self.counters().len()
    }

    /// The counters that are lower on a later page, or not there any more.
    pub(super) fn lower_on(&self, later: &Page) -> Vec<String> {
        let later = later.counters();
        let lower = |(series, value): (&str, f64)| match later.get(series) {
            Some(new) if *new >= value => None,
            Some(new) => Some(format!("{series}: {value}, then {new}")),
            None if value == 0.0 => None,
            None => Some(format!("{series}: {value}, then absent")),
        };
        self.counters().into_iter().filter_map(lower).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_are_lower_are_named() {
        let page = |text: &str| Page(text.to_owned());
        let before = page(
            "# TYPE a counter\na_total{x=\"1\"} 5\na_total{x=\"2\"} 6\nb_total 7\nc_total 0\n\
             process_cpu_seconds_total 9\nd_entries 8\n",
        );
        assert_eq!(before.series(), 4);
        let after = page("a_total{x=\"1\"} 5\na_total{x=\"2\"} 5\nd_entries 1\n");
        assert_eq!(
            before.lower_on(&after),
            ["a_total{x=\"2\"}: 6, then 5", "b_total: 7, then absent"]
        );
    }
}
