//! What one classifier answers, before all answers are compared.

use crate::names::{Confidence, CredentialKind, Exposure, Protocol};
use crate::text::Evidence;
use crate::verdict::Verdict;

/// How well the bytes fit one protocol, before other classifiers and the ports count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// They fit, and would fit other protocols as well.
    Weak,
    /// See [`Confidence::Likely`].
    Likely,
    /// See [`Confidence::Certain`].
    Certain,
}

/// The answer of one classifier.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) strength: Strength,
    pub(crate) exposure: Exposure,
    pub(crate) evidence: Evidence,
    pub(crate) credentials: Vec<CredentialKind>,
}

impl Finding {
    /// Bytes that can be read as they are.
    pub(crate) fn plaintext(strength: Strength, evidence: impl Into<Evidence>) -> Self {
        Self::new(strength, Exposure::Plaintext, evidence)
    }

    /// The bytes prove that they, or what follows them, cannot be read.
    pub(crate) fn encrypted(strength: Strength, evidence: impl Into<Evidence>) -> Self {
        Self::new(strength, Exposure::Encrypted, evidence)
    }

    /// A known protocol, and no proof of either exposure.
    pub(crate) fn undecided(strength: Strength, evidence: impl Into<Evidence>) -> Self {
        Self::new(strength, Exposure::Unknown, evidence)
    }

    fn new(strength: Strength, exposure: Exposure, evidence: impl Into<Evidence>) -> Self {
        Self {
            strength,
            exposure,
            evidence: evidence.into(),
            credentials: Vec::new(),
        }
    }

    /// The same, with a credential in the clear.
    pub(crate) fn with(mut self, kind: CredentialKind) -> Self {
        self.credentials.push(kind);
        self
    }

    /// The same, with a credential if there is one.
    pub(crate) fn with_some(mut self, kind: Option<CredentialKind>) -> Self {
        self.credentials.extend(kind);
        self
    }

    pub(crate) fn into_verdict(self, protocol: Protocol, confidence: Confidence) -> Verdict {
        let mut verdict = Verdict {
            protocol,
            exposure: self.exposure,
            confidence,
            evidence: Some(self.evidence.cut()),
            credentials: Vec::new(),
        };
        verdict.add_credentials(self.credentials);
        verdict
    }
}
