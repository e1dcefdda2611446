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

mod judge;
mod payload;
mod protocol;
mod randomness;
mod table;
mod verdict;

mod http;
mod redis;
mod tls;

#[cfg(test)]
mod tests;

pub use judge::classify;
pub use payload::{Payload, Transport};
pub use protocol::{Confidence, CredentialKind, Exposure, Protocol};
pub use verdict::{EVIDENCE_MAX, Verdict};
