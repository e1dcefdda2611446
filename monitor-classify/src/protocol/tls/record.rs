//! The record layer (RFC 8446 section 5.1, RFC 5246 section 6.2).

use crate::parse::reader::Reader;

/// Longest record: 2^14 bytes and what protection may add (RFC 5246).
const LENGTH_MAX: u16 = (1 << 14) + 2048;

/// Longest handshake message that is believed: certificate chains stay below.
const HANDSHAKE_MAX: u32 = 1 << 18;

/// What a record carries. Heartbeats are left out: they are not in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
}

/// A record, as far as it was captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) content: ContentType,
    /// Minor number of the version in the header; the major one is 3.
    minor: u8,
    /// Length on the wire, in bytes.
    pub(super) length: u16,
    pub(super) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes one record off `rest`. Outer nothing: this is not TLS; inner
    /// nothing: the bytes end in or before the header, and fit so far.
    #[expect(
        clippy::option_option,
        reason = "not TLS, cut, or a record: three answers"
    )]
    pub(super) fn read(rest: &mut &'a [u8]) -> Option<Option<Self>> {
        let content = match rest.first() {
            None => return Some(None),
            Some(20) => ContentType::ChangeCipherSpec,
            Some(21) => ContentType::Alert,
            Some(22) => ContentType::Handshake,
            Some(23) => ContentType::ApplicationData,
            Some(_) => return None,
        };
        if rest.get(1).is_some_and(|&major| major != 3)
            || rest.get(2).is_some_and(|&minor| minor > 4)
        {
            return None;
        }
        let &[_, _, minor, high, low, ref behind @ ..] = *rest else {
            return Some(None);
        };
        let length = u16::from_be_bytes([high, low]);
        // Only application data may be empty (RFC 5246 section 6.2.1).
        if length > LENGTH_MAX || (length == 0 && content != ContentType::ApplicationData) {
            return None;
        }
        let (body, next) = behind.split_at(behind.len().min(usize::from(length)));
        *rest = next;
        Some(Some(Self {
            content,
            minor,
            length,
            body,
        }))
    }

    /// Type and name of the handshake message that starts this record in the
    /// clear. After a change of keys only a hello still may: the second one of
    /// a client that was asked to retry (RFC 8446 section 4.1.2).
    pub(super) fn clear_message(&self, keys_changed: bool) -> Option<(u8, &'static str)> {
        let mut reader = Reader::new(self.body);
        let kind = reader.u8()?;
        let name = handshake_name(kind)?;
        let Some(length) = reader.u24() else {
            return (!keys_changed).then_some((kind, name));
        };
        let fills = length.checked_add(4) == Some(u32::from(self.length));
        let fits = match kind {
            // Empty by definition; ciphertext may well start with zeros.
            0 | 14 => length == 0,
            _ => length > 0 && length <= HANDSHAKE_MAX,
        };
        let fits = fits && (kind != 0 || fills) && (!keys_changed || (fills && kind <= 2));
        fits.then_some((kind, name))
    }

    /// TLS 1.3 writes 1.2 into its records, for the sake of middleboxes.
    pub(super) const fn version_name(&self) -> &'static str {
        match self.minor {
            3 => "TLS 1.2/1.3",
            minor => version_name(0x0300 | minor as u16),
        }
    }
}

/// What is left of the messages in a handshake record behind those that end in it.
pub(super) fn unfinished(mut messages: &[u8]) -> &[u8] {
    while let &[_, a, b, c, ref rest @ ..] = messages {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        match rest.get(length..) {
            Some(next) => messages = next,
            None => break,
        }
    }
    messages
}

/// The name of a protocol version.
pub(super) const fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        _ => "TLS",
    }
}

/// Handshake messages that cross the wire in the clear (IANA registry).
pub(crate) const fn handshake_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        4 => "NewSessionTicket",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        22 => "CertificateStatus",
        _ => return None,
    })
}

/// Alert descriptions (RFC 8446 section 6, RFC 5246 section 7.2).
pub(super) const fn alert_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => return None,
    })
}
