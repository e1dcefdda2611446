//! SSH (RFC 4253): banner and negotiation are in the clear, and the negotiation
//! shows whether what follows is encrypted.

use crate::finding::{Finding, Strength};
use crate::parse::lines;
use crate::payload::Payload;
use crate::shape::randomness::{Look, look};
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[22, 2222];

/// Longest name of software that is shown.
const SOFTWARE_MAX: usize = 40;

/// Longest packet before encryption (RFC 4253 section 6.1).
const PACKET_MAX: u32 = 35_000;

const SSH_MSG_DISCONNECT: u8 = 1;
const SSH_MSG_SERVICE_ACCEPT: u8 = 6;
const SSH_MSG_EXT_INFO: u8 = 7;
const SSH_MSG_KEXINIT: u8 = 20;
const SSH_MSG_NEWKEYS: u8 = 21;

/// Fewest bytes that can be recognised as a list of algorithms, and most that are searched.
const NAMES_MIN: usize = 16;
const NAMES_MAX: usize = 100;

/// What names of algorithms have in common.
const ALGORITHMS: &[&str] = &[
    "@openssh.com",
    "@libssh.org",
    "hmac-sha",
    "umac-",
    "-etm@",
    "diffie-hellman-group",
    "ecdh-sha2-",
    "ecdsa-sha2-",
    "rsa-sha2-",
    "chacha20-poly1305",
    "curve25519-sha256",
];

/// Bytes of a message authentication code behind a packet, as the algorithms in
/// use have them; 16 is also the tag of AES-GCM.
const MACS: &[u32] = &[8, 12, 16, 20, 32, 64];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    if p.bytes.starts_with(b"SSH-") {
        return banner(p);
    }
    packet(p.bytes)
        .or_else(|| names_of_algorithms(p.bytes))
        .or_else(|| protected(p))
}

/// The rest of a negotiation that did not fit in a packet: lists of names.
fn names_of_algorithms(bytes: &[u8]) -> Option<Finding> {
    let start = &bytes[..bytes.len().min(NAMES_MIN)];
    if start.len() < NAMES_MIN || !lines::all(start, |byte| byte.is_ascii_graphic()) {
        return None;
    }
    let list = &bytes[..bytes.len().min(NAMES_MAX)];
    let fits = list.contains(&b',') && ALGORITHMS.iter().any(|name| lines::contains(list, name));
    fits.then(|| Finding::undecided(Strength::Likely, "negotiation"))
}

/// `SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n`; the first packet can follow at once.
fn banner(p: &Payload<'_>) -> Option<Finding> {
    let end = p.bytes.iter().take(255).position(|&byte| byte == b'\n');
    let line = &p.bytes[..end.unwrap_or(p.bytes.len().min(255))];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let version = [&b"SSH-2.0-"[..], b"SSH-1.99-", b"SSH-1.5-"]
        .into_iter()
        .find_map(|start| line.strip_prefix(start));
    let Some(software) = version else {
        return b"SSH-2.0-"
            .starts_with(line)
            .then(|| Finding::undecided(Strength::Likely, "banner"));
    };
    if !lines::is_text(software) {
        return None;
    }
    let first = lines::split(software).0;
    let shown = Evidence::of(|e| e.name(first, SOFTWARE_MAX));
    let rest = end.map_or(&[][..], |end| &p.bytes[end + 1..]);
    let mut banner = Finding::undecided(Strength::Certain, shown);
    if let Some(next) = packet(rest) {
        banner.exposure = next.exposure;
    }
    Some(banner)
}

/// A packet before encryption: length, padding, and a message that belongs there.
fn packet(bytes: &[u8]) -> Option<Finding> {
    let (head, body) = bytes.split_first_chunk::<6>()?;
    let [l0, l1, l2, l3, padding, message] = *head;
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    // RFC 4253 section 6: a multiple of 8 with its length, padding of 4 bytes or more.
    let fits = (12..=PACKET_MAX).contains(&length)
        && (length + 4).is_multiple_of(8)
        && padding >= 4
        && u32::from(padding) < length;
    if !fits {
        return None;
    }
    match message {
        SSH_MSG_KEXINIT => negotiation(body),
        SSH_MSG_NEWKEYS if length == 12 && padding == 10 => {
            Some(Finding::encrypted(Strength::Certain, "NEWKEYS"))
        }
        // Key exchange, whichever method.
        30..=34 => Some(key_exchange(bytes, length)),
        SSH_MSG_DISCONNECT..=SSH_MSG_SERVICE_ACCEPT | SSH_MSG_EXT_INFO => {
            Some(Finding::undecided(Strength::Weak, "message"))
        }
        _ => None,
    }
}

/// A packet of the key exchange. NEWKEYS behind it proves that encryption follows.
fn key_exchange(bytes: &[u8], length: u32) -> Finding {
    let behind = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.get(length + 4..));
    match behind {
        Some([0, 0, 0, 12, 10, SSH_MSG_NEWKEYS, ..]) => {
            Finding::encrypted(Strength::Certain, "key exchange")
        }
        Some([]) | None => Finding::undecided(Strength::Likely, "key exchange"),
        Some(_) => Finding::undecided(Strength::Weak, "key exchange"),
    }
}

/// KEXINIT: a cookie, and ten lists of names. The third and fourth are ciphers.
fn negotiation(body: &[u8]) -> Option<Finding> {
    let mut rest = body.get(16..).unwrap_or_default();
    let mut encrypts = false;
    for list in 0..4 {
        let Some((length, names)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let length = u32::from_be_bytes(*length) as usize;
        let (names, whole) = match names.get(..length) {
            Some(names) => (names, true),
            None => (names, false),
        };
        let is_name = |byte: &u8| byte.is_ascii_graphic();
        if length > 4096 || !names.iter().all(is_name) {
            return None;
        }
        let mut ciphers = names.split(|&byte| byte == b',');
        if list >= 2 && whole && ciphers.clone().any(|cipher| cipher == b"none") {
            return Some(Finding::undecided(
                Strength::Certain,
                "negotiation, cipher none offered",
            ));
        }
        encrypts |= list == 2 && whole && ciphers.next().is_some_and(|cipher| !cipher.is_empty());
        if !whole {
            break;
        }
        rest = &rest[4 + length..];
    }
    Some(if encrypts {
        Finding::encrypted(Strength::Certain, "negotiation")
    } else {
        Finding::undecided(Strength::Likely, "negotiation")
    })
}

/// Random bytes on the port. With AES-GCM, or encrypt-then-MAC, the length of the
/// packet stands in the clear in front of them.
fn protected(p: &Payload<'_>) -> Option<Finding> {
    if !p.uses_port(PORTS) {
        return None;
    }
    let random = look(p.bytes) == Look::Random;
    let (length, body) = p.bytes.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length);
    let tail = p.wire_len.checked_sub(4)?.checked_sub(length);
    let sized = length >= 16
        && length.is_multiple_of(8)
        && tail.is_some_and(|tail| MACS.contains(&tail))
        && look(body) == Look::Random;
    if sized {
        return Some(Finding::encrypted(Strength::Weak, "packet"));
    }
    // The port names the protocol and proves nothing about encryption.
    random.then(|| Finding::undecided(Strength::Weak, "high entropy"))
}
