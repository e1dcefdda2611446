//! A fleet at this moment.

use std::collections::BTreeSet;

use anyhow::anyhow;

use super::scope::Scope;
use crate::base::failure::Failure;
use crate::base::plural::counted;
use crate::host::described_network::{Requirement, title};
use crate::policy::State;
use crate::surface::numbers;
use crate::surface::prometheus::Instance;
use crate::surface::report::audit::first_few;

/// A fleet at this moment.
#[derive(Clone, Debug, Default)]
pub struct FleetNow {
    /// Who was asked, and who is missing.
    pub scope: Scope,
    /// Networks by node, those first of which something is wrong.
    pub rows: Vec<PresentNetwork>,
}

/// A network on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct PresentNetwork {
    /// The node.
    pub node: Instance,
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// Name of the network, as it came; empty without one.
    pub name: String,
    /// What it must be; `None` where the agent has no description of it.
    pub required: Option<Requirement>,
    /// Its state; `None` where the agent names none that is known here.
    pub state: Option<State>,
    /// Whether a violation is open.
    pub is_violated: bool,
    /// Part of the bytes of the last minutes that can be read, 0 to 1; `None` without any.
    pub readable_share: Option<f64>,
    /// Protocols that could be read in the last minutes, escaped.
    pub readable: BTreeSet<String>,
}

impl PresentNetwork {
    /// Why it is not as required, or not known to be.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let is_required = self.required == Some(Requirement::Required);
        let title = title(self.vni, &self.name);
        match self.state {
            _ if self.is_violated => None,
            Some(State::Idle) if is_required => Some(format!("{title} is idle on {}", self.node)),
            Some(State::Unknown) | None if is_required => {
                Some(format!("the state of {title} on {} is unknown", self.node))
            }
            Some(
                State::Encrypted | State::Cleartext | State::Mixed | State::Idle | State::Unknown,
            )
            | None => None,
        }
    }

    /// The readable part, for people.
    #[must_use]
    pub fn share_text(&self) -> String {
        /// Parts of the share that are distinguished.
        const PARTS: f64 = 1e6;
        let share = self.readable_share;
        share.map_or_else(
            || "-".to_owned(),
            |share| numbers::percent((share * PARTS).ceil() as u64, PARTS as u64),
        )
    }
}

impl FleetNow {
    /// Violations, a phrase each.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let violated = self.rows.iter().filter(|row| row.is_violated);
        violated
            .map(|row| {
                format!(
                    "{} violates its requirement on {}",
                    title(row.vni, &row.name),
                    row.node
                )
            })
            .collect()
    }

    /// What could not be determined, a phrase each.
    #[must_use]
    pub fn undecided(&self) -> Vec<String> {
        let mut doubts = self.scope.doubts();
        if self.scope.nodes == 0 {
            doubts.push(format!(
                "Prometheus has no target of the job {:?}; give --job",
                self.scope.job
            ));
        }
        doubts.extend(self.rows.iter().filter_map(PresentNetwork::doubt));
        doubts
    }

    /// The conclusion, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (violations, doubts) = (self.violations().len(), self.undecided().len());
        let restricted = self.rows.iter().filter(|row| {
            matches!(
                row.required,
                Some(Requirement::Required | Requirement::Forbidden)
            )
        });
        let restricted: BTreeSet<u32> = restricted.map(|row| row.vni).collect();
        match (violations, doubts) {
            (0, 0) if restricted.is_empty() => "No network has a requirement".to_owned(),
            (0, 0) => format!(
                "{} with a requirement, as required on every node",
                counted(restricted.len(), "network")
            ),
            (0, doubts) => format!(
                "No violation is open, but {} could not be determined",
                counted(doubts, "thing")
            ),
            (violations, 0) => format!("{} open", counted(violations, "violation")),
            (violations, doubts) => format!(
                "{} open, and {} could not be determined",
                counted(violations, "violation"),
                counted(doubts, "thing")
            ),
        }
    }

    /// Whether every requirement is met on every node. A violation takes precedence.
    ///
    /// # Errors
    /// A violation, or an undecided failure, that names networks and nodes.
    pub fn outcome(&self) -> Result<(), Failure> {
        let (violations, doubts) = (self.violations(), self.undecided());
        match (violations.as_slice(), doubts.as_slice()) {
            ([], []) => Ok(()),
            ([], doubts) => Err(Failure::undecided(anyhow!(
                "undecided: {}",
                first_few(doubts)
            ))),
            (violations, _) => Err(Failure::violation(anyhow!("{}", first_few(violations)))),
        }
    }
}
