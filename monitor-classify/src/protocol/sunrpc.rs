//! `SunRPC` (RFC 5531), and NFS with its helpers over it (RFC 1813, 7530).

use crate::finding::{Finding, Strength};
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::payload::Transport;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[111];
pub(super) const NFS_PORTS: &[u16] = &[2049];

/// The flavour whose service of privacy encrypts (RFC 2203), and that service.
const GSS: u32 = 6;
const PRIVACY: u32 = 3;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    message(p)
        .filter(|(is_nfs, _)| !is_nfs)
        .map(|(_, finding)| finding)
}

pub(super) fn inspect_nfs(p: &Payload<'_>) -> Option<Finding> {
    message(p)
        .filter(|(is_nfs, _)| *is_nfs)
        .map(|(_, finding)| finding)
}

/// Number, direction, and a call or a reply; over TCP behind the length of a fragment.
fn message(p: &Payload<'_>) -> Option<(bool, Finding)> {
    let mut reader = Reader::new(p.bytes);
    let mut is_filled = p.transport == Transport::Udp;
    if p.transport == Transport::Tcp {
        let mark = reader.u32()?;
        let length = mark & 0x7fff_ffff;
        if mark & 0x8000_0000 == 0 || !(24..=1 << 24).contains(&length) {
            return None;
        }
        is_filled = p.is_filled_by(u64::from(length) + 4);
    }
    reader.u32()?;
    let is_nfs_port = p.uses_port(NFS_PORTS);
    match reader.u32()? {
        0 => call(reader, is_nfs_port),
        1 => Some((is_nfs_port, reply(reader, is_filled)?)),
        _ => None,
    }
}

/// Version 2 of RPC, program, its version, procedure, credentials.
fn call(mut reader: Reader<'_>, is_nfs_port: bool) -> Option<(bool, Finding)> {
    let weak = |is_nfs| Some((is_nfs, Finding::undecided(Strength::Weak, "call")));
    match reader.u32() {
        None => return weak(is_nfs_port),
        Some(2) => {}
        Some(_) => return None,
    }
    let Some(program) = reader.u32() else {
        return weak(is_nfs_port);
    };
    let (name, is_nfs) = program_name(program)?;
    let (Some(version), Some(procedure)) = (reader.u32(), reader.u32()) else {
        return weak(is_nfs);
    };
    if version > 8 || procedure > 255 {
        return None;
    }
    let text = |end| {
        Evidence::of(|e| {
            e.word(name)
                .word(" v")
                .number(version)
                .word(" call ")
                .number(procedure)
                .word(end)
        })
    };
    let finding = match reader.u32() {
        None => Finding::undecided(Strength::Likely, text("")),
        // Length, version, procedure, sequence, service.
        Some(GSS) => {
            reader.take(8);
            let control = reader.u32();
            reader.take(4);
            match (control, reader.u32()) {
                (Some(0), Some(PRIVACY)) => {
                    Finding::encrypted(Strength::Certain, text(" encrypted"))
                }
                (Some(0), Some(1 | 2)) => Finding::plaintext(Strength::Certain, text("")),
                // A context is made or ended: tokens, and nothing of the call.
                (Some(1..=3), _) => Finding::undecided(Strength::Certain, text(" context")),
                (None, _) | (Some(0), None) => Finding::undecided(Strength::Likely, text("")),
                (Some(0), Some(_)) | (Some(4..), _) => return None,
            }
        }
        // A probe for TLS (RFC 9289).
        Some(7) => Finding::undecided(Strength::Certain, text(" for TLS")),
        Some(0..=5) => Finding::plaintext(Strength::Certain, text("")),
        Some(_) => return None,
    };
    Some((is_nfs, finding))
}

/// Accepted or not, a verifier, a status.
fn reply(mut reader: Reader<'_>, is_filled: bool) -> Option<Finding> {
    let weak = || Some(Finding::undecided(Strength::Weak, "reply"));
    let Some(denied) = reader.u32() else {
        return weak();
    };
    if denied > 1 {
        return None;
    }
    let (Some(flavour), Some(length)) = (reader.u32(), reader.u32()) else {
        return weak();
    };
    if denied == 1 {
        return (flavour <= 1).then(|| Finding::plaintext(Strength::Weak, "call refused"));
    }
    if length > 400 || (flavour == 0 && length > 8) {
        return None;
    }
    // A reply with a GSS verifier may be encrypted.
    if flavour == GSS {
        return Some(Finding::undecided(Strength::Weak, "reply"));
    }
    if flavour > 7 || (flavour == 0 && length == 8) {
        return (length == 8).then(|| Finding::undecided(Strength::Weak, "reply"));
    }
    reader.take(length as usize);
    match reader.u32() {
        None => weak(),
        Some(0..=5) if is_filled && flavour <= 1 => {
            Some(Finding::plaintext(Strength::Likely, "reply"))
        }
        Some(0..=5) => Some(Finding::plaintext(Strength::Weak, "reply")),
        Some(_) => None,
    }
}

/// Names, and whether they belong to NFS (IANA registry of RPC programs).
const fn program_name(program: u32) -> Option<(&'static str, bool)> {
    Some(match program {
        100_000 => ("portmapper", false),
        100_001 => ("rstatd", false),
        100_002 => ("rusersd", false),
        100_003 => ("NFS", true),
        100_004 => ("NIS", false),
        100_005 => ("mount", true),
        100_007 => ("ypbind", false),
        100_011 => ("quota", true),
        100_021 => ("lock manager", true),
        100_024 => ("status monitor", true),
        100_227 => ("NFS ACL", true),
        0x4000_0000..=0x5fff_ffff => ("NFS callback", true),
        _ => return None,
    })
}
