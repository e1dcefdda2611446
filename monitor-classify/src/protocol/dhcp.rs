//! DHCP for IPv4 (RFC 2131) and IPv6 (RFC 8415).

use crate::finding::{Finding, Strength};
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;

pub(super) const PORTS: &[u16] = &[67, 68, 546, 547];

/// Bytes before the options of IPv4, and the number in front of them.
const FIXED: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

const NAME_MAX: usize = 40;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    if p.uses_port(&[546, 547]) {
        return version_6(p);
    }
    version_4(p)
}

/// Operation, kind and length of the hardware address, hops, number, seconds, flags, …
fn version_4(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let operation = match reader.u8()? {
        1 => "request",
        2 => "reply",
        _ => return None,
    };
    let (hardware, length, hops) = (reader.u8()?, reader.u8()?, reader.u8()?);
    if !(1..=40).contains(&hardware) || length > 16 || hops > 16 || (p.wire_len as usize) < FIXED {
        return None;
    }
    reader.u32();
    let _seconds = reader.u16();
    let flags = reader.u16();
    if flags.is_some_and(|flags| flags & 0x7fff != 0) {
        return None;
    }
    let Some(rest) = p.bytes.get(FIXED..) else {
        return Some(Finding::plaintext(Strength::Weak, operation));
    };
    if !COOKIE.starts_with(&rest[..rest.len().min(4)]) {
        return None;
    }
    if rest.len() < 4 {
        return Some(Finding::plaintext(Strength::Likely, operation));
    }
    let mut options = Reader::new(&rest[4..]);
    let (mut kind, mut host) = (operation, None);
    while let Some(code) = options.u8() {
        match code {
            0 => continue,
            255 => break,
            _ => {}
        }
        let Some(value) = options.short_string() else {
            break;
        };
        match (code, value) {
            (53, [number]) => kind = message_name(*number).unwrap_or(kind),
            (12, name) if is_name(name) => host = Some(name),
            _ => {}
        }
    }
    let mut finding = Finding::plaintext(Strength::Certain, kind);
    if let Some(host) = host {
        finding.evidence.word(" host=").host(host, NAME_MAX);
    }
    Some(finding)
}

/// Type and number; options of 16-bit code and length up to the end.
fn version_6(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let kind = match reader.u8()? {
        1 => "SOLICIT",
        2 => "ADVERTISE",
        3 => "REQUEST",
        4 => "CONFIRM",
        5 => "RENEW",
        6 => "REBIND",
        7 => "REPLY",
        8 => "RELEASE",
        9 => "DECLINE",
        10 => "RECONFIGURE",
        11 => "INFORMATION-REQUEST",
        // Hops and two addresses first.
        12 | 13 => return (p.wire_len >= 38).then(|| Finding::plaintext(Strength::Weak, "relay")),
        _ => return None,
    };
    reader.u24()?;
    let mut used = 4_u64;
    let mut has_options = false;
    while let (Some(code), Some(length)) = (reader.u16(), reader.u16()) {
        if code == 0 || code > 150 {
            return None;
        }
        used += 4 + u64::from(length);
        has_options = true;
        if reader.take(usize::from(length)).is_none() {
            break;
        }
    }
    if used > u64::from(p.wire_len) {
        return None;
    }
    let strength = if has_options && p.is_filled_by(used) {
        Strength::Certain
    } else {
        Strength::Weak
    };
    Some(Finding::plaintext(strength, kind))
}

/// Option 53 (RFC 2132 section 9.6).
const fn message_name(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "DISCOVER",
        2 => "OFFER",
        3 => "REQUEST",
        4 => "DECLINE",
        5 => "ACK",
        6 => "NAK",
        7 => "RELEASE",
        8 => "INFORM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Transport;

    #[test]
    fn a_message_shorter_than_its_fixed_part_is_none() {
        let mut bytes = vec![0; FIXED + 4];
        bytes[..3].copy_from_slice(&[1, 1, 6]);
        bytes[FIXED..].copy_from_slice(&COOKIE);
        let found = |len: usize, wire_len: usize| {
            let payload = Payload {
                bytes: &bytes[..len],
                wire_len: u32::try_from(wire_len).unwrap(),
                transport: Transport::Udp,
                src_port: 68,
                dst_port: 67,
            };
            version_4(&payload).is_some()
        };
        assert!(found(FIXED + 4, FIXED + 4) && found(100, FIXED + 4));
        for wire_len in [100, FIXED - 1] {
            assert!(!found(wire_len, wire_len), "{wire_len}");
        }
    }
}
