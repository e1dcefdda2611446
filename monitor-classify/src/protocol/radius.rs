//! RADIUS (RFC 2865, 2866, 5176).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;

pub(super) const PORTS: &[u16] = &[1812, 1813, 1645, 1646, 3799];

/// Code, number, length, authenticator; then attributes of type and length.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let name = code_name(reader.u8()?)?;
    reader.u8()?;
    let length = reader.u16()?;
    if !(20..=4096).contains(&length) || !p.is_filled_by(u64::from(length)) {
        return None;
    }
    let mut finding = Finding::plaintext(Strength::Likely, name);
    if reader.take(16).is_none() {
        finding.strength = Strength::Weak;
        return Some(finding);
    }
    let (mut used, mut attributes) = (20_usize, 0);
    while let (Some(kind), Some(size)) = (reader.u8(), reader.u8()) {
        if kind == 0 || size < 2 {
            return None;
        }
        let Some(value) = reader.take(usize::from(size) - 2) else {
            used += usize::from(size);
            break;
        };
        used += usize::from(size);
        attributes += 1;
        match kind {
            1 if is_name(value) => {
                finding.evidence.word(" user=").user(value, true);
            }
            // User-Password, CHAP-Password; EAP carries hashes, or TLS.
            2 | 3 => finding.credentials.push(CredentialKind::RadiusPassword),
            _ => {}
        }
    }
    if used > usize::from(length) {
        return None;
    }
    if used == usize::from(length) && attributes > 0 {
        finding.strength = Strength::Certain;
    } else if attributes == 0 {
        finding.strength = Strength::Weak;
    }
    Some(finding)
}

const fn code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "Access-Request",
        2 => "Access-Accept",
        3 => "Access-Reject",
        4 => "Accounting-Request",
        5 => "Accounting-Response",
        11 => "Access-Challenge",
        12 => "Status-Server",
        13 => "Status-Client",
        40 => "Disconnect-Request",
        41 => "Disconnect-ACK",
        42 => "Disconnect-NAK",
        43 => "CoA-Request",
        44 => "CoA-ACK",
        45 => "CoA-NAK",
        _ => return None,
    })
}
