//! MQTT 3.1, 3.1.1 and 5 (OASIS standards).

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;
use crate::secret::looks_secret;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[1883];

/// Packets of a payload that are looked at.
const PACKETS_MAX: usize = 16;

const NAME_MAX: usize = 48;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let mut first: Option<Finding> = None;
    let (mut packets, mut end) = (0_usize, 0_u64);
    while packets < PACKETS_MAX && !reader.is_empty() {
        let before = reader;
        let Some((kind, length)) = header(&mut reader) else {
            // Cut in the header, or none.
            if first.is_some() && before.bytes().len() < 5 {
                break;
            }
            return None;
        };
        let used = before.bytes().len() - reader.bytes().len();
        let (body, whole) = reader.upto(length as usize);
        let finding = packet(kind, length, body, whole)?;
        packets += 1;
        end += used as u64 + u64::from(length);
        if first
            .as_ref()
            .is_none_or(|first| first.strength < finding.strength)
        {
            first = Some(finding);
        }
    }
    let mut finding = first?;
    // Two bytes are as good as none, and further packets a little.
    let by_length = p.is_filled_by(end) && end > 4;
    finding.strength = match finding.strength {
        Strength::Weak if by_length && packets > 2 => Strength::Likely,
        Strength::Likely if !by_length => Strength::Weak,
        strength => strength,
    };
    Some(finding)
}

/// Type and flags, and the length of the rest: 7 bits a byte, the lowest first.
fn header(reader: &mut Reader<'_>) -> Option<(u8, u32)> {
    let kind = reader.u8()?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = reader.u8()?;
        length |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((kind, length));
        }
    }
    None
}

fn packet(kind: u8, length: u32, mut body: Reader<'_>, whole: bool) -> Option<Finding> {
    let weak =
        |fits: bool, name: &'static str| fits.then(|| Finding::plaintext(Strength::Weak, name));
    // With properties of version 5.
    let answer = (2..=128).contains(&length);
    match kind {
        0x10 => connect(length, body),
        0x20 => {
            let flags = body.u8();
            let code = body.u8();
            let fits = flags.is_none_or(|flags| flags <= 1)
                && code.is_none_or(|code| code <= 5 || (0x80..=0x9f).contains(&code));
            weak(answer && fits, "CONNACK")
        }
        0x30..=0x3f => publish(kind, length, body, whole),
        0x40 => weak(answer && body.u16() != Some(0), "PUBACK"),
        0x50 => weak(answer && body.u16() != Some(0), "PUBREC"),
        0x62 => weak(answer && body.u16() != Some(0), "PUBREL"),
        0x70 => weak(answer && body.u16() != Some(0), "PUBCOMP"),
        0x82 => topics(body, whole, length, "SUBSCRIBE"),
        0x90 => weak(
            (3..=256).contains(&length) && body.u16() != Some(0),
            "SUBACK",
        ),
        0xa2 => topics(body, whole, length, "UNSUBSCRIBE"),
        0xb0 => weak(answer, "UNSUBACK"),
        0xc0 => weak(length == 0, "PINGREQ"),
        0xd0 => weak(length == 0, "PINGRESP"),
        0xe0 => weak(
            length <= 64
                && body
                    .u8()
                    .is_none_or(|code| code == 0 || code == 4 || code >= 0x80),
            "DISCONNECT",
        ),
        0xf0 => weak(
            length <= 1024 && body.u8().is_none_or(|code| matches!(code, 0 | 0x18 | 0x19)),
            "AUTH",
        ),
        _ => None,
    }
}

/// Name and level of the protocol, flags, time; then client, will, user, password.
fn connect(length: u32, mut body: Reader<'_>) -> Option<Finding> {
    let name: &[u8] = match body.bytes() {
        [0, 6, ..] => b"\0\x06MQIsdp",
        _ => b"\0\x04MQTT",
    };
    if length < 10 {
        return None;
    }
    if body.bytes().len() < name.len() {
        let fits = name.starts_with(body.bytes());
        let strength = if body.bytes().len() > 4 {
            Strength::Likely
        } else {
            Strength::Weak
        };
        return fits.then(|| Finding::plaintext(strength, "CONNECT"));
    }
    if body.take(name.len())? != name {
        return None;
    }
    let mut finding = Finding::plaintext(Strength::Certain, "CONNECT");
    let Some(level) = body.u8() else {
        return Some(finding);
    };
    // Bridges set the highest bit.
    if !matches!(level & 0x7f, 3..=5) {
        return None;
    }
    arguments(&mut finding, level & 0x7f, body);
    Some(finding)
}

