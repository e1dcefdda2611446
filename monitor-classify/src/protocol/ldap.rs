//! LDAP (RFC 4511), also Active Directory's global catalogue.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::ber::{self, Element, OCTET_STRING, SEQUENCE};
use crate::parse::reader::{Reader, contains, is_text};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[389, 3268];

const NAME_MAX: usize = 60;

/// The object identifier of the request for TLS.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// The object identifier of a change of a password (RFC 3062).
const MODIFY_PASSWORD: &[u8] = b"1.3.6.1.4.1.4203.1.11.1";

/// Attributes that hold a password; Active Directory's is `unicodePwd`.
const PASSWORDS: &[&[u8]] = &[b"userPassword", b"unicodePwd", b"sambaNTPassword"];

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let outer = Element::expect(&mut reader, SEQUENCE)?;
    if outer.length < 5 {
        return None;
    }
    let mut body = outer.body;
    let Some(number) = Element::read(&mut body) else {
        let fits = body.bytes().is_empty() && p.is_filled_by(outer.size() as u64);
        return fits.then(|| Finding::undecided(Strength::Weak, "message"));
    };
    if number.tag != ber::INTEGER || !(1..=4).contains(&number.length) {
        return None;
    }
    let is_filled = p.is_filled_by(outer.size() as u64);
    let Some(operation) = Element::read(&mut body) else {
        let fits = body
            .bytes()
            .first()
            .is_none_or(|tag| operation_name(*tag).is_some());
        // It may ask for TLS.
        return (is_filled && fits).then(|| Finding::undecided(Strength::Weak, "message"));
    };
    let name = operation_name(operation.tag)?;
    // Controls may follow it, and nothing else.
    let rest = outer.length.checked_sub(number.size() + operation.size())?;
    if rest == 1 || body.bytes().first().is_some_and(|tag| *tag != 0xa0) {
        return None;
    }
    let strength = match (rest, is_filled) {
        (0, _) => Strength::Certain,
        (_, true) => Strength::Certain,
        (_, false) => Strength::Likely,
    };
    let mut finding = Finding::plaintext(strength, name);
    let fields = operation.body;
    match operation.tag {
        0x60 => bind(&mut finding, fields)?,
        0x63 => add_name(&mut finding, fields)?,
        0x4a => finding = named(finding, fields.bytes())?,
        0x64 | 0x66 | 0x68 => {
            add_name(&mut finding, fields)?;
            let holds = |name: &&[u8]| contains(fields.bytes(), name);
            if PASSWORDS.iter().any(holds) {
                finding.credentials.push(CredentialKind::PasswordField);
            }
        }
        0x77 if contains(fields.bytes(), START_TLS) => {
            return Some(Finding::undecided(strength, "StartTLS"));
        }
        // RFC 3062: the old and the new password.
        0x77 if contains(fields.bytes(), MODIFY_PASSWORD) => {
            finding.evidence.word(", change of a password");
            finding.credentials.push(CredentialKind::LdapBind);
        }
        // Cut before its name: it may ask for TLS.
        0x77 if !operation.whole && fields.bytes().len() < START_TLS.len() + 2 => {
            return Some(Finding::undecided(strength, name));
        }
        0x61 | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x78 => {
            let mut fields = fields;
            if let Some(result) = Element::read(&mut fields)
                && (result.tag != 0x0a || result.length != 1)
            {
                return None;
            }
        }
        _ => {}
    }
    Some(finding)
}

/// Version, name, and a password or a mechanism.
fn bind(finding: &mut Finding, mut fields: Reader<'_>) -> Option<()> {
    let Some(version) = Element::read(&mut fields) else {
        return Some(());
    };
    if version.tag != ber::INTEGER
        || version.length != 1
        || version
            .body
            .bytes()
            .first()
            .is_some_and(|version| !matches!(version, 1..=3))
    {
        return None;
    }
    let Some(name) = Element::read(&mut fields) else {
        return Some(());
    };
    if name.tag != OCTET_STRING || !is_text(name.body.bytes()) {
        return None;
    }
    if name.whole && name.length > 0 {
        finding.evidence.word(" ").user(name.body.bytes(), true);
    }
    let Some(choice) = Element::read(&mut fields) else {
        return Some(());
    };
    match choice.tag {
        // No password: an anonymous bind.
        0x80 if choice.length > 0 => finding.credentials.push(CredentialKind::LdapBind),
        0x80 => {
            finding.evidence.word(" (no password)");
        }
        0xa3 => {
            let mut sasl = choice.body;
            let mechanism = Element::read(&mut sasl)
                .filter(|element| element.whole && is_text(element.body.bytes()));
            if let Some(mechanism) = mechanism {
                finding
                    .evidence
                    .word(" SASL ")
                    .name(mechanism.body.bytes(), NAME_MAX);
                if mechanism.body.bytes() != b"EXTERNAL" {
                    finding.credentials.push(CredentialKind::LdapBind);
                }
            }
        }
        // NTLM in Active Directory's own way.
        0x89..=0x8b => finding.credentials.push(CredentialKind::Ntlm),
        _ => return None,
    }
    Some(())
}

/// The name of an entry that stands first.
fn add_name(finding: &mut Finding, mut fields: Reader<'_>) -> Option<()> {
    let Some(name) = Element::read(&mut fields) else {
        return Some(());
    };
    if name.tag != OCTET_STRING || !is_text(name.body.bytes()) {
        return None;
    }
    if name.whole && name.length > 0 {
        finding.evidence.word(" ");
        add_entry(&mut finding.evidence, name.body.bytes());
    }
    Some(())
}

fn named(mut finding: Finding, name: &[u8]) -> Option<Finding> {
    if !is_text(name) {
        return None;
    }
    finding.evidence.word(" ");
    add_entry(&mut finding.evidence, name);
    Some(finding)
}

/// Adds the name of an entry: one of a person, in `uid=` or `cn=`, is a user.
fn add_entry(evidence: &mut Evidence, name: &[u8]) {
    let starts = |start: &[u8]| {
        name.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    if starts(b"uid=") || starts(b"cn=") {
        evidence.user(name, true);
    } else {
        evidence.key(name, NAME_MAX);
    }
}

const fn operation_name(tag: u8) -> Option<&'static str> {
    Some(match tag {
        0x60 => "bind",
        0x61 => "bind response",
        0x42 => "unbind",
        0x63 => "search",
        0x64 => "entry",
        0x65 => "search done",
        0x73 => "reference",
        0x66 => "modify",
        0x67 => "modify response",
        0x68 => "add",
        0x69 => "add response",
        0x4a => "delete",
        0x6b => "delete response",
        0x6c => "rename",
        0x6d => "rename response",
        0x6e => "compare",
        0x6f => "compare response",
        0x50 => "abandon",
        0x77 => "extended request",
        0x78 => "extended response",
        0x79 => "intermediate response",
        _ => return None,
    })
}
