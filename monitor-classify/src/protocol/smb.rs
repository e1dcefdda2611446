//! SMB 1 to 3 (MS-CIFS, MS-SMB2), straight over TCP or in a `NetBIOS` session.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, contains};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[445, 139];

/// Zero and 24 bits of length; then four bytes that name the dialect.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    if reader.u8()? != 0 {
        return None;
    }
    let length = reader.u24()?;
    if !(32..=1 << 23).contains(&length) {
        return None;
    }
    let Some(magic) = reader.take(4) else {
        let fits = reader.bytes().first().is_some_and(|byte| *byte >= 0xfc);
        return fits.then(|| Finding::undecided(Strength::Weak, "message"));
    };
    let mut finding = match magic {
        b"\xffSMB" => Finding::plaintext(Strength::Certain, "SMB1 message"),
        b"\xfeSMB" => version_2(reader)?,
        // The transform of version 3: signature, nonce, size, session.
        b"\xfdSMB" => return Some(Finding::encrypted(Strength::Certain, "SMB3 encrypted")),
        b"\xfcSMB" => Finding::plaintext(Strength::Certain, "SMB3 compressed"),
        _ => return None,
    };
    // The third message of NTLM: the answer to the challenge.
    if contains(p.bytes, b"NTLMSSP\0\x03\0\0\0") {
        finding.credentials.push(CredentialKind::Ntlm);
    }
    Some(finding)
}

/// Size of the header, credits, status, command, …
fn version_2(mut reader: Reader<'_>) -> Option<Finding> {
    if reader.u16_le().is_some_and(|size| size != 64) {
        return None;
    }
    reader.take(6);
    let name = match reader.u16_le() {
        None => "message",
        Some(command) => command_name(command)?,
    };
    Some(Finding::plaintext(
        Strength::Certain,
        Evidence::of(|e| e.word("SMB2 ").word(name)),
    ))
}

const fn command_name(command: u16) -> Option<&'static str> {
    Some(match command {
        0 => "negotiate",
        1 => "session setup",
        2 => "log-off",
        3 => "tree connect",
        4 => "tree disconnect",
        5 => "create",
        6 => "close",
        7 => "flush",
        8 => "read",
        9 => "write",
        10 => "lock",
        11 => "ioctl",
        12 => "cancel",
        13 => "echo",
        14 => "query directory",
        15 => "change notify",
        16 => "query info",
        17 => "set info",
        18 => "oplock break",
        _ => return None,
    })
}
