//! The verdict on a message of a tunnel that has neither VNI nor SPI.

use monitor_classify::{Confidence, Exposure, Payload, Protocol, Verdict, classify};
use monitor_common::encapsulation::Encapsulation;

/// The verdict on the payload of the datagram, or, where that shows nothing, from the port and the shape of the message
/// alone.
pub(super) fn tunnel(encapsulation: Encapsulation, payload: &Payload<'_>) -> Verdict {
    let verdict = classify(payload);
    if verdict.exposure != Exposure::Unknown {
        return verdict;
    }
    let (protocol, exposure) = match encapsulation {
        Encapsulation::Wireguard => (Protocol::Wireguard, Exposure::Encrypted),
        // Parts of IKE are cleartext.
        Encapsulation::Ike => (Protocol::Ike, Exposure::Unknown),
        _ => return verdict,
    };
    Verdict {
        protocol,
        exposure,
        confidence: Confidence::Likely,
        ..Verdict::unknown()
    }
}
