//! Violations as findings: both directions of one cause are one.

use crate::host::described_network::title;
use crate::policy::violation::Breach;
use crate::policy::{Violation, violation_text};

/// Violations of one network with the same causes.
#[derive(Debug)]
pub struct Finding<'a> {
    /// The network and its requirement, without an end.
    pub what: String,
    /// Both directions, or one.
    pub directions: Vec<&'a Violation>,
}

impl Finding<'_> {
    /// The likeliest causes, the likeliest first. The mundane one is before the injection.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        self.directions.first().map_or(&[], |one| &one.causes)
    }

    /// One direction: `sent to 192.168.77.2: 3 packets, 300 bytes`. Where no cause is known, with what may be wrong.
    #[must_use]
    pub fn direction(&self, violation: &Violation) -> String {
        let seen = format!(
            "{} {}: {}",
            violation_text::verb(violation.direction),
            violation_text::nodes(violation),
            violation_text::amount(violation)
        );
        if self.causes().is_empty() {
            let meaning = violation_text::meaning(violation.breach, violation.direction);
            format!("{seen}. {meaning}")
        } else {
            seen
        }
    }
}

/// The violations of an audit, in their order, both directions of one cause together; what was sent is first.
#[must_use]
pub fn findings(violations: &[Violation]) -> Vec<Finding<'_>> {
    let mut all: Vec<Finding<'_>> = Vec::new();
    for violation in violations {
        let is_same = |finding: &&mut Finding<'_>| {
            finding.directions.iter().all(|at| {
                (at.vni, at.breach, &at.causes)
                    == (violation.vni, violation.breach, &violation.causes)
                    && at.direction != violation.direction
            })
        };
        match all.iter_mut().find(is_same) {
            Some(finding) => finding.directions.push(violation),
            None => all.push(Finding {
                what: requirement(violation),
                directions: vec![violation],
            }),
        }
    }
    for finding in &mut all {
        // What this host sends is its own fault; what it receives may be another's.
        finding
            .directions
            .sort_by_key(|at| std::cmp::Reverse(at.direction as usize));
    }
    all
}

fn requirement(violation: &Violation) -> String {
    let title = title(violation.vni, &violation.name);
    match violation.breach {
        Breach::Cleartext => format!("{title} must be encrypted, but is in cleartext"),
        Breach::Encrypted => format!("{title} must not be encrypted, but is in ESP"),
    }
}
