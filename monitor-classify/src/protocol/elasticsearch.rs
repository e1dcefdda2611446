//! Elasticsearch and `OpenSearch` between nodes: the transport protocol.

use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;

pub(super) const PORTS: &[u16] = &[9300];

/// `ES`, length, number, status, version.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    if reader.take(2)? != b"ES" {
        return None;
    }
    let length = reader.u32()?;
    // A ping.
    if length == u32::MAX {
        return Some(Finding::plaintext(Strength::Likely, "ping"));
    }
    if !(13..=1 << 30).contains(&length) {
        return None;
    }
    let weak = || Some(Finding::plaintext(Strength::Weak, "message"));
    let (Some(_), Some(status), Some(version)) = (reader.u64(), reader.u8(), reader.u32()) else {
        return weak();
    };
    if status > 0x1f || !(1_000_000..1 << 28).contains(&version) {
        return None;
    }
    let text = if status & 1 == 0 {
        "request"
    } else {
        "response"
    };
    let is_filled = p.is_filled_by(u64::from(length) + 6);
    let strength = if is_filled {
        Strength::Certain
    } else {
        Strength::Likely
    };
    Some(Finding::plaintext(strength, text))
}
