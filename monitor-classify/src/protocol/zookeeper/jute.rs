//! `ZooKeeper`'s protocol: records of its jute format behind a length.

use super::PORTS;
use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;
use crate::text::Evidence;

/// Longest packet by default (`jute.maxbuffer`), and a little.
const LENGTH_MAX: u32 = 4 << 20;

const NAME_MAX: usize = 60;

/// -11: the session ends.
const CLOSE: u32 = 0xffff_fff5;

pub(crate) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let length = reader.u32()?;
    if !(8..=LENGTH_MAX).contains(&length) {
        return None;
    }
    let is_filled = p.is_filled_by(u64::from(length) + 4);
    let number = reader.u32()?;
    let is_server = PORTS.contains(&p.src_port) && !PORTS.contains(&p.dst_port);
    // Version 0 of the protocol: a session begins.
    if number == 0 && is_filled && matches!(length, 36 | 37 | 44 | 45) {
        return session(reader, length);
    }
    if is_server {
        // Number, transaction, error.
        let fits = is_filled && length >= 16;
        return fits.then(|| Finding::plaintext(Strength::Weak, "reply"));
    }
    request(reader, number, is_filled)
}

/// Transaction, time, session, password of 16 bytes; the answer has no transaction.
fn session(mut reader: Reader<'_>, length: u32) -> Option<Finding> {
    let is_request = length >= 44;
    if is_request {
        reader.u64();
    }
    let time = reader.u32();
    let session = reader.u64();
    if time.is_some_and(|time| time > 1 << 24) {
        return None;
    }
    let name = if is_request {
        "session request"
    } else {
        "session"
    };
    match reader.u32() {
        None => Some(Finding::plaintext(Strength::Weak, name)),
        Some(16) => {
            // A new session has no password yet.
            let kind = (session != Some(0)).then_some(CredentialKind::ZookeeperAuth);
            Some(Finding::plaintext(Strength::Certain, name).with_some(kind))
        }
        Some(_) => None,
    }
}

/// Number, operation, and mostly a path.
fn request(mut reader: Reader<'_>, number: u32, is_filled: bool) -> Option<Finding> {
    let operation = reader.u32()?;
    let name = operation_name(operation)?;
    match (number, operation) {
        (0xffff_fffe, 11) => {
            let strength = if is_filled {
                Strength::Certain
            } else {
                Strength::Likely
            };
            return Some(Finding::plaintext(strength, name));
        }
        (0xffff_fffc, 100) => {
            let finding = Finding::plaintext(Strength::Likely, "auth");
            return Some(finding.with(CredentialKind::ZookeeperAuth));
        }
        (0xffff_fff8, 101 | 105) => return Some(Finding::plaintext(Strength::Likely, name)),
        (0x8000_0000.., _) | (_, 100 | 101 | 105 | 11) => return None,
        _ => {}
    }
    if operation == CLOSE {
        let is_whole = is_filled && reader.is_empty();
        return is_whole.then(|| Finding::plaintext(Strength::Likely, name));
    }
    let Some(size) = reader.u32() else {
        return Some(Finding::plaintext(Strength::Weak, name));
    };
    if matches!(operation, 14 | 22) {
        // The first operation, not the last, and no error yet.
        let fits = operation_name(size).is_some()
            && matches!((reader.u8(), reader.u32()), (Some(0), Some(u32::MAX)));
        let strength = if fits {
            Strength::Certain
        } else {
            Strength::Weak
        };
        return Some(Finding::plaintext(strength, name));
    }
    let (path, whole) = reader.upto(size as usize);
    if size > 4096 || path.bytes().first().is_some_and(|&first| first != b'/') || size == 0 {
        return None;
    }
    if !whole {
        return Some(Finding::plaintext(Strength::Weak, name));
    }
    if !is_name(path.bytes()) {
        return None;
    }
    let text = Evidence::of(|e| e.word(name).word(" ").key(path.bytes(), NAME_MAX));
    Some(Finding::plaintext(Strength::Certain, text))
}

const fn operation_name(operation: u32) -> Option<&'static str> {
    Some(match operation {
        1 | 15 | 19 | 21 => "create",
        2 | 20 => "delete",
        3 => "exists",
        4 => "getData",
        5 => "setData",
        6 => "getACL",
        7 => "setACL",
        8 | 12 => "getChildren",
        9 => "sync",
        11 => "ping",
        13 => "check",
        14 | 22 => "multi",
        16 => "reconfig",
        17 | 18 => "removeWatches",
        100 => "auth",
        101 | 105 => "setWatches",
        106 => "addWatch",
        CLOSE => "close",
        _ => return None,
    })
}