fn arguments(finding: &mut Finding, level: u8, mut body: Reader<'_>) -> Option<()> {
    let flags = body.u8()?;
    body.u16()?;
    if level == 5 {
        properties(&mut body)?;
    }
    // Names are shown; a will is not.
    let client = body.string()?;
    if is_name(client) {
        finding.evidence.word(" client=").key(client, NAME_MAX);
    }
    if flags & 0x04 != 0 {
        if level == 5 {
            properties(&mut body)?;
        }
        body.string()?;
        body.string()?;
    }
    let mut user_is_token = false;
    if flags & 0x80 != 0 {
        let user = body.string()?;
        user_is_token = looks_secret(user) && !user.contains(&b'@');
        if is_name(user) {
            finding.evidence.word(" user=").user(user, true);
        }
    }
    // Some services take an access token in the place of the user, and no password.
    if flags & 0x40 != 0 || user_is_token {
        finding.credentials.push(CredentialKind::MqttPassword);
    }
    Some(())
}

fn properties(body: &mut Reader<'_>) -> Option<()> {
    let mut length = 0;
    for shift in [0, 7, 14] {
        let byte = body.u8()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            body.take(length)?;
            return Some(());
        }
    }
    None
}

/// A PUBLISH message, with its topic as evidence.
fn publish(kind: u8, length: u32, mut body: Reader<'_>, whole: bool) -> Option<Finding> {
    // Quality 3 does not exist, and 0 is never sent twice.
    if kind & 0x06 == 0x06 || kind & 0x0e == 0x08 || length < 3 {
        return None;
    }
    let Some(size) = body.u16() else {
        return Some(Finding::plaintext(Strength::Weak, "PUBLISH"));
    };
    if u32::from(size) + 2 > length {
        return None;
    }
    // Version 5 has numbers in the place of topics.
    if size == 0 {
        return Some(Finding::plaintext(Strength::Weak, "PUBLISH"));
    }
    let (topic, all) = body.upto(usize::from(size));
    if !is_topic(topic.bytes()) || topic.bytes().iter().any(|byte| b"+#".contains(byte)) {
        return None;
    }
    if !all {
        return Some(Finding::plaintext(Strength::Weak, "PUBLISH"));
    }
    let strength = if whole && size > 2 {
        Strength::Likely
    } else {
        Strength::Weak
    };
    let strength =
        if strength == Strength::Likely && topic.bytes().contains(&b'/') && topic.bytes().len() > 5
        {
            Strength::Certain
        } else {
            strength
        };
    Some(Finding::plaintext(
        strength,
        Evidence::of(|e| e.word("PUBLISH ").topic(topic.bytes(), NAME_MAX)),
    ))
}

/// A number, in version 5 properties, and filters with a byte of options each.
fn topics(mut body: Reader<'_>, whole: bool, length: u32, name: &'static str) -> Option<Finding> {
    if length < 5 || body.u16() == Some(0) {
        return None;
    }
    if body.bytes().first() == Some(&0) && body.bytes().get(1) == Some(&0) {
        // No properties.
        body.u8();
    }
    let Some(size) = body.u16() else {
        return Some(Finding::plaintext(Strength::Weak, name));
    };
    if u32::from(size) + 4 > length || size == 0 {
        return None;
    }
    let (topic, all) = body.upto(usize::from(size));
    if !is_topic(topic.bytes()) {
        return None;
    }
    if !all {
        return Some(Finding::plaintext(Strength::Weak, name));
    }
    let options = name == "UNSUBSCRIBE"
        || body
            .u8()
            .is_none_or(|options| options & 0xc0 == 0 && options & 3 != 3);
    let strength = if whole && size > 2 {
        Strength::Likely
    } else {
        Strength::Weak
    };
    options.then(|| {
        Finding::plaintext(
            strength,
            Evidence::of(|e| e.word(name).word(" ").topic(topic.bytes(), NAME_MAX)),
        )
    })
}

fn is_topic(topic: &[u8]) -> bool {
    topic.is_empty() || is_name(topic)
}
