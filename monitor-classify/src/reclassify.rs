//! Further payloads of a flow whose protocol is known: cheaper than [`classify`](crate::classify()).

use crate::finding::{Finding, Strength};
use crate::names::{Confidence, Exposure, Protocol};
use crate::payload::Payload;
use crate::protocol::CLASSIFIERS;
use crate::secret;
use crate::shape::randomness::{Look, look};
use crate::verdict::Verdict;

/// Classifies a payload of a flow whose protocol is known and whose exposure is
/// not.
///
/// Only the classifiers of that protocol are asked, and a weak finding is
/// enough: the flow itself says whose bytes these are. Unknown if the payload
/// does not fit.
#[must_use]
pub fn classify_on(protocol: Protocol, p: &Payload<'_>) -> Verdict {
    let payload = p.inspected();
    match inspect(protocol, &payload) {
        None => Verdict::unknown(),
        Some((protocol, finding)) => {
            // As in `classify`: a finding that is not certain does not override text in plain sight.
            if finding.exposure == Exposure::Encrypted
                && finding.strength != Strength::Certain
                && look(payload.bytes) == Look::Readable
            {
                return Verdict::unknown();
            }
            finding.into_verdict(protocol, Confidence::Likely)
        }
    }
}

/// Classifies a payload of a flow that is known to speak this protocol in
/// plaintext.
///
/// Only the classifiers of that protocol are asked. Unknown, perhaps with
/// credentials, if the payload does not fit: the middle of a message, or the
/// flow has changed its protocol.
#[must_use]
pub fn classify_as(protocol: Protocol, p: &Payload<'_>) -> Verdict {
    let payload = p.inspected();
    if payload.bytes.is_empty() {
        return Verdict::unknown();
    }
    let mut verdict = match inspect(protocol, &payload) {
        None => Verdict::unknown(),
        Some((protocol, finding)) => match finding.strength {
            Strength::Certain => finding.into_verdict(protocol, Confidence::Certain),
            Strength::Likely => finding.into_verdict(protocol, Confidence::Likely),
            Strength::Weak => Verdict::unknown(),
        },
    };
    verdict.add_credentials(secret::credentials(payload.bytes));
    verdict
}

/// What the classifiers of a protocol find, or those of a protocol that refines
/// it, if they are certain.
fn inspect(protocol: Protocol, payload: &Payload<'_>) -> Option<(Protocol, Finding)> {
    CLASSIFIERS
        .iter()
        .filter(|row| row.protocol() == protocol || row.protocol().refines(protocol))
        .filter(|row| row.takes(payload.transport))
        .filter_map(|row| Some((row.protocol(), row.inspect(payload)?)))
        .filter(|(found, finding)| *found == protocol || finding.strength == Strength::Certain)
        .max_by_key(|(found, finding)| (finding.strength, *found != protocol))
}
