//! Messages of the protocols in binary, whole, cut, and against all others.

mod brokers;
mod databases;
mod directory;
mod services;
mod tunnels;

use super::*;
use Confidence::{Certain, Likely};

/// Stands in every place where a secret can.
const SECRET: &str = "s3cr3t";

/// One payload, and its verdict on its port.
struct Case {
    protocol: Protocol,
    transport: Transport,
    /// Sent by the server.
    replied: bool,
    port: u16,
    bytes: Vec<u8>,
    exposure: Exposure,
    confidence: Confidence,
    evidence: String,
    credentials: Vec<CredentialKind>,
}

impl Case {
    /// What a client sends to a port of the server: TCP, in plaintext.
    fn to(
        protocol: Protocol,
        port: u16,
        bytes: impl Into<Vec<u8>>,
        confidence: Confidence,
        evidence: &str,
    ) -> Self {
        Self {
            protocol,
            transport: Transport::Tcp,
            replied: false,
            port,
            bytes: bytes.into(),
            exposure: Exposure::Plaintext,
            confidence,
            evidence: evidence.into(),
            credentials: Vec::new(),
        }
    }

    /// What the server sends.
    fn from(
        protocol: Protocol,
        port: u16,
        bytes: impl Into<Vec<u8>>,
        confidence: Confidence,
        evidence: &str,
    ) -> Self {
        Self {
            replied: true,
            ..Self::to(protocol, port, bytes, confidence, evidence)
        }
    }

    fn udp(mut self) -> Self {
        self.transport = Transport::Udp;
        self
    }

    fn exposed(mut self, exposure: Exposure) -> Self {
        self.exposure = exposure;
        self
    }

    fn with(mut self, kind: CredentialKind) -> Self {
        self.credentials.push(kind);
        self
    }

    /// The first `length` bytes of it, between these ports.
    fn payload(&self, length: usize, port: u16) -> Payload<'_> {
        let (src_port, dst_port) = if self.replied {
            (port, CLIENT)
        } else {
            (CLIENT, port)
        };
        Payload {
            transport: self.transport,
            ..payload(&self.bytes[..length], self.bytes.len(), src_port, dst_port)
        }
    }
}

fn cases() -> Vec<Case> {
    [
        brokers::cases(),
        databases::cases(),
        directory::cases(),
        services::cases(),
        tunnels::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a verdict names the protocol of a case, or none. Multicast DNS
/// and LLMNR are distinguished by their ports alone.
fn is_named(case: &Case, verdict: &Verdict) -> bool {
    let is_dns = matches!(case.protocol, Protocol::Mdns | Protocol::Llmnr);
    [case.protocol, Protocol::Unknown].contains(&verdict.protocol)
        || (is_dns && verdict.protocol == Protocol::Dns)
}

/// Fails with one line for each case that is not right.
fn check(problem: impl Fn(&Case) -> Option<String>) {
    let problems: Vec<String> = cases().iter().filter_map(problem).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn messages_are_recognised_and_described() {
    check(|case| {
        let verdict = classify(&case.payload(case.bytes.len(), case.port));
        let said = (
            verdict.protocol,
            verdict.exposure,
            verdict.confidence,
            evidence(&verdict),
            &verdict.credentials,
        );
        let expected = (
            case.protocol,
            case.exposure,
            case.confidence,
            case.evidence.clone(),
            &case.credentials,
        );
        (said != expected).then(|| {
            format!(
                "{said:?}, not {expected:?}, of {}",
                case.bytes.escape_ascii()
            )
        })
    });
}

/// Cut anywhere, on the port and off it: the right protocol or none, the right
/// exposure or none, no other credential, and never a secret.
#[test]
fn every_truncation_is_right_or_unknown_and_keeps_secrets() {
    check(|case| {
        let lengths = (0..=case.bytes.len()).flat_map(|length| [(length, case.port), (length, 1)]);
        lengths.into_iter().find_map(|(length, port)| {
            let verdict = classify(&case.payload(length, port));
            let right = is_named(case, &verdict)
                && [case.exposure, Exposure::Unknown].contains(&verdict.exposure)
                && verdict
                    .credentials
                    .iter()
                    .all(|kind| case.credentials.contains(kind))
                && !format!("{verdict:?}").contains(&SECRET[..4]);
            (!right).then(|| {
                format!(
                    "{verdict:?} on {port} of {:?}: {}",
                    case.protocol,
                    case.bytes[..length].escape_ascii()
                )
            })
        })
    });
}

/// In a segment with others, or with the start of the next one.
#[test]
fn what_follows_a_message_makes_it_no_other_protocol() {
    check(|case| {
        let tails = [
            &b"\0"[..],
            b"\x17\x03\x03\0\x20",
            b"GET / HTTP/1.1\r\n",
            &case.bytes,
        ];
        tails.into_iter().find_map(|tail| {
            let bytes = [&case.bytes, tail].concat();
            let whole = case.payload(0, case.port);
            let verdict = classify(&Payload {
                bytes: &bytes,
                wire_len: u32::try_from(bytes.len()).unwrap(),
                ..whole
            });
            // A letter before a request is a longer method.
            let right = [case.protocol, Protocol::Unknown].contains(&verdict.protocol)
                || case.bytes.len() == 1;
            (!right).then(|| {
                format!(
                    "{verdict:?} of {} and {}",
                    case.bytes.escape_ascii(),
                    tail.escape_ascii()
                )
            })
        })
    });
}

/// What is cut to 30 bytes on its port, the payload of a packet of 96 bytes, is
/// named all the same where it can be.
#[test]
fn on_their_ports_short_captures_are_named() {
    check(|case| {
        let verdict = classify(&case.payload(case.bytes.len().min(30), case.port));
        (verdict.protocol != case.protocol)
            .then(|| format!("{verdict:?} of {:?} {}", case.protocol, case.evidence))
    });
}
