//! What a classifier answers.

use serde::Serialize;

use super::protocol::{Confidence, CredentialKind, Exposure, Protocol};
use crate::text;

/// Longest evidence, in characters.
pub const EVIDENCE_MAX: usize = 120;

/// What was found in a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether it can be read. Can be unknown for a known protocol: a TLS
    /// handshake cut before the cipher suite proves nothing yet.
    pub exposure: Exposure,
    /// How sure protocol and exposure are.
    pub confidence: Confidence,
    /// What could be read: one line, redacted, escaped, at most
    /// [`EVIDENCE_MAX`] characters.
    pub evidence: Option<String>,
    /// Credentials seen, by kind; sorted, each kind once.
    pub credentials: Vec<CredentialKind>,
}

impl Verdict {
    /// No honest verdict is possible.
    pub const fn unknown() -> Self {
        Self {
            protocol: Protocol::Unknown,
            exposure: Exposure::Unknown,
            confidence: Confidence::None,
            evidence: None,
            credentials: Vec::new(),
        }
    }
}

/// How well bytes fit one protocol, before the others and the ports have a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// They fit, and would fit others as well.
    Weak,
    /// See [`Confidence::Likely`].
    Likely,
    /// See [`Confidence::Certain`].
    Certain,
}

/// The answer of one classifier.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) strength: Strength,
    pub(super) exposure: Exposure,
    /// Redacted and escaped already.
    pub(super) evidence: String,
    pub(super) credentials: Vec<CredentialKind>,
}

impl Finding {
    /// Bytes that can be read as they are. `evidence` is redacted and escaped.
    pub(super) fn plaintext(strength: Strength, evidence: impl Into<String>) -> Self {
        Self::new(strength, Exposure::Plaintext, evidence)
    }

    /// Bytes of which it is proven that they, or what follows them, cannot be read.
    pub(super) fn encrypted(strength: Strength, evidence: impl Into<String>) -> Self {
        Self::new(strength, Exposure::Encrypted, evidence)
    }

    /// A known protocol, and no proof of either.
    pub(super) fn undecided(strength: Strength, evidence: impl Into<String>) -> Self {
        Self::new(strength, Exposure::Unknown, evidence)
    }

    fn new(strength: Strength, exposure: Exposure, evidence: impl Into<String>) -> Self {
        Self {
            strength,
            exposure,
            evidence: evidence.into(),
            credentials: Vec::new(),
        }
    }

    /// The same, with a credential in the clear.
    pub(super) fn with(mut self, kind: CredentialKind) -> Self {
        self.credentials.push(kind);
        self
    }

    /// The same, with a credential if there is one.
    pub(super) fn with_some(mut self, kind: Option<CredentialKind>) -> Self {
        self.credentials.extend(kind);
        self
    }

    pub(super) fn into_verdict(self, protocol: Protocol, confidence: Confidence) -> Verdict {
        let mut credentials = self.credentials;
        credentials.sort_unstable();
        credentials.dedup();
        Verdict {
            protocol,
            exposure: self.exposure,
            confidence,
            evidence: Some(cut(self.evidence)),
            credentials,
        }
    }
}

/// Shortens evidence that is safe already to [`EVIDENCE_MAX`] characters.
fn cut(mut evidence: String) -> String {
    if let Some((end, _)) = evidence.char_indices().nth(EVIDENCE_MAX) {
        evidence.truncate(end);
        evidence.pop();
        evidence.push_str(text::mask::MASKED);
    }
    evidence
}
