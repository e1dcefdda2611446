//! What a classifier answers.

use std::fmt;

use serde::Serialize;

use crate::text;

/// Longest evidence, in characters.
pub const EVIDENCE_MAX: usize = 120;

/// An enum whose members have one name, the same in JSON, metrics and text.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $member:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $member,)+
        }

        impl $name {
            /// Every member.
            pub const ALL: &'static [Self] = &[$(Self::$member),+];

            /// The name in JSON, in metric labels and on screens.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

named! {
    /// The protocol that a payload speaks.
    Protocol {
        /// HTTP/1.0 or HTTP/1.1 (RFC 9112).
        Http = "http",
        /// RESP 2 or 3 or inline commands: Redis and those that speak like it.
        Redis = "redis",
        /// SSL 3.0 to TLS 1.3.
        Tls = "tls",
        /// The bytes fit no protocol, or more than one.
        Unknown = "unknown",
    }
}

named! {
    /// Whether somebody on the path can read the contents.
    Exposure {
        /// They can be read as they are.
        Plaintext = "plaintext",
        /// They cannot; names in the handshake (SNI, ALPN) still can.
        Encrypted = "encrypted",
        /// No honest answer is possible from these bytes.
        Unknown = "unknown",
    }
}

named! {
    /// How sure a verdict is. Ordered: none, likely, certain.
    Confidence {
        /// No verdict.
        None = "none",
        /// The bytes fit this protocol and no other known one, but are few, or
        /// only the usual port speaks against another.
        Likely = "likely",
        /// The structure of the protocol is there and consistent.
        Certain = "certain",
    }
}

named! {
    /// A kind of credential that crossed the wire in the clear. Never its value.
    CredentialKind {
        /// `Authorization: Basic`: user name and password.
        HttpBasic = "http_basic",
        /// `Authorization: Bearer`.
        HttpBearer = "http_bearer",
        /// `Authorization` by another scheme: Digest, Negotiate, Token, …
        HttpAuthorization = "http_authorization",
        /// `Proxy-Authorization`, whatever the scheme.
        HttpProxyAuthorization = "http_proxy_authorization",
        /// `X-Api-Key` and its like.
        HttpApiKey = "http_api_key",
        /// `Cookie`.
        Cookie = "cookie",
        /// `Set-Cookie`.
        SetCookie = "set_cookie",
        /// User and password in a URL, or a query parameter named like a secret.
        Url = "url",
        /// Redis `AUTH`, `HELLO … AUTH`, `ACL SETUSER`, `CONFIG SET requirepass`.
        RedisAuth = "redis_auth",
    }
}

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
