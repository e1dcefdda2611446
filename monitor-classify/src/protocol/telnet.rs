//! Telnet (RFC 854, 855): its commands and what is typed.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::lines;
use crate::payload::Payload;

pub(super) const PORTS: &[u16] = &[23, 2323];

/// Interpret as command.
const IAC: u8 = 255;
/// Subnegotiation, its end, and the four verbs about options.
const SB: u8 = 250;
const SE: u8 = 240;
const WILL: u8 = 251;
const DONT: u8 = 254;

/// Highest option that is in use (IANA), but for 255, the extended list.
const OPTION_MAX: u8 = 49;

/// Longest subnegotiation that is followed.
const SUBNEGOTIATION_MAX: usize = 256;

/// Commands that are counted.
const COMMANDS_MAX: usize = 16;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    // One alone, of two bytes and without an option, is too little.
    let (commands, used, is_ended) = commands(p.bytes)?;
    if commands == 0 && !p.uses_port(PORTS) {
        return None;
    }
    let is_short = commands == 1 && used < 3;
    let text = &p.bytes[used..];
    if !lines::all(text, is_printed) {
        return None;
    }
    if commands > 0 {
        // One command is chance where it does not end, or the rest is not text.
        let strength = if is_short || (commands == 1 && !(is_ended && text.is_ascii())) {
            Strength::Weak
        } else if commands > 1 {
            Strength::Certain
        } else {
            Strength::Likely
        };
        return Some(Finding::plaintext(strength, "options").with_some(prompt(p, text)));
    }
    // Typed keys, one a packet, or output for the screen: text at most.
    Some(Finding::plaintext(Strength::Weak, "text").with_some(prompt(p, text)))
}

/// How many commands stand at the start, their bytes, and whether the last one ends.
fn commands(bytes: &[u8]) -> Option<(usize, usize, bool)> {
    let (mut count, mut at, mut is_ended) = (0, 0, true);
    while bytes.get(at) == Some(&IAC) && count < COMMANDS_MAX {
        match bytes.get(at + 1..) {
            Some([WILL..=DONT, option, ..]) if *option <= OPTION_MAX || *option == IAC => at += 3,
            Some([SB, option, rest @ ..]) if *option <= OPTION_MAX => {
                let window = &rest[..rest.len().min(SUBNEGOTIATION_MAX)];
                let end = window.windows(2).position(|two| two == [IAC, SE]);
                match end {
                    Some(end) => at += 3 + end + 2,
                    None if rest.len() < SUBNEGOTIATION_MAX => {
                        (at, is_ended) = (bytes.len(), false)
                    }
                    None => return None,
                }
            }
            // Go ahead, are you there, interrupt, …
            Some([SE..=249, ..]) => at += 2,
            // Cut inside a command.
            Some([] | [SB..=DONT]) | None => {
                return (count > 0).then_some((count, bytes.len(), false));
            }
            Some(_) => return None,
        }
        count += 1;
    }
    // A capture of less than a command proves nothing.
    Some((count, at.min(bytes.len()), is_ended))
}

const fn is_printed(byte: u8) -> bool {
    // Bell to carriage return, and escape, and the NUL behind a bare return.
    byte >= b' ' || matches!(byte, 0 | 3 | 4 | 7..=13 | 27)
}

/// The answer to a prompt for a password comes in the clear.
fn prompt(p: &Payload<'_>, text: &[u8]) -> Option<CredentialKind> {
    let line = text.rsplit(|&byte| byte == b'\n').next()?.trim_ascii();
    let asks = line.len() <= 40 && line.ends_with(b":") && lines::contains(line, "password");
    (asks && PORTS.contains(&p.src_port)).then_some(CredentialKind::TelnetLogin)
}
