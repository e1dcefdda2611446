//! The git daemon's protocol: pkt-lines (gitprotocol-pack).

use crate::finding::{Finding, Strength};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[9418];

/// Longest path that is shown.
const PATH_MAX: usize = 60;

/// Longest pkt-line.
const LINE_MAX: usize = 65_520;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let (length, body) = pkt_line(p.bytes)?;
    if length == 0 {
        // Flush, delimiter: only beside another line.
        let (_, next) = pkt_line(body)?;
        return (!next.is_empty()).then(|| Finding::plaintext(Strength::Weak, "pkt-line"));
    }
    for service in [
        "git-upload-pack ",
        "git-receive-pack ",
        "git-upload-archive ",
    ] {
        if let Some(path) = body.strip_prefix(service.as_bytes()) {
            let end = path.iter().position(|&byte| byte == 0);
            let evidence = Evidence::of(|e| match end {
                Some(end) => e.word(service).key(&path[..end], PATH_MAX),
                None => e.word(service).hidden(),
            });
            return Some(Finding::plaintext(Strength::Certain, evidence));
        }
    }
    let what = match body {
        [b'w', b'a', b'n', b't', b' ', id @ ..] if is_id(id) => "want",
        [b'h', b'a', b'v', b'e', b' ', id @ ..] if is_id(id) => "have",
        [b'A', b'C', b'K', b' ', id @ ..] if is_id(id) => "ACK",
        [b'N', b'A', b'K', b'\n', ..] => "NAK",
        [
            b'v',
            b'e',
            b'r',
            b's',
            b'i',
            b'o',
            b'n',
            b' ',
            b'1' | b'2',
            ..,
        ] => "version",
        [b'c', b'o', b'm', b'm', b'a', b'n', b'd', b'=', ..] => "command",
        // An id, a blank, a name.
        id if id.get(40) == Some(&b' ') && is_id(id) => "references",
        _ => return None,
    };
    let strength = if what == "NAK" {
        Strength::Likely
    } else {
        Strength::Certain
    };
    Some(Finding::plaintext(strength, what))
}

/// Length of a line (0: a marker without contents) and what follows the length.
fn pkt_line(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (digits, body) = bytes.split_first_chunk::<4>()?;
    let mut length = 0;
    for digit in digits {
        length = length * 16 + char::from(*digit).to_digit(16)? as usize;
    }
    match length {
        0..=2 => Some((0, body)),
        5..=LINE_MAX => Some((length, body)),
        _ => None,
    }
}

/// Whether 40 hexadecimal digits stand here, as far as they were captured.
fn is_id(text: &[u8]) -> bool {
    let id = &text[..text.len().min(40)];
    // Digits that are all the same are padding.
    id.len() >= 8
        && id.iter().any(|byte| *byte != id[0])
        && id
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
