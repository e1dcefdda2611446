//! The result for one payload.

use serde::Serialize;

use crate::names::{Confidence, CredentialKind, Exposure, Protocol};
use crate::text::Evidence;

/// What a payload is, whether it can be read, and what it gives away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The protocol of the payload.
    pub protocol: Protocol,
    /// Whether it can be read. Can be unknown for a known protocol: a TLS
    /// handshake cut before the cipher suite proves nothing yet.
    pub exposure: Exposure,
    /// How sure protocol and exposure are.
    pub confidence: Confidence,
    /// What could be read.
    pub evidence: Option<Evidence>,
    /// Kinds of the credentials found; sorted, each kind once.
    pub credentials: Vec<CredentialKind>,
}

impl Verdict {
    /// Neither protocol nor exposure could be determined.
    pub const fn unknown() -> Self {
        Self {
            protocol: Protocol::Unknown,
            exposure: Exposure::Unknown,
            confidence: Confidence::None,
            evidence: None,
            credentials: Vec::new(),
        }
    }

    /// The same, with the names of accounts in its evidence.
    #[must_use]
    pub fn with_users(self) -> Self {
        Self {
            evidence: self.evidence.map(Evidence::with_users),
            ..self
        }
    }

    /// Adds credentials; the list stays sorted, each kind once.
    pub(crate) fn add_credentials(&mut self, found: impl IntoIterator<Item = CredentialKind>) {
        self.credentials.extend(found);
        self.credentials.sort_unstable();
        self.credentials.dedup();
    }
}
