//! TDS: Microsoft SQL Server and Sybase (MS-TDS).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name};
use crate::parse::sql;
use crate::payload::Payload;

pub(super) const PORTS: &[u16] = &[1433];

/// Longest packet that can be agreed on, in bytes.
const LENGTH_MAX: u16 = 32_767;

const NAME_MAX: usize = 32;

/// Type, status, length, process, number, window; the number counts up.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let kind = reader.u8()?;
    let name = kind_name(kind)?;
    let status = reader.u8()?;
    let length = reader.u16()?;
    if status & !0x19 != 0 || !(8..=LENGTH_MAX).contains(&length) {
        return None;
    }
    let _process = reader.u16();
    let (_number, window) = (reader.u8(), reader.u8());
    if window.is_some_and(|window| window != 0) {
        return None;
    }
    let is_filled = p.is_filled_by(u64::from(length));
    // Only the last packet of a message may be short; a longer one goes on.
    if !is_filled && status & 1 != 0 && u32::from(length) > p.wire_len && length <= 512 {
        return None;
    }
    let strength = if is_filled {
        Strength::Likely
    } else {
        Strength::Weak
    };
    let (body, whole) = reader.upto(usize::from(length) - 8);
    let mut finding = Finding::plaintext(strength, name);
    match kind {
        1 => batch(&mut finding, body, whole, is_filled)?,
        4 => reply(&mut finding, body, is_filled)?,
        0x10 => login(&mut finding, body, is_filled)?,
        0x12 => return prelogin(body, strength),
        _ if finding.strength == Strength::Likely => finding.strength = Strength::Weak,
        _ => {}
    }
    Some(finding)
}

/// A statement in UTF-16, behind headers that count their length.
fn batch(finding: &mut Finding, mut body: Reader<'_>, whole: bool, is_filled: bool) -> Option<()> {
    let mut ahead = body;
    if let Some(length) = ahead.u32_le()
        && (4..=256).contains(&length)
    {
        if ahead.take(length as usize - 4).is_none() {
            finding.strength = Strength::Weak;
            return Some(());
        }
        body = ahead;
    }
    match sql::statement_utf16(body.bytes(), whole) {
        Some(statement) => {
            finding.evidence = statement.evidence;
            finding.strength = Strength::Certain;
            if statement.password {
                finding.credentials.push(CredentialKind::TdsLogin);
            }
        }
        None => {
            // Every other byte of text is zero.
            let is_wide = body
                .bytes()
                .chunks_exact(2)
                .take(16)
                .all(|pair| pair[1] == 0 && pair[0] != 0);
            if !is_wide {
                return None;
            }
            finding.strength = if is_filled {
                Strength::Likely
            } else {
                Strength::Weak
            };
        }
    }
    Some(())
}

/// A stream of tokens.
fn reply(finding: &mut Finding, mut body: Reader<'_>, is_filled: bool) -> Option<()> {
    let Some(token) = body.u8() else {
        finding.strength = Strength::Weak;
        return Some(());
    };
    let name = match token {
        // The answer to a prelogin is a list of options.
        0x00 => return options(finding, body),
        0x79 => "return status",
        0x81 => "columns",
        0xa5 | 0xa9 => "order",
        0xaa => "error",
        0xab => "information",
        0xac => "return value",
        0xad => "log-in acknowledged",
        0xae => "features acknowledged",
        0xd1 | 0xd2 => "row",
        0xe3 => "environment change",
        0xed => "SSPI",
        0xfd..=0xff => "done",
        _ => return None,
    };
    // Tokens that end with the packet, or are texts in UTF-16.
    let fits = match token {
        0xfd..=0xff => body.bytes().len() >= 12,
        0xaa | 0xab | 0xad | 0xe3 => body
            .u16_le()
            .is_some_and(|length| usize::from(length) <= LENGTH_MAX.into() && length > 0),
        0x81 => body
            .u16_le()
            .is_some_and(|count| (1..=4096).contains(&count) || count == 0xffff),
        _ => false,
    };
    finding.evidence = name.into();
    finding.strength = if fits && is_filled {
        Strength::Likely
    } else {
        Strength::Weak
    };
    Some(())
}

