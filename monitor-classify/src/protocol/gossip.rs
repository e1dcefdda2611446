//! memberlist's gossip: Docker's network control plane, Serf, Consul, Nomad.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, contains};
use crate::payload::Payload;
use crate::payload::Transport;
use crate::shape::randomness::{Look, look};

pub(super) const PORTS: &[u16] = &[7946, 8301, 8302, 4648];

/// Version, nonce, tag: what encryption adds.
const OVERHEAD: u32 = 29;

/// Types of messages.
const COMPOUND: u8 = 7;
const USER: u8 = 8;
const ENCRYPTED: u8 = 10;
const CHECKED: u8 = 12;
const LABELLED: u8 = 244;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    if let Some(text) = message(p.bytes) {
        return Some(Finding::plaintext(Strength::Certain, text).with_some(key(p.bytes)));
    }
    let (&kind, rest) = p.bytes.split_first()?;
    match (p.transport, kind) {
        // A length, then as over UDP.
        (Transport::Tcp, ENCRYPTED) => {
            let mut reader = Reader::new(rest);
            let length = reader.u32()?;
            let fits = (OVERHEAD..=16 << 20).contains(&length)
                && reader.u8().is_none_or(|version| version <= 1);
            let is_filled = p.is_filled_by(u64::from(length) + 5);
            let body = reader.bytes();
            if !fits {
                return None;
            }
            Some(match look(body) {
                Look::Random if is_filled => Finding::encrypted(Strength::Likely, "encrypted"),
                Look::Random => Finding::encrypted(Strength::Weak, "encrypted"),
                Look::Unclear | Look::Readable => Finding::undecided(Strength::Weak, "encrypted"),
            })
        }
        // Messages in the clear have another type, or a map behind these two.
        (Transport::Udp, 0 | 1) if p.wire_len >= OVERHEAD && look(rest) == Look::Random => {
            Some(Finding::encrypted(Strength::Weak, "encrypted"))
        }
        // Several messages.
        (Transport::Udp, COMPOUND) => {
            let parts = u32::from(*rest.first()?);
            (parts > 0 && parts * 3 + 2 <= p.wire_len)
                .then(|| Finding::plaintext(Strength::Weak, "messages"))
        }
        (_, USER) if is_message_of_user(rest) || look(rest) == Look::Readable => {
            Some(Finding::plaintext(Strength::Weak, "user message").with_some(key(rest)))
        }
        (_, USER) => Some(Finding::undecided(Strength::Weak, "user message")),
        (_, CHECKED) if rest.len() < 5 => Some(Finding::undecided(Strength::Weak, "message")),
        (_, LABELLED) => Some(Finding::undecided(Strength::Weak, "message with a label")),
        _ => None,
    }
}

/// Serf's: its own type, and a map with a name first. Docker's: field 1, a type; field 2, bytes.
fn is_message_of_user(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0..=16, 0x81..=0x8f, 0xa1..=0xbf, b'A'..=b'Z', ..] | [0x08, 1..=15, 0x12, ..]
    )
}

/// Serf's query that gives all members a new key.
fn key(bytes: &[u8]) -> Option<CredentialKind> {
    contains(bytes, b"_serf_install-key").then_some(CredentialKind::GossipKey)
}

/// A map in `MessagePack` whose first names belong to the type.
fn message(bytes: &[u8]) -> Option<&'static str> {
    let (&kind, rest) = bytes.split_first()?;
    let fields = &rest[..rest.len().min(64)];
    let is_map = matches!(rest.first(), Some(0x81..=0x8f));
    let has = |names: &[&[u8]]| is_map && names.iter().any(|name| contains(fields, name));
    match kind {
        0 => has(&[b"\xa5SeqNo", b"\xa4Node"]).then_some("ping"),
        1 => has(&[b"\xa5SeqNo"]).then_some("indirect ping"),
        2 => has(&[b"\xa5SeqNo"]).then_some("acknowledgement"),
        3 => has(&[b"\xabIncarnation", b"\xa4From"]).then_some("suspect"),
        4 => has(&[b"\xabIncarnation", b"\xa4Addr"]).then_some("alive"),
        5 => has(&[b"\xabIncarnation", b"\xa4From"]).then_some("dead"),
        6 => has(&[b"\xa5Nodes", b"\xacUserStateLen"]).then_some("push/pull"),
        9 => has(&[b"\xa4Algo"]).then_some("compressed"),
        11 => has(&[b"\xa5SeqNo"]).then_some("no acknowledgement"),
        13 => has(&[b"\xa5Error"]).then_some("error"),
        // Count, lengths, messages.
        COMPOUND => {
            let parts = usize::from(*rest.first()?);
            let first = rest.get(1 + parts * 2..)?;
            (parts > 0 && first.first() != Some(&COMPOUND)).then(|| message(first))?
        }
        CHECKED => {
            let inside = rest
                .get(4..)
                .filter(|inside| inside.first() != Some(&CHECKED))?;
            message(inside)
        }
        _ => None,
    }
}
