//! The rsync daemon's protocol: its greeting and the log-in.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines::{self, split};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[873];

/// Longest name of a module that is shown.
const MODULE_MAX: usize = 40;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let line = lines::first(p.bytes)?;
    if let Some(rest) = line.text.strip_prefix(b"@RSYNCD: ") {
        let what = match split(rest).0 {
            b"OK" => "OK",
            b"EXIT" => "EXIT",
            b"AUTHREQD" => "AUTHREQD",
            _ => "greeting",
        };
        return Some(Finding::plaintext(Strength::Certain, what));
    }
    if line.text.starts_with(b"@RSYNC") || line.text.starts_with(b"@ERROR: ") {
        return Some(Finding::plaintext(Strength::Likely, "error"));
    }
    if !PORTS.contains(&p.dst_port) || !line.complete {
        return None;
    }
    // `user` and 22 or more letters of base64 without padding; else the module's name.
    let (word, rest) = split(line.text);
    match rest {
        Some(answer) if answer.len() >= 22 => {
            let evidence = Evidence::of(|e| e.word("answer of ").user(word, true));
            let finding = Finding::plaintext(Strength::Weak, evidence);
            Some(finding.with(CredentialKind::RsyncAuth))
        }
        _ => Some(Finding::plaintext(
            Strength::Weak,
            Evidence::of(|e| e.key(line.text, MODULE_MAX)),
        )),
    }
}
