//! StatsD, with the tags, events and checks of DogStatsD.

use crate::finding::{Finding, Strength};
use crate::parse::lines::{Line, Lines};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[8125];

/// Longest name of a metric that is shown.
const NAME_MAX: usize = 60;

const TYPES: &[&[u8]] = &[b"c", b"g", b"ms", b"s", b"h", b"d", b"m"];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut lines = Lines::new(p.bytes);
    let cut = (p.wire_len as usize) > p.bytes.len();
    let first = metric(lines.next()?, cut)?;
    let more = lines
        .take(1)
        .filter(|line| line.complete)
        .filter_map(|line| metric(line, false))
        .any(|next| next.strength > Strength::Weak);
    let strength = if more {
        Strength::Certain
    } else {
        first.strength
    };
    Some(Finding { strength, ..first })
}

/// `name:value|type|@rate|#tag:value`. A datagram ends its last line by ending.
fn metric(line: Line<'_>, cut: bool) -> Option<Finding> {
    let cut = cut && !line.complete;
    let text = line.text;
    if text.starts_with(b"_e{") || text.starts_with(b"_sc|") {
        let what = if text[1] == b'e' {
            "event"
        } else {
            "service check"
        };
        return Some(Finding::plaintext(Strength::Certain, what));
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/*[]=;,% ".contains(byte);
    let Some(colon) = text.iter().position(|&byte| byte == b':') else {
        // Only the beginning of a name.
        let fits = cut && text.len() >= 3 && text.iter().all(is_name);
        return fits.then(|| Finding::plaintext(Strength::Weak, Evidence::of(Evidence::hidden)));
    };
    let (name, rest) = (&text[..colon], &text[colon + 1..]);
    if name.is_empty() || !name.iter().all(is_name) {
        return None;
    }
    let evidence = Evidence::of(|e| e.topic(name, NAME_MAX));
    let mut parts = rest.split(|&byte| byte == b'|');
    let value = parts.next()?;
    // Several values stand between colons in newer ones; a set takes any text.
    let is_number = |part: &[u8]| {
        !part.is_empty()
            && part
                .iter()
                .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte))
    };
    let numeric = value.split(|&byte| byte == b':').all(is_number);
    let Some(kind) = parts.next() else {
        let fits = cut && (numeric || value.is_empty());
        return fits.then(|| Finding::plaintext(Strength::Weak, evidence));
    };
    let is_cut_here = cut && parts.clone().next().is_none();
    let is_type =
        TYPES.contains(&kind) || (is_cut_here && TYPES.iter().any(|known| known.starts_with(kind)));
    if !is_type || !(numeric || kind == b"s") {
        return None;
    }
    let fits = parts.all(|part| part.first().is_none_or(|first| b"@#cTe".contains(first)));
    let strength = if kind == b"s" && !numeric {
        Strength::Weak
    } else {
        Strength::Likely
    };
    fits.then(|| Finding::plaintext(strength, evidence))
}