/// The reply to a prelogin: it agrees on encryption, which may cover the log-in alone.
fn options(finding: &mut Finding, mut body: Reader<'_>) -> Option<()> {
    // Offset of the version: behind five bytes an option and the end mark.
    match body.u16() {
        None => finding.strength = Strength::Weak,
        Some(offset) if offset < 128 && offset % 5 == 1 => finding.evidence = "prelogin".into(),
        Some(_) => return None,
    }
    Some(())
}

/// Options, or TLS in packets: of the whole connection or of the log-in alone.
fn prelogin(mut body: Reader<'_>, strength: Strength) -> Option<Finding> {
    match body.bytes() {
        [] => Some(Finding::undecided(Strength::Weak, "prelogin")),
        [0, ..] => {
            body.u8();
            let offset = body.u16();
            let fits = offset.is_none_or(|offset| offset < 128 && offset % 5 == 1);
            fits.then(|| Finding::plaintext(strength, "prelogin"))
        }
        [20..=23, 3, ..] => Some(Finding::undecided(strength, "prelogin with TLS")),
        [20..=23] => Some(Finding::undecided(Strength::Weak, "prelogin")),
        _ => None,
    }
}

/// Length, version, …; then the place of each text. The password is only obfuscated.
fn login(finding: &mut Finding, body: Reader<'_>, is_filled: bool) -> Option<()> {
    let bytes = body.bytes();
    let mut fields = body;
    let Some(length) = fields.u32_le() else {
        finding.strength = Strength::Weak;
        return Some(());
    };
    if !(86..=1 << 17).contains(&length) {
        return None;
    }
    let Some(version) = fields.u32() else {
        return Some(());
    };
    // 7.0 to 7.4: the lowest byte comes first but for the oldest.
    let number = version.to_be_bytes();
    if !matches!(
        number,
        [0..=4, 0 | 9..=11, 0 | 0x71..=0x74, 0x70..=0x74] | [0x70..=0x74, ..]
    ) {
        return None;
    }
    finding.strength = if is_filled {
        Strength::Certain
    } else {
        Strength::Likely
    };
    let text = |at: usize| {
        let mut place = Reader::new(bytes.get(at..)?);
        let (offset, length) = (usize::from(place.u16_le()?), usize::from(place.u16_le()?));
        bytes.get(offset..offset + length * 2).map(sql::narrow)
    };
    if let Some(user) = text(40).filter(|user| is_name(user)) {
        finding.evidence.word(" user=").user(&user, true);
    }
    if let Some(database) = text(68).filter(|name| is_name(name)) {
        finding.evidence.word(" database=").key(&database, NAME_MAX);
    }
    if bytes.get(46..48).is_some_and(|length| length != [0, 0]) {
        finding.credentials.push(CredentialKind::TdsLogin);
    }
    Some(())
}

const fn kind_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "batch",
        2 => "old log-in",
        3 => "procedure call",
        4 => "result",
        6 => "attention",
        7 => "bulk load",
        14 => "transaction",
        16 => "log-in",
        17 => "SSPI",
        18 => "prelogin",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_if_its_length_is_one_that_a_packet_can_have() {
        for (length, strength) in [
            (0, Strength::Weak),
            (1, Strength::Likely),
            (LENGTH_MAX, Strength::Likely),
            (LENGTH_MAX + 1, Strength::Weak),
        ] {
            let [low, high] = length.to_le_bytes();
            let mut finding = Finding::plaintext(Strength::Weak, "reply");
            reply(&mut finding, Reader::new(&[0xaa, low, high]), true).unwrap();
            assert_eq!(finding.strength, strength, "{length}");
        }
    }
}
