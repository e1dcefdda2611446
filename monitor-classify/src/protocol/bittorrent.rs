//! BitTorrent: peers (BEP 3), the distributed hash table (BEP 5), trackers on UDP
//! (BEP 15), µTP (BEP 29). Obfuscated streams are not recognised.

use crate::finding::{Finding, Strength};
use crate::payload::Payload;
use crate::payload::Transport;

pub(super) const PORTS: &[u16] = &[
    6881, 6882, 6883, 6884, 6885, 6886, 6887, 6888, 6889, 51413, 6969,
];

const HANDSHAKE: &[u8] = b"\x13BitTorrent protocol";

/// Longest message between peers: a block of 16 KiB and its header, and some room.
const MESSAGE_MAX: u32 = 1 << 17;

/// Magic of a tracker's connect request.
const TRACKER: &[u8] = &[0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0];

/// Beginnings of a message of the hash table: keys are in order.
const TABLE: &[&[u8]] = &[
    b"d1:ad2:id20:",
    b"d1:rd2:id20:",
    b"d2:ip6:",
    b"d1:eli20",
    b"d1:rd6:token",
];

/// Length of a µTP header.
const UTP: usize = 20;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let bytes = p.bytes;
    let start = &bytes[..bytes.len().min(HANDSHAKE.len())];
    if start.len() >= 8 && HANDSHAKE.starts_with(start) {
        return Some(Finding::plaintext(Strength::Certain, "handshake"));
    }
    if p.transport == Transport::Tcp {
        return peer(p);
    }
    if TABLE.iter().any(|start| bytes.starts_with(start)) {
        return Some(Finding::plaintext(Strength::Certain, "DHT"));
    }
    if bytes.starts_with(b"d1:") {
        return Some(Finding::plaintext(Strength::Weak, "DHT"));
    }
    if bytes.starts_with(TRACKER) {
        return Some(Finding::plaintext(Strength::Certain, "tracker"));
    }
    utp(p)
}

/// Messages between peers: length, kind, and a length that the kind allows.
fn peer(p: &Payload<'_>) -> Option<Finding> {
    let mut rest = p.bytes;
    let mut messages = 0;
    while messages < 8 && rest.len() >= 4 {
        let (length, body) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        if length > 0 {
            let fits = match (body.first(), length) {
                (None, _) => break,
                (Some(0..=3 | 14 | 15), 1) | (Some(4), 5) | (Some(6 | 8 | 16), 13) => true,
                (Some(5), 2..) | (Some(7), 9..) | (Some(9), 3) | (Some(20), 3..) => true,
                (Some(_), _) => false,
            };
            if !fits || length > MESSAGE_MAX {
                return None;
            }
        }
        messages += 1;
        rest = body.get(length as usize..).unwrap_or_default();
    }
    (messages > 0).then(|| Finding::plaintext(Strength::Weak, "peer message"))
}

/// A header of µTP, and the handshake or a message behind it.
fn utp(p: &Payload<'_>) -> Option<Finding> {
    let header = p.bytes.get(..UTP)?;
    if header[0] & 0xf != 1 || header[0] >> 4 > 4 || header[1] > 2 {
        return None;
    }
    let body = &p.bytes[UTP..];
    if body.len() >= 8 && HANDSHAKE.starts_with(&body[..body.len().min(HANDSHAKE.len())]) {
        return Some(Finding::plaintext(Strength::Certain, "µTP, handshake"));
    }
    Some(Finding::undecided(Strength::Weak, "µTP"))
}
