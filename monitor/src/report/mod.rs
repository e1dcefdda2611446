//! The verdict of an audit, and the forms that it comes in.

pub mod json;
pub mod text;

use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;

use crate::failure::Failure;
use crate::policy::network::title;
use crate::policy::{Doubt, Report, Requirement, State, Status, words};
use crate::snapshot::Attribution;

/// What an audit found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Name of this host.
    pub node: String,
    /// When it began.
    pub started: Timestamp,
    /// How long it watched.
    pub took: Duration,
    /// How long it should have.
    pub planned: Duration,
    /// What was attached where.
    pub watching: String,
    /// Networks and violations.
    pub report: Report,
    /// Whether ESP is attributed to networks.
    pub attribution: Attribution,
    /// What should be watched and is not, a phrase each.
    pub blind: Vec<String>,
}

impl Audit {
    /// Whether all is as it should be: a violation goes before what nobody can tell.
    ///
    /// # Errors
    /// A violation, or an undecided failure; the message says of what.
    pub fn outcome(&self) -> Result<(), Failure> {
        if !self.report.violations.is_empty() {
            let mut found: Vec<String> = self.report.violations.iter().map(words::what).collect();
            found.dedup();
            return Err(Failure::violation(anyhow!("{}", some(&found))));
        }
        let doubts = self.undecided();
        if doubts.is_empty() {
            Ok(())
        } else {
            Err(Failure::undecided(anyhow!(
                "cannot tell: {}",
                some(&doubts)
            )))
        }
    }

    /// What could not be told, a phrase each. Empty if all was.
    #[must_use]
    pub fn undecided(&self) -> Vec<String> {
        let mut doubts = self.blind.clone();
        let of = |status: &Status| {
            let network = status.network.as_ref();
            let name = network.map_or("", |network| &network.name);
            let title = title(status.vni, name);
            let required = network.is_some_and(|at| at.required == Requirement::Required);
            match status.state {
                State::Idle if required => Some(format!("{title} was idle")),
                State::Unknown if required || status.doubts.contains(&Doubt::Blind) => {
                    Some(format!("{title} is unknown"))
                }
                State::Encrypted
                | State::Cleartext
                | State::Mixed
                | State::Idle
                | State::Unknown => None,
            }
        };
        doubts.extend(self.report.networks.iter().filter_map(of));
        doubts
    }
}

/// The first few of them.
fn some(all: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = all[..all.len().min(SHOWN)].join("; ");
    if all.len() > SHOWN {
        text += &format!("; and {} more", all.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::failure::Kind;
    use crate::policy::violation::{Breach, Tally};
    use crate::policy::{self, Network, Seen, Source, Violation};

    use super::*;

    /// An audit of one network with this requirement and state.
    pub(super) fn audit(required: Requirement, state: State) -> Audit {
        Audit {
            node: "node1".to_owned(),
            watching: "eth0 rx (tcx)".to_owned(),
            took: Duration::from_secs(60),
            planned: Duration::from_secs(60),
            attribution: Attribution::Exact,
            report: Report {
                networks: vec![Status {
                    vni: 4096,
                    network: Some(Network {
                        vni: 4096,
                        name: "app1\u{1b}[2J".to_owned(),
                        required,
                        source: Source::Config,
                        kind: policy::Kind::Overlay,
                    }),
                    state,
                    seen: Seen::default(),
                    doubts: vec![],
                }],
                ..Report::default()
            },
            ..Audit::default()
        }
    }

    pub(super) fn violation() -> Violation {
        Violation {
            vni: 4096,
            name: "app1".to_owned(),
            direction: monitor_common::label::Direction::Rx,
            breach: Breach::Cleartext,
            tally: Tally {
                count: monitor_common::key::Count {
                    packets: 3,
                    bytes: 300,
                },
                first: Timestamp::UNIX_EPOCH,
                last: Timestamp::UNIX_EPOCH,
            },
            peers: vec![],
            others: monitor_common::key::Count::default(),
            ended: None,
            causes: vec!["an accident".to_owned()],
        }
    }

    fn kind(audit: &Audit) -> Option<Kind> {
        audit.outcome().err().map(|failure| failure.kind)
    }

    #[test]
    fn a_violation_goes_before_what_nobody_can_tell() {
        for (required, state, expected) in [
            (Requirement::Required, State::Encrypted, None),
            (Requirement::Required, State::Idle, Some(Kind::Undecided)),
            (Requirement::Required, State::Unknown, Some(Kind::Undecided)),
            (Requirement::Optional, State::Cleartext, None),
            (Requirement::Optional, State::Idle, None),
            (Requirement::Forbidden, State::Cleartext, None),
        ] {
            let mut audit = audit(required, state);
            assert_eq!(kind(&audit), expected, "{required:?} {state:?}");
            audit.blind = vec!["no interface eth0".to_owned()];
            assert_eq!(kind(&audit), Some(Kind::Undecided));
            audit.report.violations = vec![violation()];
            assert_eq!(kind(&audit), Some(Kind::Violation));
        }
    }
}
