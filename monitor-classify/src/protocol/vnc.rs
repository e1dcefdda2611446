//! VNC's remote framebuffer protocol (RFC 6143). With VeNCrypt or another
//! security type of TLS, records of TLS follow.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::payload::Payload;

pub(super) const PORTS: &[u16] = &[
    5900, 5901, 5902, 5903, 5904, 5905, 5906, 5907, 5908, 5909, 5910,
];

/// Messages of a client that are followed.
const MESSAGES_MAX: usize = 16;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let bytes = p.bytes;
    if let Some(version) = bytes.strip_prefix(b"RFB ") {
        let shape = b"000.000\n";
        let fits = version.iter().zip(shape).all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
        let strength = if version.len() >= 4 {
            Strength::Certain
        } else {
            Strength::Likely
        };
        return fits.then(|| Finding::plaintext(strength, "version"));
    }
    // Only the port shows the direction.
    if PORTS.contains(&p.dst_port) {
        return from_client(p);
    }
    from_server(p)
}

fn from_client(p: &Payload<'_>) -> Option<Finding> {
    if p.wire_len == 16 {
        // The answer to a challenge: sixteen random bytes.
        return Some(
            Finding::plaintext(Strength::Weak, "answer to a challenge")
                .with(CredentialKind::VncAuth),
        );
    }
    if let [one] = *p.bytes
        && p.wire_len == 1
    {
        return matches!(one, 0..=2 | 16..=19 | 30 | 35)
            .then(|| Finding::plaintext(Strength::Weak, "choice of security"));
    }
    let mut rest = p.bytes;
    let mut messages = 0;
    while !rest.is_empty() && messages < MESSAGES_MAX {
        let length = client_message(rest)?;
        messages += 1;
        rest = rest.get(length..).unwrap_or_default();
    }
    let strength = if messages > 1 {
        Strength::Likely
    } else {
        Strength::Weak
    };
    Some(Finding::plaintext(strength, "input"))
}

/// Length of a client's message (RFC 6143 section 7.5).
fn client_message(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| {
        Some(usize::from(u16::from_be_bytes([
            *bytes.get(at)?,
            *bytes.get(at + 1)?,
        ])))
    };
    let zero = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|pad| pad.iter().all(|&byte| byte == 0))
    };
    match bytes {
        [0, ..] if zero(1..4) => matches!(bytes.get(4)?, 8 | 16 | 32).then_some(20),
        [2, _, ..] => Some(4 + 4 * number(2)?),
        [3, 0 | 1, ..] if bytes.len() >= 6 => Some(10),
        [4, 0 | 1, 0, 0, ..] => Some(8),
        [5, ..] if bytes.len() >= 6 => Some(6),
        [6, 0, 0, 0, 0, 0, ..] => Some(8 + number(6)?),
        _ => None,
    }
}

fn from_server(p: &Payload<'_>) -> Option<Finding> {
    match p.bytes {
        // The security types offered: how many, and which.
        [count @ 1..=8, types @ ..]
            if p.wire_len == u32::from(*count) + 1
                && !types.is_empty()
                && types
                    .iter()
                    .all(|kind| matches!(kind, 1 | 2 | 5 | 6 | 16..=22 | 30..=36 | 129 | 133)) =>
        {
            Some(Finding::plaintext(Strength::Weak, "security types"))
        }
        // Version 3.3 chooses by itself: the type, and a challenge at once.
        [0, 0, 0, 2, ..] if p.wire_len == 20 => {
            Some(Finding::plaintext(Strength::Weak, "challenge").with(CredentialKind::VncAuth))
        }
        // Size, pixel format, and the name with its length.
        bytes if is_server_init(bytes, p.wire_len) => {
            Some(Finding::plaintext(Strength::Likely, "screen"))
        }
        // The result of it.
        [0, 0, 0, 0..=2] if p.wire_len == 4 => {
            Some(Finding::plaintext(Strength::Weak, "security result"))
        }
        // An update of at most so many rectangles, none of them off a screen.
        [
            0,
            0,
            count_high,
            count_low,
            x,
            _,
            y,
            _,
            w,
            _,
            h,
            _,
            encoding @ ..,
        ] => {
            let count = u16::from_be_bytes([*count_high, *count_low]);
            let on_screen = [x, y, w, h].iter().all(|high| **high < 0x40);
            let known = match encoding.get(..4) {
                Some([0, 0, 0, kind]) => matches!(kind, 0 | 1 | 2 | 4..=9 | 16..=24),
                Some([0xff, 0xff, 0xfc..=0xff, _]) => true,
                Some(_) => false,
                None => true,
            };
            (((1..=4096).contains(&count) || count == u16::MAX) && on_screen && known)
                .then(|| Finding::plaintext(Strength::Weak, "screen"))
        }
        _ if p.wire_len == 16 => {
            Some(Finding::plaintext(Strength::Weak, "challenge").with(CredentialKind::VncAuth))
        }
        _ => None,
    }
}

/// ServerInit (RFC 6143 section 7.3.2).
fn is_server_init(bytes: &[u8], wire_len: u32) -> bool {
    let Some(head) = bytes.first_chunk::<24>() else {
        return false;
    };
    let name = u32::from_be_bytes([head[20], head[21], head[22], head[23]]);
    matches!(head[4], 8 | 16 | 32)
        && head[5] <= 32
        && head[6] <= 1
        && head[7] <= 1
        && head[17..20] == [0; 3]
        && name.checked_add(24) == Some(wire_len)
}
