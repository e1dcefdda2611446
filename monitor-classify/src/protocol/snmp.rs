//! SNMP 1, 2c and 3 (RFC 1157, 3416, 3412).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::ber::{self, Element, OCTET_STRING, SEQUENCE};
use crate::parse::reader::{Reader, is_text};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[161, 162];

/// The flag of version 3 that says: encrypted.
const PRIVACY: u8 = 0x02;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let outer = Element::expect(&mut reader, SEQUENCE)?;
    if !p.is_filled_by(outer.size() as u64) {
        return None;
    }
    let mut body = outer.body;
    let version = ber::integer(&mut body)?;
    match version {
        0 => community(body, "v1"),
        1 => community(body, "v2c"),
        3 => version_3(body),
        _ => None,
    }
}

/// A community, and the kind of request. The community alone gives access.
fn community(mut body: Reader<'_>, version: &'static str) -> Option<Finding> {
    let Some(name) = Element::read(&mut body) else {
        return Some(Finding::plaintext(Strength::Weak, version));
    };
    if name.tag != OCTET_STRING || name.length > 255 || !is_text(name.body.bytes()) {
        return None;
    }
    let finding = |strength, text: Evidence| {
        Finding::plaintext(strength, text).with(CredentialKind::SnmpCommunity)
    };
    let Some(tag) = body.u8() else {
        return Some(finding(
            Strength::Likely,
            Evidence::of(|e| e.word(version).word(" community ").hidden()),
        ));
    };
    let pdu = match tag {
        0xa0 => "get",
        0xa1 => "get-next",
        0xa2 => "response",
        0xa3 => "set",
        0xa4 => "trap",
        0xa5 => "get-bulk",
        0xa6 => "inform",
        0xa7 => "trap",
        0xa8 => "report",
        _ => return None,
    };
    Some(finding(
        Strength::Certain,
        Evidence::of(|e| {
            e.word(version)
                .word(" ")
                .word(pdu)
                .word(" community ")
                .hidden()
        }),
    ))
}

/// Number, size, flags, model; parameters of security; the contents, encrypted or not.
fn version_3(mut body: Reader<'_>) -> Option<Finding> {
    let weak = || Some(Finding::undecided(Strength::Weak, "v3"));
    let Some(header) = Element::read(&mut body) else {
        return weak();
    };
    if header.tag != SEQUENCE {
        return None;
    }
    let mut fields = header.body;
    let (Some(_), Some(_), Some(flags)) = (
        ber::integer(&mut fields),
        ber::integer(&mut fields),
        Element::read(&mut fields),
    ) else {
        return weak();
    };
    let &[flags] = flags.body.bytes() else {
        return weak();
    };
    if flags & PRIVACY == 0 {
        return Some(Finding::plaintext(
            Strength::Certain,
            "v3 without encryption",
        ));
    }
    let parameters = Element::read(&mut body);
    match body.u8() {
        // An octet string; in the clear a sequence would stand here.
        Some(OCTET_STRING) => Some(Finding::encrypted(Strength::Certain, "v3 encrypted")),
        Some(_) => None,
        None => {
            let fits = parameters.is_none_or(|element| element.tag == OCTET_STRING);
            fits.then(|| Finding::undecided(Strength::Likely, "v3"))
        }
    }
}
