//! What an audit concludes, in one sentence, and its violations as findings: both directions of one cause are one. Text
//! and page share it.

use std::fmt::Write;

use super::Audit;
use super::audit::undecided_network;
pub use super::finding::{Finding, findings};
use crate::base::plural::counted;

/// The conclusion, in one sentence.
#[must_use]
pub fn sentence(audit: &Audit) -> String {
    let report = &audit.report;
    let restricted = report
        .networks
        .iter()
        .filter(|status| status.network.as_ref().is_some_and(|at| at.is_restricted()))
        .count();
    let mut violated: Vec<u32> = report.violations.iter().map(|at| at.vni).collect();
    violated.sort_unstable();
    violated.dedup();
    // A network that violates its requirement and fell silent since is judged.
    let undecided = report
        .networks
        .iter()
        .filter(|status| !violated.contains(&status.vni) && undecided_network(status).is_some())
        .count();
    let violated = violated.len();
    let mut text = match (violated, restricted.max(violated)) {
        (0, 0) => format!(
            "No network has a requirement; {}",
            match report.networks.len() {
                0 => "no overlay traffic was seen".to_owned(),
                seen => format!("{} seen", counted(seen, "network")),
            }
        ),
        (0, all) if undecided == 0 && audit.blind.is_empty() => format!(
            "{} as required",
            match all {
                1 => "The network with a requirement is".to_owned(),
                all => format!("All {all} networks with a requirement are"),
            }
        ),
        (0, all) => format!(
            "None of {} is seen to violate it",
            counted(all, "network") + " with a requirement"
        ),
        (violated, all) => format!(
            "{violated} of {} with a requirement {}",
            counted(all, "network"),
            if violated == 1 {
                "violates it"
            } else {
                "violate it"
            }
        ),
    };
    if undecided != 0 {
        let _ = write!(text, "; {undecided} could not be judged");
    }
    if !audit.blind.is_empty() {
        text.push_str("; not everything was watched");
    }
    let shares = audit.exposure.shares();
    if audit.exposure.is_watched && shares.total() != 0 {
        let kinds = audit.exposure.credentials().len();
        let _ = match (shares.readable, kinds) {
            (0, _) => write!(text, "; nothing readable was found"),
            (_, 0) => write!(
                text,
                "; {} of the bytes can be read on the path",
                crate::surface::numbers::percent(shares.readable, shares.total())
            ),
            (_, kinds) => write!(
                text,
                "; {} of the bytes can be read on the path, with {} of credentials",
                crate::surface::numbers::percent(shares.readable, shares.total()),
                counted(kinds, "kind")
            ),
        };
    }
    text
}

/// Why ESP is not attributed to networks, as a limit of this host; `None` if it is.
#[must_use]
pub fn limit(audit: &Audit) -> Option<String> {
    use crate::kernel::Attribution;
    match &audit.attribution {
        Attribution::Exact => None,
        Attribution::None => Some("ESP is not attributed to networks".to_owned()),
        Attribution::Impossible(why) => Some(format!("ESP is not attributed to networks: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use monitor_classify::{CredentialKind, Exposure, Protocol};
    use monitor_common::direction::Direction;
    use monitor_common::key::NetworkId;

    use super::*;
    use crate::policy::{Requirement, State, Violation};
    use crate::surface::report::audit::ExposureReport;
    use crate::surface::report::chapter::chapters;
    use crate::surface::report::conversation::Conversations;
    use crate::surface::report::tests::{audit, counted, record, violation};

    #[test]
    fn both_directions_of_one_cause_are_one_finding() {
        let rx = violation();
        let tx = Violation {
            direction: Direction::Tx,
            ..rx.clone()
        };
        let other_cause = Violation {
            causes: vec!["another".to_owned()],
            ..tx.clone()
        };
        let of = |violations: &[Violation]| {
            let findings = findings(violations);
            Vec::from_iter(findings.iter().map(|at| at.directions.len()))
        };
        assert_eq!(of(&[rx.clone(), tx.clone()]), [2]);
        assert_eq!(of(&[rx.clone(), other_cause]), [1, 1]);
        let both = [rx, tx];
        let finding = &findings(&both)[0];
        assert_eq!(finding.directions[0].direction, Direction::Tx);
        // A known cause stands in place of what may be wrong.
        assert!(!finding.direction(&both[0]).contains("injected"));
        let unexplained = Violation {
            causes: Vec::new(),
            ..both[0].clone()
        };
        let text = findings(std::slice::from_ref(&unexplained))[0].direction(&unexplained);
        assert!(text.contains("or the packets are injected"), "{text}");
    }

    #[test]
    fn the_sentence_counts_what_is_violated_and_what_is_not_known() {
        let mut report = audit(Requirement::Required, State::Encrypted);
        assert!(
            sentence(&report).starts_with("The network with a requirement is as required"),
            "{}",
            sentence(&report)
        );
        report.report.violations = vec![violation()];
        assert!(
            sentence(&report).starts_with("1 of 1 network with a requirement violates it"),
            "{}",
            sentence(&report)
        );
        let idle = audit(Requirement::Required, State::Idle);
        assert!(
            sentence(&idle).contains("; 1 could not be judged"),
            "{}",
            sentence(&idle)
        );
        let free = audit(Requirement::Optional, State::Cleartext);
        assert!(
            sentence(&free).starts_with("No network has a requirement; 1 network seen"),
            "{}",
            sentence(&free)
        );
    }

    #[test]
    fn how_much_can_be_read_is_said_with_and_without_credentials() {
        let vni = NetworkId::vni(4096);
        let says = |rows: &[_], credentials: &[CredentialKind]| {
            let mut audit = audit(Requirement::Optional, State::Mixed);
            let mut record = record(Some(4096), ("10.0.0.1", 40_000), ("10.0.0.2", 6379));
            record.verdict.credentials = credentials.to_vec();
            let mut conversations = Conversations::default();
            conversations.add(&record);
            let (chapters, _) = chapters(&counted(rows), &audit.report, &conversations);
            audit.exposure = ExposureReport {
                is_watched: true,
                chapters,
                ..ExposureReport::default()
            };
            let text = sentence(&audit);
            text.rsplit("; ").next().unwrap().to_owned()
        };
        let plaintext = (vni, Protocol::Redis, Exposure::Plaintext, 1);
        let encrypted = (vni, Protocol::Tls, Exposure::Encrypted, 3);
        assert_eq!(
            says(&[plaintext, encrypted], &[]),
            "25.0 % of the bytes can be read on the path"
        );
        assert_eq!(
            says(&[plaintext, encrypted], &CredentialKind::ALL[..2]),
            "25.0 % of the bytes can be read on the path, with 2 kinds of credentials"
        );
        assert_eq!(says(&[encrypted], &[]), "nothing readable was found");
    }
}
