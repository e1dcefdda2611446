//! What an eavesdropper gets out of a payload: its protocol, whether it can be
//! read, and what it gives away.
//!
//! ```
//! use monitor_classify::{CredentialKind, Exposure, Payload, Protocol, Transport, classify};
//!
//! let bytes = b"GET /cart?token=hunter2 HTTP/1.1\r\nHost: shop.example\r\n\r\n";
//! let verdict = classify(&Payload {
//!     bytes,
//!     wire_len: 56,
//!     transport: Transport::Tcp,
//!     src_port: 40_000,
//!     dst_port: 80,
//! });
//! assert_eq!(verdict.protocol, Protocol::Http);
//! assert_eq!(verdict.exposure, Exposure::Plaintext);
//! // Evidence is redacted: names, no values.
//! assert_eq!(verdict.evidence.as_deref(), Some("GET /cart?token=… shop.example"));
//! assert_eq!(verdict.credentials, [CredentialKind::Url]);
//! ```
//!
//! A payload is the captured part of one packet in one direction: it may be cut
//! anywhere, start in the middle of a stream, and be made up by an attacker.
//! Everything here is a pure function of it: no I/O, no clock, no state between
//! calls, no panic, and bounded work. Who follows a flow combines the verdicts
//! of its packets, and asks [`classify_on`] and [`classify_as`] once its
//! protocol is known, and [`http_rest`] how far a message goes on.
//!
//! Two rules bind every classifier:
//!
//! - **Plaintext is never called encrypted; when in doubt, unknown.**
//! - Evidence names *what* could be read, never the secret itself.
//!
//! | folder | what is in it |
//! | --- | --- |
//! | `protocol/` | the table of classifiers, and a file or folder for each protocol |
//! | `parse/` | what several protocols are made of: fields, lines, BER, SQL |
//! | `shape/` | what bytes look like, whatever their protocol: text, files, random |
//! | `secret/` | what looks like a secret: the list of prefixes and names, random tokens, credentials in any protocol |
//! | `text/` | escaping, masking, and evidence: the only text that is made of a payload |

mod association;
mod classifier;
mod classify;
mod esp;
mod finding;
mod names;
mod nested;
mod parse;
mod payload;
mod protocol;
mod reclassify;
mod secret;
mod shape;
pub mod text;
mod unclaimed;
mod usual_ports;
mod verdict;

#[cfg(test)]
mod tests;

pub use association::{Association, EspPacket, ah};
pub use classifier::Classifier;
pub use classify::classify;
pub use esp::esp;
pub use names::{Confidence, CredentialKind, Exposure, Protocol};
pub use payload::{Payload, Transport};
pub use protocol::{classifiers, http_body, http_rest, is_usual_port, recognised};
pub use reclassify::{classify_as, classify_on};
pub use text::{EVIDENCE_MAX, Evidence};
pub use verdict::Verdict;
