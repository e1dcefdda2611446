//! Frames of AMQP 0-9-1.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name};
use crate::payload::Payload;
use crate::text::Evidence;

/// Ends every frame.
const END: u8 = 0xce;

/// Longest frame that is believed, in bytes: what `RabbitMQ` takes by default.
const LENGTH_MAX: u32 = 131_072;

const NAME_MAX: usize = 40;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let kind = reader.u8()?;
    let channel = reader.u16()?;
    let length = reader.u32()?;
    if length > LENGTH_MAX {
        return None;
    }
    let (body, whole) = reader.upto(length as usize);
    let end = reader.u8();
    if whole && end.is_some_and(|byte| byte != END) {
        return None;
    }
    let ends = whole && end.is_some();
    let is_filled = p.is_filled_by(u64::from(length) + 8);
    // The end mark, or the length of the packet, makes it surer.
    let strength = match (ends, is_filled) {
        (true, _) => Strength::Certain,
        (false, true) => Strength::Likely,
        (false, false) => Strength::Weak,
    };
    match kind {
        1 => method(body, strength, length),
        2 => {
            let mut body = body;
            let class = body.u16();
            let weight = body.u16();
            let fits =
                class.is_none_or(|class| class == 60) && weight.is_none_or(|weight| weight == 0);
            (channel > 0 && length >= 14 && fits)
                .then(|| Finding::plaintext(strength, "content header"))
        }
        3 => {
            let strength = if ends && length == 0 {
                Strength::Weak
            } else {
                strength
            };
            (channel > 0).then(|| Finding::plaintext(strength, "content"))
        }
        8 => (channel == 0 && length == 0).then(|| Finding::plaintext(strength, "heartbeat")),
        _ => None,
    }
}

fn method(mut body: Reader<'_>, strength: Strength, length: u32) -> Option<Finding> {
    let Some(class) = body.u16() else {
        return (length >= 4).then(|| Finding::plaintext(Strength::Weak, "method"));
    };
    let Some(method) = body.u16() else {
        return class_name(class).map(|name| Finding::plaintext(Strength::Weak, name));
    };
    let name = class_name(class)?;
    let most = match class {
        10 => 71,
        60 => 120,
        _ => 51,
    };
    if method == 0 || method > most {
        return None;
    }
    let mut finding = Finding::plaintext(
        strength.max(Strength::Likely),
        Evidence::of(|e| e.word(name).word(".").word(method_name(class, method))),
    );
    describe(&mut finding, class, method, body);
    Some(finding)
}

/// Adds the names in the arguments. Nothing: they were cut.
fn describe(finding: &mut Finding, class: u16, method: u16, mut body: Reader<'_>) -> Option<()> {
    let mut add = |label: &'static str, name: &[u8]| {
        if is_name(name) {
            finding.evidence.word(label).topic(name, NAME_MAX);
        }
    };
    match (class, method) {
        // StartOk: properties, mechanism, answer.
        (10, 11) => {
            let length = body.u32()?;
            body.take(length as usize)?;
            let mechanism = body.short_string()?;
            add(" ", mechanism);
            if mechanism != b"EXTERNAL" && mechanism != b"ANONYMOUS" {
                finding.credentials.push(CredentialKind::AmqpAuth);
            }
        }
        (10, 21) => finding.credentials.push(CredentialKind::AmqpAuth),
        (10, 40) => add(" vhost=", body.short_string()?),
        // Declare, delete: a reserved number, the name.
        (40 | 50, 10 | 40) | (50, 30) => {
            body.u16()?;
            add(" ", body.short_string()?);
        }
        // Bind: queue, exchange, routing key.
        (50, 20) => {
            body.u16()?;
            add(" ", body.short_string()?);
            add(" exchange=", body.short_string()?);
            add(" key=", body.short_string()?);
        }
        (60, 20 | 70) => {
            body.u16()?;
            add(" ", body.short_string()?);
        }
        (60, 40) => {
            body.u16()?;
            add(" exchange=", body.short_string()?);
            add(" key=", body.short_string()?);
        }
        // Deliver: consumer, delivery, redelivered, exchange, routing key.
        (60, 60) => {
            body.short_string()?;
            body.take(9)?;
            add(" exchange=", body.short_string()?);
            add(" key=", body.short_string()?);
        }
        _ => {}
    }
    Some(())
}

const fn class_name(class: u16) -> Option<&'static str> {
    Some(match class {
        10 => "connection",
        20 => "channel",
        30 => "access",
        40 => "exchange",
        50 => "queue",
        60 => "basic",
        85 => "confirm",
        90 => "tx",
        _ => return None,
    })
}

const fn method_name(class: u16, method: u16) -> &'static str {
    match (class, method) {
        (10, 10) => "start",
        (10, 11) => "start-ok",
        (10, 20) => "secure",
        (10, 21) => "secure-ok",
        (10, 30) => "tune",
        (10, 31) => "tune-ok",
        (10, 40) => "open",
        (10, 41) => "open-ok",
        (10, 50) | (20, 40) => "close",
        (10, 51) | (20, 41) => "close-ok",
        (20, 10) => "open",
        (20, 11) => "open-ok",
        (20, 20) => "flow",
        (40 | 50, 10) => "declare",
        (40 | 50, 11) => "declare-ok",
        (40, 30) | (50, 20) => "bind",
        (40, 31) | (50, 21) => "bind-ok",
        (40, 40) | (50, 50) => "unbind",
        (40, 20) | (50, 40) => "delete",
        (50, 30) => "purge",
        (60, 10) => "qos",
        (60, 20) => "consume",
        (60, 21) => "consume-ok",
        (60, 30) => "cancel",
        (60, 40) => "publish",
        (60, 60) => "deliver",
        (60, 70) => "get",
        (60, 71) => "get-ok",
        (60, 72) => "get-empty",
        (60, 80) => "ack",
        (60, 90) => "reject",
        (60, 120) => "nack",
        (85, 10) => "select",
        (85, 11) => "select-ok",
        _ => "method",
    }
}
