//! From a payload to a verdict: all classifiers are asked, and their findings compared.

use crate::classifier::Classifier;
use crate::finding::{Finding, Strength};
use crate::names::{Confidence, Exposure, Protocol};
use crate::nested;
use crate::payload::Payload;
use crate::protocol::CLASSIFIERS;
use crate::secret;
use crate::shape::randomness::{Look, look};
use crate::unclaimed;
use crate::usual_ports::rows_on_port;
use crate::verdict::Verdict;

/// How sure a claim is, and among equally sure ones whether a usual port
/// supports it. A weak finding is a claim only because of its port, so its port
/// does not count twice.
pub(crate) type Rank = (Confidence, bool);
/// No claim is surer.
pub(crate) const HIGHEST: Rank = (Confidence::Certain, true);

/// The surest claim so far.
pub(crate) struct Claim {
    pub(crate) rank: Rank,
    pub(crate) protocol: Protocol,
    finding: Finding,
    /// Another protocol makes an equal claim.
    pub(crate) contested: bool,
    /// All findings with this claim are plaintext.
    pub(crate) plaintext: bool,
}

/// Classifies one payload.
///
/// Never fails: a payload that fits no protocol, or fits two equally well, is
/// [`Protocol::Unknown`]. Whether that can be read may be known all the same:
/// text is plaintext, whatever it says. Only the first 2,048 bytes are looked
/// at, so the work is bounded whatever the bytes.
#[must_use]
pub fn classify(p: &Payload<'_>) -> Verdict {
    let payload = p.inspected();
    if payload.bytes.is_empty() {
        return Verdict::unknown();
    }
    let mut verdict = match nested::packet(&payload) {
        Some(inner) => {
            let inner = inner.map_or_else(Verdict::unknown, |inner| classify(&inner));
            nested::of_tunnel(inner)
        }
        None => decide(&payload),
    };
    if verdict.exposure == Exposure::Plaintext {
        verdict.add_credentials(secret::credentials(payload.bytes));
    }
    verdict
}

fn decide(payload: &Payload<'_>) -> Verdict {
    match surest(payload) {
        Some(claim) if !claim.contested => {
            let mut finding = claim.finding;
            let confidence = claim.rank.0;
            // A claim that is not certain does not override text in plain sight.
            if finding.exposure == Exposure::Encrypted
                && confidence != Confidence::Certain
                && look(payload.bytes) == Look::Readable
            {
                finding.exposure = Exposure::Unknown;
            }
            finding.into_verdict(claim.protocol, confidence)
        }
        Some(claim) if claim.plaintext => Verdict {
            protocol: Protocol::Unknown,
            exposure: Exposure::Plaintext,
            confidence: Confidence::Likely,
            evidence: Some("text of more than one protocol".into()),
            credentials: claim.finding.credentials,
        },
        Some(_) => Verdict::unknown(),
        None => unclaimed::classify(payload),
    }
}

/// The surest claim on a payload.
///
/// Most payloads are certain on their usual port. No row without that port can make an equal claim then, so none is
/// asked.
pub(crate) fn surest(payload: &Payload<'_>) -> Option<Claim> {
    let takes = |row: &&Classifier| row.takes(payload.transport);
    let claim = surest_of(rows_on_port(payload).filter(takes), payload);
    match claim {
        Some(claim) if claim.rank == HIGHEST => Some(claim),
        _ => surest_of(CLASSIFIERS.iter().filter(takes), payload),
    }
}

/// The surest claim of some rows, in the order of the table.
pub(crate) fn surest_of<'a>(
    rows: impl Iterator<Item = &'a Classifier>,
    payload: &Payload<'_>,
) -> Option<Claim> {
    let mut surest: Option<Claim> = None;
    for classifier in rows {
        let Some(finding) = classifier.inspect(payload) else {
            continue;
        };
        let on_port = classifier.is_on_usual_port(payload);
        let rank = match finding.strength {
            Strength::Certain => (Confidence::Certain, on_port),
            Strength::Likely => (Confidence::Likely, on_port),
            Strength::Weak if on_port => (Confidence::Likely, false),
            Strength::Weak => continue,
        };
        let plaintext = finding.exposure == Exposure::Plaintext;
        match &mut surest {
            Some(surest) if surest.rank > rank => {}
            // Two forms of one protocol do not contest each other.
            Some(surest) if surest.rank == rank => {
                surest.contested |= surest.protocol != classifier.protocol();
                surest.plaintext &= plaintext;
            }
            _ => {
                surest = Some(Claim {
                    rank,
                    protocol: classifier.protocol(),
                    finding,
                    contested: false,
                    plaintext,
                });
            }
        }
    }
    surest
}
