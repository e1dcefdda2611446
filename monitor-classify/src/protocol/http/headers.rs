//! Header fields: kinds of credentials, services, upgrades; never their values.

use super::service;
use crate::names::CredentialKind;
use crate::secret;
use crate::text::Evidence;

/// Header fields that are parsed; more are ignored.
pub(super) const HEADERS_MAX: usize = 32;

/// Longest `Upgrade` value that is shown.
const UPGRADE_MAX: usize = 24;

/// The header fields of a message, as far as they were captured.
pub(super) struct Fields<'h, 'b> {
    complete: &'h [httparse::Header<'b>],
    /// Name and captured value of the field that the capture ends in.
    cut: Option<(&'b str, &'b [u8])>,
}

impl<'h, 'b> Fields<'h, 'b> {
    /// `partial`: the header block goes on behind `bytes`.
    pub(super) fn new(slots: &'h [httparse::Header<'b>], bytes: &'b [u8], partial: bool) -> Self {
        // A partial parse leaves the slots that it did not reach empty.
        let used = slots
            .iter()
            .position(|header| header.name.is_empty())
            .unwrap_or(slots.len());
        let cut = partial.then(|| last_line(bytes)).flatten();
        Self {
            complete: &slots[..used],
            cut,
        }
    }

    /// The value of the first complete field of this name, given in lower case.
    pub(super) fn value(&self, name: &str) -> Option<&'b [u8]> {
        let field = self
            .complete
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        field.map(|header| header.value.trim_ascii())
    }

    /// Adds the kinds of credentials in these fields.
    pub(super) fn credentials(&self, kinds: &mut Vec<CredentialKind>) {
        let complete = self
            .complete
            .iter()
            .map(|header| (header.name, header.value));
        kinds.extend(
            complete
                .chain(self.cut)
                .filter_map(|(name, value)| kind(name, value)),
        );
    }

    /// The service that a field is typical of.
    pub(super) fn service(&self) -> Option<&'static str> {
        self.complete
            .iter()
            .find_map(|header| service::of_field(header.name, header.value))
    }

    /// Adds ` upgrade=websocket`: from here on the flow may change its protocol.
    pub(super) fn describe_upgrade(&self, evidence: &mut Evidence) {
        let Some(protocol) = self.value("upgrade") else {
            return;
        };
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-./".contains(byte);
        if !protocol.is_empty() && protocol.len() <= UPGRADE_MAX && protocol.iter().all(token) {
            evidence.word(" upgrade=").key(protocol, UPGRADE_MAX);
        }
    }
}

/// The line that the capture ends in, if it got as far as the value.
fn last_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let start = bytes.iter().rposition(|&byte| byte == b'\n')? + 1;
    let line = &bytes[start..];
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    Some((name, &line[colon + 1..]))
}

/// The kind of credential in a field; none before its first byte is there.
pub(crate) fn kind(name: &str, value: &[u8]) -> Option<CredentialKind> {
    let value = value.trim_ascii_start();
    if value.is_empty() {
        return None;
    }
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match name.len() {
        13 if is("authorization") => authorization(value),
        19 if is("proxy-authorization") => Some(CredentialKind::HttpProxyAuthorization),
        6 if is("cookie") => Some(CredentialKind::Cookie),
        10 if is("set-cookie") => Some(CredentialKind::SetCookie),
        _ if secret::is_api_key(name) => Some(CredentialKind::HttpApiKey),
        _ => None,
    }
}

/// The scheme counts once something follows it (RFC 9110 section 11.4).
fn authorization(value: &[u8]) -> Option<CredentialKind> {
    let end = value.iter().position(|&byte| byte == b' ')?;
    let (scheme, rest) = (&value[..end], value[end..].trim_ascii_start());
    if rest.is_empty() {
        None
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        Some(CredentialKind::HttpBasic)
    } else if scheme.eq_ignore_ascii_case(b"bearer") {
        Some(CredentialKind::HttpBearer)
    } else {
        Some(CredentialKind::HttpAuthorization)
    }
}
