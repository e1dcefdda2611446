//! Frames of AMQP 1.0.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;

/// Longest frame that is believed, in bytes.
const LENGTH_MAX: u32 = 16 << 20;

const NAME_MAX: usize = 40;

/// Size, data offset, type, channel; then a described list.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let size = reader.u32()?;
    let offset = reader.u8()?;
    let kind = reader.u8()?;
    reader.u16()?;
    if !(8..=LENGTH_MAX).contains(&size) || offset != 2 || kind > 1 {
        return None;
    }
    if size == 8 {
        let strength = if p.is_filled_by(8) {
            Strength::Likely
        } else {
            Strength::Weak
        };
        return (kind == 0).then(|| Finding::plaintext(strength, "heartbeat"));
    }
    let (mut body, _) = reader.upto(size as usize - 8);
    let code = match body.take(3) {
        Some([0, 0x53, code]) => *code,
        Some(_) => return None,
        None => {
            let fits = [0, 0x53].starts_with(body.bytes());
            return fits.then(|| Finding::plaintext(Strength::Weak, "frame"));
        }
    };
    let name = performative_name(kind, code)?;
    let mut finding = Finding::plaintext(Strength::Certain, name);
    // The fields follow in a list: its size, how many, and then each with its type.
    if matches!(code, 0x10 | 0x12 | 0x41) && list(&mut body).is_some() {
        if let Some(text) = string(&mut body).filter(|text| is_name(text)) {
            finding.evidence.word(" ").topic(text, NAME_MAX);
            if code == 0x41 && text != b"EXTERNAL" && text != b"ANONYMOUS" {
                finding.credentials.push(CredentialKind::AmqpAuth);
            }
        }
    } else if code == 0x43 {
        finding.credentials.push(CredentialKind::AmqpAuth);
    }
    Some(finding)
}

fn list(body: &mut Reader<'_>) -> Option<()> {
    match body.u8()? {
        0xc0 => body.take(2)?,
        0xd0 => body.take(8)?,
        _ => return None,
    };
    Some(())
}

/// A string or a symbol.
fn string<'a>(body: &mut Reader<'a>) -> Option<&'a [u8]> {
    match body.u8()? {
        0xa1 | 0xa3 => body.short_string(),
        0xb1 | 0xb3 => {
            let length = body.u32()?;
            body.take(length as usize)
        }
        _ => None,
    }
}

const fn performative_name(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (0, 0x10) => "open",
        (0, 0x11) => "begin",
        (0, 0x12) => "attach",
        (0, 0x13) => "flow",
        (0, 0x14) => "transfer",
        (0, 0x15) => "disposition",
        (0, 0x16) => "detach",
        (0, 0x17) => "end",
        (0, 0x18) => "close",
        (1, 0x40) => "sasl-mechanisms",
        (1, 0x41) => "sasl-init",
        (1, 0x42) => "sasl-challenge",
        (1, 0x43) => "sasl-response",
        (1, 0x44) => "sasl-outcome",
        _ => return None,
    })
}
