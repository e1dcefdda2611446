//! Who was asked, and which agents it knows.

use jiff::Timestamp;

use crate::surface::prometheus::Instance;

/// Who was asked, and which agents it knows.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The server, escaped.
    pub server: String,
    /// The label `job` of the agents.
    pub job: String,
    /// The moment of the report; its end, of one over a time.
    pub to: Timestamp,
    /// Nodes that Prometheus scrapes, or that must be there.
    pub nodes: usize,
    /// Nodes without an agent that answers.
    pub missing: Vec<Missing>,
    /// What the server warns of, escaped.
    pub warnings: Vec<String>,
}

/// A node without an agent that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub node: Instance,
    /// Why it is missing, a phrase.
    pub why: String,
}

impl Scope {
    /// What is not known of the fleet as a whole, a phrase each.
    pub(super) fn doubts(&self) -> Vec<String> {
        let missing = self.missing.iter();
        let missing = missing.map(|at| format!("node {} is missing: {}", at.node, at.why));
        let warnings = self.warnings.iter();
        missing
            .chain(warnings.map(|text| format!("Prometheus warns: {text}")))
            .collect()
    }
}
