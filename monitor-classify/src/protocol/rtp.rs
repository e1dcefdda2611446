//! RTP and RTCP (RFC 3550, 3551). SRTP has the same header, so the body has to
//! prove by itself that it can be read.

use crate::finding::{Finding, Strength};
use crate::payload::Payload;
use crate::shape::randomness::{Look, look};

/// The registered pair, and where telephone exchanges start.
pub(super) const PORTS: &[u16] = &[5004, 5005, 5006, 10_000, 16_384];

/// The fixed header.
const HEADER: usize = 12;

/// Bytes by which SRTP makes a packet longer: its tag (RFC 3711, 5764, 7714).
const TAGS: &[u32] = &[4, 8, 10, 14, 16];

/// A packet type of RTCP: sender and receiver report, description, goodbye,
/// application, feedback twice, extended report.
const REPORTS: std::ops::RangeInclusive<u8> = 200..=207;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let &[first, second, ..] = p.bytes else {
        return None;
    };
    // Version 2; a padded or extended packet is rare.
    if first >> 6 != 2 || REPORTS.contains(&second) {
        return None;
    }
    let contributors = u32::from(first & 0xf);
    let kind = second & 0x7f;
    let body_len = p.wire_len.checked_sub(HEADER as u32 + 4 * contributors)?;
    let (name, frame) = match kind {
        0 => ("PCMU", 80),
        3 => ("GSM", 33),
        8 => ("PCMA", 80),
        9 => ("G722", 80),
        18 => ("G729", 10),
        // The dynamic ones: any codec.
        96..=127 => ("dynamic", 0),
        1..=34 => ("static", 0),
        _ => return None,
    };
    let is_plain = first == 0x80 && contributors == 0;
    let at = HEADER + 4 * contributors as usize;
    let body = p.bytes.get(at..).unwrap_or_default();
    // Speech repeats itself, ciphertext does not.
    let repeats = body.len() >= 32 && look(body) == Look::Unclear;
    if frame == 0 || !is_plain || body_len == 0 {
        return Some(Finding::undecided(Strength::Weak, name));
    }
    if body_len.is_multiple_of(frame) {
        // Whole frames and no tag behind them.
        let strength = if frame == 80 {
            Strength::Likely
        } else {
            Strength::Weak
        };
        return Some(Finding::plaintext(strength, name));
    }
    let tagged = TAGS.iter().any(|tag| {
        body_len
            .checked_sub(*tag)
            .is_some_and(|frames| frames > 0 && frames.is_multiple_of(frame))
    });
    if tagged && frame == 80 && !repeats {
        return Some(Finding::undecided(Strength::Likely, "SRTP"));
    }
    Some(Finding::undecided(Strength::Weak, name))
}

/// Reports: of each its length in words. SRTCP encrypts all but the first header.
pub(super) fn inspect_rtcp(p: &Payload<'_>) -> Option<Finding> {
    let mut at = 0_u32;
    let mut packets = 0;
    while packets < 8 {
        let header = p
            .bytes
            .get(at as usize..)
            .and_then(|rest| rest.first_chunk::<4>());
        let Some([first, kind, high, low]) = header else {
            break;
        };
        let fits = first >> 6 == 2
            && if packets == 0 {
                matches!(kind, 200 | 201 | 205 | 206)
            } else {
                REPORTS.contains(kind)
            };
        if !fits {
            // The first one fits and then nothing does: SRTCP.
            return (packets > 0).then(|| Finding::undecided(Strength::Weak, "SRTCP"));
        }
        at += 4 + 4 * u32::from(u16::from_be_bytes([*high, *low]));
        packets += 1;
        if at > p.wire_len {
            return None;
        }
    }
    let whole = at == p.wire_len;
    let strength = match packets {
        0 => return None,
        1 if whole => Strength::Likely,
        1 => Strength::Weak,
        _ if whole => Strength::Certain,
        _ => Strength::Likely,
    };
    // A report that fills the packet has no tag behind it; with a tag it is SRTCP.
    Some(if whole || packets > 1 {
        Finding::plaintext(strength, "report")
    } else {
        Finding::undecided(strength, "report")
    })
}
