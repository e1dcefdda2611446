//! Evidence: what was readable in a payload, as one line that is safe to print.

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

use super::{mask, url};
use crate::names::CredentialKind;

/// Longest evidence, in characters.
pub const EVIDENCE_MAX: usize = 120;

/// Longest name of an account that is shown.
const USER_MAX: usize = 48;

/// What could be read in a payload: one line, escaped, at most [`EVIDENCE_MAX`] characters, without secrets.
///
/// Bytes from the wire get into it only through the methods that name what they are, each of which escapes and masks
/// accordingly; there is no way from a text to evidence. Names of accounts are masked as well, and kept beside:
/// [`with_users`](Self::with_users) shows them, on request.
///
/// ```
/// use monitor_classify::{Payload, Transport, classify};
///
/// let bytes = b"USER alice\r\n";
/// let verdict = classify(&Payload {
///     bytes,
///     wire_len: 12,
///     transport: Transport::Tcp,
///     src_port: 40_000,
///     dst_port: 21,
/// });
/// let evidence = verdict.evidence.unwrap();
/// assert_eq!(evidence.as_str(), "USER …");
/// assert_eq!(evidence.with_users().as_str(), "USER alice");
/// ```
///
/// Words of the program's own are evidence; a text that was made of a payload lives too short for that, and does not
/// compile:
///
/// ```
/// let evidence = monitor_classify::Evidence::from("handshake");
/// # assert_eq!(evidence.as_str(), "handshake");
/// ```
///
/// ```compile_fail,E0597
/// let payload = b"secret".to_vec();
/// let text = String::from_utf8(payload).unwrap();
/// let evidence = monitor_classify::Evidence::from(text.as_str());
/// ```
///
/// ```compile_fail,E0277
/// let text = String::from_utf8(b"secret".to_vec()).unwrap();
/// let evidence: monitor_classify::Evidence = text.into();
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    text: String,
    /// The same with the names of accounts, once there is one.
    with_users: Option<String>,
}

impl Evidence {
    /// The text, with names of accounts masked.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same with the names of accounts in it.
    #[must_use]
    pub fn with_users(self) -> Self {
        Self {
            text: self.with_users.unwrap_or(self.text),
            with_users: None,
        }
    }

    /// `after redis: TLS 1.3 ClientHello`: evidence of a flow that changed its protocol, whose name is given.
    #[must_use]
    pub fn after(protocol: crate::Protocol, evidence: Option<&Self>) -> Self {
        let mut text = Self::from("after ");
        text.word(protocol.name()).word(": ");
        match evidence {
            Some(evidence) => text.evidence(evidence),
            None => text.word("encrypted"),
        };
        text.cut()
    }

    /// Makes evidence out of pieces.
    pub(crate) fn of(build: impl FnOnce(&mut Self) -> &mut Self) -> Self {
        let mut evidence = Self::default();
        build(&mut evidence);
        evidence
    }

    /// A word of the program's own.
    pub(crate) fn word(&mut self, word: &'static str) -> &mut Self {
        self.push(word)
    }

    /// A number.
    pub(crate) fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        self.push(&number.into().to_string())
    }

    /// Something that was readable and is not shown.
    pub(crate) fn hidden(&mut self) -> &mut Self {
        self.push(mask::MASKED)
    }

    /// A key, table, database, file or other name with parts.
    pub(crate) fn key(&mut self, key: &[u8], max: usize) -> &mut Self {
        self.push(&mask::key(key, max))
    }

    /// A topic, subject, routing key or metric: a name that dots divide as well.
    pub(crate) fn topic(&mut self, topic: &[u8], max: usize) -> &mut Self {
        self.push(&mask::topic(topic, max))
    }

    /// The name of a host, as in DNS, with or without a port.
    pub(crate) fn host(&mut self, host: &[u8], max: usize) -> &mut Self {
        self.push(&mask::host(host, max))
    }

    /// What should be a host, perhaps with a port; hidden if it is not.
    pub(crate) fn authority(&mut self, authority: &[u8], max: usize) -> &mut Self {
        if url::is_authority(authority) {
            self.host(authority, max)
        } else {
            self.hidden()
        }
    }

    /// A name in one piece: of software, an application, a mechanism.
    pub(crate) fn name(&mut self, name: &[u8], max: usize) -> &mut Self {
        self.push(&mask::name(name, max))
    }

    /// The name of an account, if all of it was captured. Shown only by [`Self::with_users`], and not even there if
    /// it looks like a token.
    pub(crate) fn user(&mut self, user: &[u8], whole: bool) -> &mut Self {
        if !whole {
            return self.hidden();
        }
        let mut shown = self.with_users.take().unwrap_or_else(|| self.text.clone());
        shown.push_str(&mask::name(user, USER_MAX));
        self.text.push_str(mask::MASKED);
        self.with_users = Some(shown);
        self
    }

    /// An entry of a table that a word from the wire is; hidden if it is none.
    pub(crate) fn known(&mut self, entry: Option<&'static str>) -> &mut Self {
        match entry {
            Some(entry) => self.word(entry),
            None => self.hidden(),
        }
    }

    /// A mail address, of which only the domain is shown: `…@example.org`.
    pub(crate) fn address(&mut self, address: &[u8]) -> &mut Self {
        self.push(&mask::address(address))
    }

    /// A URL or a request target, and what credentials it holds.
    pub(crate) fn url(&mut self, url: &[u8], complete: bool) -> Vec<CredentialKind> {
        let (text, credentials) = url::redact(url, complete);
        self.push(&text);
        credentials
    }

    /// Other evidence.
    pub(crate) fn evidence(&mut self, other: &Self) -> &mut Self {
        if let Some(users) = &other.with_users {
            let mut shown = self.with_users.take().unwrap_or_else(|| self.text.clone());
            shown.push_str(users);
            self.with_users = Some(shown);
        } else if let Some(shown) = &mut self.with_users {
            shown.push_str(&other.text);
        }
        self.text.push_str(&other.text);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Shortens it to [`EVIDENCE_MAX`] characters.
    pub(crate) fn cut(mut self) -> Self {
        shorten(&mut self.text);
        if let Some(shown) = &mut self.with_users {
            shorten(shown);
        }
        self
    }

    /// Appends text that is escaped and masked already: the one way in.
    fn push(&mut self, safe: &str) -> &mut Self {
        self.text.push_str(safe);
        if let Some(shown) = &mut self.with_users {
            shown.push_str(safe);
        }
        self
    }
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(EVIDENCE_MAX) {
        text.truncate(end);
        text.pop();
        text.push_str(mask::MASKED);
    }
}

/// A word of the program's own. A text from the wire lives too short for this.
impl From<&'static str> for Evidence {
    fn from(word: &'static str) -> Self {
        Self {
            text: word.to_owned(),
            with_users: None,
        }
    }
}

impl Deref for Evidence {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// Without names of accounts, as everywhere.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
