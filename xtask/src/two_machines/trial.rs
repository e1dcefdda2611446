//! What the steps share: the machines, what they had at first, and the table.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::state::{self, State};
use crate::nodes::node::{Node, both};
use crate::nodes::wire::Wire;
use crate::outcome::{Outcome, Row};

/// What each run makes that is seen from the machine's own namespace.
const MADE: [&str; 2] = ["network namespaces", "processes"];
/// Until it is seen.
const SEEN: Duration = Duration::from_secs(60);

pub(super) struct Trial {
    pub(super) nodes: [Node; 2],
    pub(super) wire: Wire,
    /// `overlay-lab`, on the file system that the nodes see.
    pub(super) program: PathBuf,
    /// Where what the programs printed is kept.
    pub(super) folder: PathBuf,
    pub(super) before: [State; 2],
    pub(super) outcome: Outcome,
}

impl Trial {
    /// A row: what differs on both machines from the beginning.
    pub(super) fn untouched(&mut self, step: &'static str, after: &str) -> Result<()> {
        let mut found = Vec::new();
        for (node, before) in self.nodes.iter_mut().zip(&self.before) {
            found.extend(state::left(node, before)?);
        }
        self.outcome
            .none(step, format!("{after}: what differs on both"), &found);
        Ok(())
    }

    /// A row: the comparison sees what a run has made, on each machine. Otherwise it could not see what is left of it.
    pub(super) fn seen(&mut self, step: &'static str) -> Result<()> {
        let end = Instant::now() + SEEN;
        let found = loop {
            let found = both(&mut self.nodes, State::read)?;
            let sections = std::array::from_fn::<_, 2, _>(|index| {
                let differences = found[index].differences(&self.before[index]);
                state::sections(&differences)
            });
            let sees = |sections: &Vec<String>| {
                MADE.iter()
                    .all(|made| sections.iter().any(|name| name == made))
            };
            if sections.iter().all(sees) || Instant::now() > end {
                break sections;
            }
        };
        for (node, found) in self.nodes.iter().zip(found) {
            self.outcome.add(Row {
                step,
                what: format!("while it runs, what is more on {}", node.name),
                expected: format!("{}, among others", MADE.join(", ")),
                holds: MADE
                    .iter()
                    .all(|made| found.iter().any(|name| name == made)),
                found: found.join(", "),
            });
        }
        Ok(())
    }

    /// Keeps what both programs printed.
    pub(super) fn keep(&mut self, name: &str) -> Result<()> {
        let texts = both(&mut self.nodes, |node| node.sh("cat /bench/err /bench/out"))?;
        for (node, text) in self.nodes.iter().zip(texts) {
            let path = self.folder.join(format!("{}-{name}.log", node.name));
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}
