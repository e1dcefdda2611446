//! memcached's binary protocol ("BinaryProtocolRevamped" of its documentation).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;
use crate::payload::Transport;

const NAME_MAX: usize = 48;

/// Longest key.
const KEY_MAX: u16 = 250;

/// Magic, operation, lengths of key and extras, type 0, status, length of all, number, version.
pub(crate) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    if p.transport == Transport::Udp {
        // Request, sequence, datagrams, nothing.
        reader.take(6)?;
        if reader.u16()? != 0 {
            return None;
        }
    }
    let before = (p.bytes.len() - reader.bytes().len()) as u64;
    let is_request = match reader.u8()? {
        0x80 => true,
        0x81 => false,
        _ => return None,
    };
    let operation = reader.u8()?;
    let name = operation_name(operation)?;
    let key = reader.u16()?;
    let extras = reader.u8()?;
    let kind = reader.u8()?;
    if key > KEY_MAX || extras > 32 || kind != 0 {
        return None;
    }
    let weak = || Some(Finding::plaintext(Strength::Weak, name));
    let (Some(status), Some(length)) = (reader.u16(), reader.u32()) else {
        return weak();
    };
    if length < u32::from(key) + u32::from(extras) || length > 128 << 20 {
        return None;
    }
    if !is_request && status > 0x86 {
        return None;
    }
    let is_filled = p.is_filled_by(before + 24 + u64::from(length));
    let strength = if is_filled {
        Strength::Certain
    } else {
        Strength::Likely
    };
    let mut finding = Finding::plaintext(strength, name);
    reader.take(12);
    reader.take(usize::from(extras));
    if key > 0
        && let Some(key) = reader.take(usize::from(key)).filter(|key| is_name(key))
    {
        finding.evidence.word(" ").key(key, NAME_MAX);
    }
    if is_request && matches!(operation, 0x21 | 0x22) {
        finding.credentials.push(CredentialKind::MemcachedAuth);
    }
    Some(finding)
}

const fn operation_name(operation: u8) -> Option<&'static str> {
    Some(match operation {
        0x00 | 0x09 | 0x0c | 0x0d => "get",
        0x01 | 0x11 => "set",
        0x02 | 0x12 => "add",
        0x03 | 0x13 => "replace",
        0x04 | 0x14 => "delete",
        0x05 | 0x15 => "increment",
        0x06 | 0x16 => "decrement",
        0x07 | 0x17 => "quit",
        0x08 | 0x18 => "flush",
        0x0a => "noop",
        0x0b => "version",
        0x0e | 0x19 => "append",
        0x0f | 0x1a => "prepend",
        0x10 => "stat",
        0x1b => "verbosity",
        0x1c..=0x1e => "touch",
        0x20 => "SASL mechanisms",
        0x21 => "SASL log-in",
        0x22 => "SASL step",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_name() {
        let name = |code| Some(format!("{code} {}", operation_name(code)?));
        let names: Vec<String> = (0..=u8::MAX).filter_map(name).collect();
        insta::assert_snapshot!(names.join("\n"));
    }
}
