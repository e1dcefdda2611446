//! NTP, versions 1 to 4 (RFC 5905).

use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[123];

/// Bytes of a message without extensions.
const LENGTH: u32 = 48;

/// Seconds since 1900 at the start of 2010: a clock that is set is past it.
const YEAR_2010: u32 = 3_471_292_800;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let first = reader.u8()?;
    let (version, mode) = (first >> 3 & 7, first & 7);
    if !(1..=4).contains(&version) {
        return None;
    }
    let name = match mode {
        1 | 2 => "symmetric",
        3 => "client",
        4 => "server",
        5 => "broadcast",
        // Control and private messages, each with a layout of its own.
        6 if p.wire_len >= 12 => return Some(Finding::plaintext(Strength::Weak, "control")),
        7 if p.wire_len >= 8 => return Some(Finding::plaintext(Strength::Weak, "private")),
        _ => return None,
    };
    // Extensions and a checksum are words of 4 bytes.
    if p.wire_len < LENGTH || !(p.wire_len - LENGTH).is_multiple_of(4) || p.wire_len > 2048 {
        return None;
    }
    let stratum = reader.u8()?;
    let poll = reader.u8()?.cast_signed();
    let precision = reader.u8()?.cast_signed();
    if stratum > 16 || !(-8..=24).contains(&poll) || !(-48..=32).contains(&precision) {
        return None;
    }
    let text = Evidence::of(|e| e.word("v").number(version).word(" ").word(name));
    let weak = |text| Some(Finding::plaintext(Strength::Weak, text));
    // Delay and dispersion to the root, in seconds of 16.16 bits: below a minute.
    let (Some(delay), Some(dispersion)) = (reader.u32(), reader.u32()) else {
        return weak(text);
    };
    if delay > 60 << 16 || (dispersion > 60 << 16 && stratum != 0 && stratum < 15) {
        return None;
    }
    reader.take(4);
    // The time when the clock was set last: never, or after 2010.
    let Some(reference) = reader.u64() else {
        return weak(text);
    };
    let is_time = |time: u64| time == 0 || (time >> 32) as u32 >= YEAR_2010;
    if !is_time(reference) {
        // A clock that was never set.
        return weak(text);
    }
    let (origin, received) = (reader.u64(), reader.u64());
    let by_server = mode == 4
        && stratum > 0
        && reference != 0
        && received.is_some_and(|time| time != 0 && is_time(time));
    let by_client =
        mode == 3 && stratum == 0 && reference == 0 && origin == Some(0) && received == Some(0);
    let strength = if by_server || by_client {
        Strength::Likely
    } else {
        Strength::Weak
    };
    Some(Finding::plaintext(strength, text))
}
