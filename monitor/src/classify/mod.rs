//! What an eavesdropper gets out of a payload: which protocol it speaks,
//! whether it can be read, and what it gives away.
//!
//! One folder or file per protocol, each a pure function over the captured
//! first bytes of one packet of one direction. Those bytes can be cut anywhere,
//! can come from the middle of a stream, and are an attacker's.
//!
//! Two rules bind every classifier:
//!
//! - **Plaintext is never called encrypted; when in doubt, unknown.**
//! - Evidence says *what* could be read, never the secret itself.

mod http;
mod payload;
mod randomness;
mod redis;
mod tls;
mod verdict;

#[cfg(test)]
mod tests;

pub use payload::{Payload, Transport};
pub use verdict::{Confidence, CredentialKind, EVIDENCE_MAX, Exposure, Protocol, Verdict};

use verdict::{Finding, Strength};

/// Bytes of a payload that are looked at; what lies behind changes no verdict.
/// It bounds the work, should a capture hold whole super-packets.
const INSPECTED_MAX: usize = 2048;

/// One protocol, and how its bytes are told from those of the others.
struct Classifier {
    protocol: Protocol,
    transports: &'static [Transport],
    /// Usual ports. They lift a weak finding to a likely one; they are never
    /// evidence by themselves.
    ports: &'static [u16],
    /// What the bytes say, or nothing if they do not fit.
    inspect: fn(&Payload<'_>) -> Option<Finding>,
}

/// Every protocol that is recognised.
///
/// All are asked. The surest finding wins, and an equal claim of two protocols
/// is no verdict: so the order decides nothing. Known conflicts:
///
/// | bytes | fit | settled by |
/// | --- | --- | --- |
/// | `GET /x` cut before the version | HTTP, inline Redis | the Redis port: unknown; else HTTP |
/// | `PING`, `QUIT`, `AUTH …`, `get k` | inline Redis, NATS, SMTP, POP3, memcached | Redis only on its port |
/// | `+OK`, `-ERR …` | RESP, POP3, NATS | RESP only on its port, or beside other RESP values |
/// | `OPTIONS *`, `PRI *` cut before the version | HTTP/1, SIP, RTSP, HTTP/2 | unknown |
const CLASSIFIERS: &[Classifier] = &[
    Classifier {
        protocol: Protocol::Http,
        transports: &[Transport::Tcp],
        ports: &[80, 3128, 8000, 8008, 8080, 8888],
        inspect: http::inspect,
    },
    Classifier {
        protocol: Protocol::Tls,
        transports: &[Transport::Tcp],
        ports: &[443, 465, 636, 853, 989, 990, 993, 995, 5061, 6443, 8443],
        inspect: tls::inspect,
    },
    Classifier {
        protocol: Protocol::Redis,
        transports: &[Transport::Tcp],
        ports: redis::PORTS,
        inspect: redis::inspect,
    },
];

/// Says what can be read in a payload.
///
/// Never fails: what fits nothing, or fits two protocols equally well, is
/// [`Protocol::Unknown`]. The work is bounded whatever the bytes.
pub fn classify(p: &Payload<'_>) -> Verdict {
    let bytes = &p.bytes[..p.bytes.len().min(INSPECTED_MAX)];
    let payload = Payload { bytes, ..*p };
    let mut best: Option<(Protocol, Confidence, Finding)> = None;
    let mut contested = false;
    for classifier in CLASSIFIERS {
        if bytes.is_empty() || !classifier.transports.contains(&p.transport) {
            continue;
        }
        let Some(finding) = (classifier.inspect)(&payload) else {
            continue;
        };
        let confidence = match finding.strength {
            Strength::Certain => Confidence::Certain,
            Strength::Likely => Confidence::Likely,
            Strength::Weak if payload.uses_port(classifier.ports) => Confidence::Likely,
            Strength::Weak => continue,
        };
        let rank = best.as_ref().map(|(_, confidence, _)| *confidence);
        contested = rank == Some(confidence) || (contested && rank > Some(confidence));
        if rank < Some(confidence) {
            best = Some((classifier.protocol, confidence, finding));
        }
    }
    match best {
        Some((protocol, confidence, finding)) if !contested => {
            finding.into_verdict(protocol, confidence)
        }
        _ => Verdict::unknown(),
    }
}
