//! The greeting of the server and the first answer of the client.

use super::packet::{Message, Packet, length_encoded};
use crate::finding::Strength::{Certain, Likely, Weak};
use crate::names::Exposure;
use crate::parse::reader::{Reader, is_name};
use crate::text::Evidence;

const NAME_MAX: usize = 32;

/// Capability flags of the client.
const WITH_DATABASE: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const TLS: u32 = 1 << 11;
const SECURE_CONNECTION: u32 = 1 << 15;
const LENGTH_ENCODED_ANSWER: u32 = 1 << 21;

/// `HandshakeV10`: version of the server, thread, challenge.
pub(super) fn greeting(packet: &Packet<'_>) -> Option<Message> {
    let mut body = packet.body;
    if body.u8()? != 10 || packet.length > 512 {
        return None;
    }
    let is_version = |text: &[u8]| {
        text.first().is_none_or(u8::is_ascii_digit)
            && text.iter().all(|&byte| (b' '..0x7f).contains(&byte))
    };
    let Some(version) = body.c_string() else {
        let cut = body.bytes();
        return (!packet.whole && is_version(cut)).then(|| Message::new(Likely, "greeting"));
    };
    if version.len() < 3 || !is_version(version) {
        return None;
    }
    let strength = match (body.take(12), body.u8()) {
        // A filler of zero behind the first part of the challenge.
        (Some(_), Some(0)) => Certain,
        (None, _) | (_, None) => Likely,
        _ => return None,
    };
    Some(Message::new(
        strength,
        Evidence::of(|e| e.word("greeting ").name(version, NAME_MAX)),
    ))
}

/// `SSLRequest` or `HandshakeResponse41`.
pub(super) fn response(packet: &Packet<'_>) -> Option<Message> {
    let mut body = packet.body;
    if packet.length < 32 || packet.length > 1 << 16 {
        return None;
    }
    let capabilities = body.u32_le()?;
    if capabilities & PROTOCOL_41 == 0 {
        return None;
    }
    let exposure = if packet.length == 32 {
        Exposure::Unknown
    } else {
        Exposure::Plaintext
    };
    let Some(largest) = body.u32_le() else {
        let mut message = Message::new(Weak, "log-in");
        message.exposure = exposure;
        return Some(message);
    };
    body.u8();
    let filler = &body.bytes()[..body.bytes().len().min(19)];
    if filler.iter().any(|&byte| byte != 0) || largest > 1 << 30 {
        return None;
    }
    // MariaDB's own capabilities fill the last four bytes.
    let strength = match filler.len() {
        19 => Certain,
        8..19 => Likely,
        _ => Weak,
    };
    if packet.length == 32 {
        if capabilities & TLS == 0 {
            return None;
        }
        let mut request = Message::new(strength, "SSLRequest");
        request.exposure = exposure;
        return Some(request);
    }
    let mut message = Message::new(strength, "log-in");
    if body.take(23).is_some() {
        names(body, capabilities, &mut message);
    }
    Some(message)
}

fn names(mut body: Reader<'_>, capabilities: u32, message: &mut Message) -> Option<()> {
    let user = body.c_string()?;
    if is_name(user) {
        message.evidence.word(" user=").user(user, true);
    }
    let length = if capabilities & LENGTH_ENCODED_ANSWER != 0 {
        length_encoded(&mut body)?
    } else if capabilities & SECURE_CONNECTION != 0 {
        u64::from(body.u8()?)
    } else {
        let answer = body.bytes().iter().position(|&byte| byte == 0)? as u64;
        message.password = answer > 0;
        body.c_string()?;
        return database(body, capabilities, message);
    };
    message.password = length > 0;
    body.take(usize::try_from(length).ok()?)?;
    database(body, capabilities, message)
}

fn database(mut body: Reader<'_>, capabilities: u32, message: &mut Message) -> Option<()> {
    if capabilities & WITH_DATABASE != 0 {
        let name = body.c_string().filter(|name| is_name(name))?;
        message.evidence.word(" database=").key(name, NAME_MAX);
    }
    Some(())
}
