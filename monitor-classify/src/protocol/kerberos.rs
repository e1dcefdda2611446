//! Kerberos 5 (RFC 4120), over UDP and TCP.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::ber::{Element, SEQUENCE};
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;
use crate::payload::Transport;

pub(super) const PORTS: &[u16] = &[88];

/// A text in a message: realms and parts of names.
const GENERAL_STRING: u8 = 0x1b;

/// Texts that are shown, and how long.
const NAMES_MAX: usize = 3;
const NAME_MAX: usize = 32;

/// Services in the place of a user (RFC 4120 section 6.2.1, and what is in use).
const SERVICES: &[&[u8]] = &[
    b"host",
    b"HTTP",
    b"ldap",
    b"cifs",
    b"nfs",
    b"imap",
    b"smtp",
    b"DNS",
    b"kadmin",
    b"changepw",
];

/// Elements of a message that are looked at.
const ELEMENTS_MAX: usize = 48;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let mut before = 0;
    if p.transport == Transport::Tcp {
        // A length of 32 bits in front.
        before = u64::from(reader.u32()?) + 4;
        if before > 1 << 20 {
            return None;
        }
    }
    let outer = Element::read(&mut reader)?;
    let size = outer.size() as u64;
    let agrees = if p.transport == Transport::Tcp {
        before == size + 4
    } else {
        p.is_filled_by(size)
    };
    let (name, kind, has_ticket) = message_name(outer.tag)?;
    if !agrees {
        return None;
    }
    let mut finding = Finding::plaintext(Strength::Weak, name);
    let mut body = outer.body;
    let Some(sequence) = Element::read(&mut body) else {
        return Some(finding);
    };
    if sequence.tag != SEQUENCE {
        return None;
    }
    let mut fields = sequence.body;
    // Version 5 and the number of the message, under numbers that follow each other.
    let (Some(version), Some(number)) = (tagged(&mut fields), tagged(&mut fields)) else {
        return Some(finding);
    };
    if version != 5 || number != kind {
        return None;
    }
    finding.strength = Strength::Certain;
    if has_ticket {
        finding.credentials.push(CredentialKind::Kerberos);
    }
    for name in names(fields) {
        finding.evidence.word(" ");
        // A principal is a user unless it is a service; a realm is in upper case.
        if is_service(name) {
            finding.evidence.host(name, NAME_MAX);
        } else {
            finding.evidence.user(name, true);
        }
    }
    Some(finding)
}

/// Whether a part of a name is a realm, the service of tickets, or a host.
fn is_service(name: &[u8]) -> bool {
    let is_realm =
        name.iter().any(u8::is_ascii_uppercase) && !name.iter().any(u8::is_ascii_lowercase);
    is_realm || name == b"krbtgt" || name.contains(&b'.') || SERVICES.contains(&name)
}

/// A small number in an element of its own number.
fn tagged(fields: &mut Reader<'_>) -> Option<u32> {
    let mut inside = Element::read(fields)
        .filter(|element| element.tag & 0xe0 == 0xa0)?
        .body;
    Element::expect(&mut inside, 0x02)?.integer()
}

/// The first texts, wherever they stand: elements are walked from outside in.
fn names(mut reader: Reader<'_>) -> Vec<&[u8]> {
    let mut names: Vec<&[u8]> = Vec::new();
    for _ in 0..ELEMENTS_MAX {
        // Constructed elements are opened, primitive ones are skipped.
        let mut ahead = reader;
        let Some(element) = Element::read(&mut ahead) else {
            break;
        };
        if element.tag & 0x20 != 0 {
            let header = element.header;
            if reader.take(header).is_none() {
                break;
            }
            continue;
        }
        reader = ahead;
        let text = element.body.bytes();
        if element.tag == GENERAL_STRING && element.whole && is_name(text) && !names.contains(&text)
        {
            names.push(text);
            if names.len() == NAMES_MAX {
                break;
            }
        }
    }
    names
}

/// Name, number, and whether there is a ticket or something encrypted with a password's key in it.
const fn message_name(tag: u8) -> Option<(&'static str, u32, bool)> {
    Some(match tag {
        0x6a => ("AS-REQ", 10, false),
        0x6b => ("AS-REP", 11, true),
        0x6c => ("TGS-REQ", 12, true),
        0x6d => ("TGS-REP", 13, true),
        0x6e => ("AP-REQ", 14, true),
        0x6f => ("AP-REP", 15, false),
        0x7e => ("KRB-ERROR", 30, false),
        _ => return None,
    })
}
