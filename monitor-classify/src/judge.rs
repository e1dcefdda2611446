//! One verdict out of what all classifiers say.

use super::payload::Payload;
use super::protocol::{Confidence, Exposure, Protocol};
use super::randomness::{Look, look};
use super::table::CLASSIFIERS;
use super::verdict::{Finding, Strength, Verdict};
use super::{generic, secrets};

/// Bytes of a payload that are looked at; what lies behind changes no verdict.
/// It bounds the work, should a capture hold whole super-packets.
pub(super) const INSPECTED_MAX: usize = 2048;

/// How sure a claim is, and among equally sure ones whether a usual port
/// speaks for it. A weak one that only its port makes likely has no such vote
/// left.
type Rank = (Confidence, bool);

/// The surest claim so far.
struct Claim {
    rank: Rank,
    protocol: Protocol,
    finding: Finding,
    /// Another protocol makes an equal claim.
    contested: bool,
    /// All that make this claim say plaintext.
    plaintext: bool,
}

/// Says what can be read in a payload.
///
/// Never fails: what fits nothing, or fits two protocols equally well, is
/// [`Protocol::Unknown`]. The work is bounded whatever the bytes.
pub fn classify(p: &Payload<'_>) -> Verdict {
    let bytes = &p.bytes[..p.bytes.len().min(INSPECTED_MAX)];
    if bytes.is_empty() {
        return Verdict::unknown();
    }
    let payload = Payload { bytes, ..*p };
    let mut verdict = decide(&payload);
    if verdict.exposure == Exposure::Plaintext {
        secrets::find(bytes, &mut verdict.credentials);
        verdict.credentials.sort_unstable();
        verdict.credentials.dedup();
    }
    verdict
}

fn decide(payload: &Payload<'_>) -> Verdict {
    match best(payload) {
        Some(claim) if !claim.contested => {
            let mut finding = claim.finding;
            let confidence = claim.rank.0;
            // Whoever is not certain must not overrule what anybody can see.
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
        None => generic::judge(payload),
    }
}

fn best(payload: &Payload<'_>) -> Option<Claim> {
    let mut best: Option<Claim> = None;
    for classifier in CLASSIFIERS {
        if !classifier.transports.contains(&payload.transport) {
            continue;
        }
        let Some(finding) = (classifier.inspect)(payload) else {
            continue;
        };
        let at_home = payload.uses_port(classifier.ports);
        let rank = match finding.strength {
            Strength::Certain => (Confidence::Certain, at_home),
            Strength::Likely => (Confidence::Likely, at_home),
            Strength::Weak if at_home => (Confidence::Likely, false),
            Strength::Weak => continue,
        };
        let plaintext = finding.exposure == Exposure::Plaintext;
        match &mut best {
            Some(best) if best.rank > rank => {}
            // Two ways to speak one protocol are no contest.
            Some(best) if best.rank == rank => {
                best.contested |= best.protocol != classifier.protocol;
                best.plaintext &= plaintext;
            }
            _ => {
                best = Some(Claim {
                    rank,
                    protocol: classifier.protocol,
                    finding,
                    contested: false,
                    plaintext,
                });
            }
        }
    }
    best
}
