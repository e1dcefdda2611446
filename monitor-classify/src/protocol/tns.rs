//! Oracle's TNS, which carries its log-ins and statements.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, contains};
use crate::payload::Payload;

pub(super) const PORTS: &[u16] = &[1521, 1522, 1525];

/// Bytes of the header.
const HEADER: u32 = 8;

/// Length, checksum, type, flags, checksum of the header. Since version 315 the
/// length of data has 32 bits.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let &[a, b, c, d, kind, flags, e, f, ref body @ ..] = p.bytes else {
        return None;
    };
    let short = u32::from(u16::from_be_bytes([a, b]));
    let long = u32::from_be_bytes([a, b, c, d]);
    let is_long = a == 0 && b == 0;
    let length = if is_long { long } else { short };
    if length < HEADER || (!is_long && (c, d) != (0, 0)) || (e, f) != (0, 0) || flags & !0x2f != 0 {
        return None;
    }
    // The peers agree on 32-bit lengths before.
    if is_long && !matches!(kind, 6 | 11 | 12 | 14) {
        return None;
    }
    let is_filled = p.is_filled_by(u64::from(length));
    let strength = if is_filled {
        Strength::Likely
    } else {
        Strength::Weak
    };
    let finding = |text: &'static str| Some(Finding::plaintext(strength, text));
    match kind {
        1 => {
            let is_version = Reader::new(body)
                .u16()
                .is_none_or(|version| (300..=330).contains(&version));
            let describes = contains(body, b"(DESCRIPTION=");
            let strength = if describes {
                Strength::Certain
            } else {
                strength
            };
            is_version.then(|| Finding::plaintext(strength, "connect"))
        }
        2 => {
            let is_version = Reader::new(body)
                .u16()
                .is_none_or(|version| (300..=330).contains(&version));
            is_version.then(|| finding("accept"))?
        }
        4 if is_filled => finding("refuse"),
        5 if is_filled => finding("redirect"),
        11 | 12 | 14 if is_filled && length <= 32 => {
            Some(Finding::undecided(Strength::Weak, "control"))
        }
        6 => data(body, is_filled),
        _ => None,
    }
}

/// Oracle encrypts data where both sides want it, so only readable data is plaintext.
fn data(body: &[u8], is_filled: bool) -> Option<Finding> {
    if !is_filled {
        return None;
    }
    let logs_in = [&b"AUTH_SESSKEY"[..], b"AUTH_PASSWORD"]
        .iter()
        .any(|name| contains(body, name));
    let is_read = logs_in
        || [
            &b"SELECT "[..],
            b"select ",
            b"INSERT ",
            b"insert ",
            b"UPDATE ",
            b"BEGIN ",
            b"AUTH_",
            b"ORA-",
        ]
        .iter()
        .any(|word| contains(body, word));
    Some(if is_read {
        let finding = Finding::plaintext(Strength::Likely, "data");
        finding.with_some(logs_in.then_some(CredentialKind::TnsLogin))
    } else {
        Finding::undecided(Strength::Weak, "data")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Transport;

    #[test]
    fn answers_of_one_packet_fill_it() {
        for (kind, name) in [
            (4, "refuse"),
            (5, "redirect"),
            (11, "control"),
            (14, "control"),
        ] {
            let bytes = [0, 12, 0, 0, kind, 0, 0, 0, 1, 2, 3, 4];
            let found = |wire_len| {
                inspect(&Payload {
                    bytes: &bytes,
                    wire_len,
                    transport: Transport::Tcp,
                    src_port: 1521,
                    dst_port: 40_000,
                })
                .map(|finding| finding.evidence.to_string())
            };
            assert_eq!(found(12), Some(name.to_owned()), "{kind}");
            assert_eq!(found(13), None, "{kind}");
        }
    }
}
