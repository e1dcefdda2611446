//! A second look at a flow whose protocol is known, which is cheaper than a first one.

use super::judge::INSPECTED_MAX;
use super::payload::Payload;
use super::protocol::{Confidence, Exposure, Protocol};
use super::randomness::{Look, look};
use super::secrets;
use super::table::CLASSIFIERS;
use super::verdict::{Finding, Strength, Verdict};

/// Says what can be read in a payload of a flow that was told to speak this protocol, and not yet whether that can
/// be read: what would fit others as well is its own. Unknown if it does not fit.
#[must_use]
pub fn classify_on(protocol: Protocol, p: &Payload<'_>) -> Verdict {
    let bytes = &p.bytes[..p.bytes.len().min(INSPECTED_MAX)];
    match inspect(protocol, &Payload { bytes, ..*p }) {
        None => Verdict::unknown(),
        Some((protocol, finding)) => {
            // As anywhere: nobody who is not certain overrules what anybody can see.
            if finding.exposure == Exposure::Encrypted
                && finding.strength != Strength::Certain
                && look(bytes) == Look::Readable
            {
                return Verdict::unknown();
            }
            finding.into_verdict(protocol, Confidence::Likely)
        }
    }
}

/// What the classifiers of a protocol find; or those of one that it can turn out to be, if they are certain.
fn inspect(protocol: Protocol, payload: &Payload<'_>) -> Option<(Protocol, Finding)> {
    CLASSIFIERS
        .iter()
        .filter(|row| row.protocol == protocol || row.protocol.refines(protocol))
        .filter(|row| row.transports.contains(&payload.transport))
        .filter_map(|row| Some((row.protocol, (row.inspect)(payload)?)))
        .filter(|(found, finding)| *found == protocol || finding.strength == Strength::Certain)
        .max_by_key(|(found, finding)| (finding.strength, *found != protocol))
}

/// Says what can be read in a payload of a flow that speaks this protocol, in plaintext, asking the classifiers
/// of that protocol alone. Unknown, perhaps with credentials, if it does not fit: the middle of a message, or another protocol by now.
#[must_use]
pub fn classify_as(protocol: Protocol, p: &Payload<'_>) -> Verdict {
    let bytes = &p.bytes[..p.bytes.len().min(INSPECTED_MAX)];
    if bytes.is_empty() {
        return Verdict::unknown();
    }
    let payload = Payload { bytes, ..*p };
    let mut verdict = match inspect(protocol, &payload) {
        None => Verdict::unknown(),
        Some((protocol, finding)) => match finding.strength {
            Strength::Certain => finding.into_verdict(protocol, Confidence::Certain),
            Strength::Likely => finding.into_verdict(protocol, Confidence::Likely),
            Strength::Weak => Verdict::unknown(),
        },
    };
    secrets::find(bytes, &mut verdict.credentials);
    verdict.credentials.sort_unstable();
    verdict.credentials.dedup();
    verdict
}
