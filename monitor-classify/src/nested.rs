//! IP in IP (RFC 2003, RFC 4213): the packet inside is classified.
//!
//! A tunnel carries many connections as one flow. Plaintext in one of them is plaintext in the tunnel; an encrypted
//! one says nothing of the others.

use crate::names::{Confidence, Exposure, Protocol};
use crate::parse::reader::Reader;
use crate::payload::{Payload, Transport};
use crate::verdict::Verdict;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The payload of a packet inside a packet. Outer nothing: there is none; inner nothing: its payload cannot be
/// classified.
#[expect(
    clippy::option_option,
    reason = "no IP, nothing to classify, or a payload: three answers"
)]
pub(crate) fn packet<'a>(p: &Payload<'a>) -> Option<Option<Payload<'a>>> {
    if !matches!(p.transport, Transport::Other(4 | 41)) {
        return None;
    }
    let first = *p.bytes.first()?;
    let (protocol, header, length) = match first >> 4 {
        4 => version_4(p.bytes)?,
        6 => version_6(p.bytes)?,
        _ => return None,
    };
    let wire_len = u32::from(length).checked_sub(header)?;
    if u32::from(length) > p.wire_len {
        return None;
    }
    let bytes = p.bytes.get(header as usize..).unwrap_or_default();
    let bytes = &bytes[..bytes.len().min(wire_len as usize)];
    Some(segment(protocol, bytes, wire_len))
}

/// The verdict on a tunnel, from that on one packet inside it.
pub(crate) fn of_tunnel(verdict: Verdict) -> Verdict {
    if verdict.exposure == Exposure::Encrypted {
        Verdict {
            exposure: Exposure::Unknown,
            confidence: Confidence::Likely,
            ..verdict
        }
    } else if verdict.protocol == Protocol::Unknown && verdict.exposure == Exposure::Unknown {
        Verdict::unknown()
    } else {
        verdict
    }
}

/// Protocol, length of the header, and total length of an IPv4 packet.
fn version_4(bytes: &[u8]) -> Option<(u8, u32, u16)> {
    let mut reader = Reader::new(bytes);
    let words = reader.u8()? & 0x0f;
    reader.u8()?;
    let length = reader.u16()?;
    reader.u16()?;
    let fragment = reader.u16()? & 0x1fff;
    reader.u8()?;
    let protocol = reader.u8()?;
    // 255 is reserved (IANA): a later fragment does not show its protocol.
    let protocol = if fragment == 0 { protocol } else { 255 };
    (words >= 5).then_some((protocol, u32::from(words) * 4, length))
}

/// The same for IPv6. Extension headers are not followed.
fn version_6(bytes: &[u8]) -> Option<(u8, u32, u16)> {
    let mut reader = Reader::new(bytes);
    reader.take(4)?;
    let length = reader.u16()?.checked_add(40)?;
    Some((reader.u8()?, 40, length))
}

/// The payload of TCP, UDP or ICMP.
pub(crate) fn segment(protocol: u8, bytes: &[u8], wire_len: u32) -> Option<Payload<'_>> {
    let transport = Transport::from(protocol);
    let mut reader = Reader::new(bytes);
    if matches!(protocol, ICMP | ICMPV6) {
        return Some(Payload {
            bytes,
            wire_len,
            transport,
            src_port: 0,
            dst_port: 0,
        });
    }
    let (src_port, dst_port) = (reader.u16()?, reader.u16()?);
    let header = match protocol {
        TCP => usize::from(bytes.get(12)? >> 4) * 4,
        UDP => 8,
        _ => return None,
    };
    Some(Payload {
        bytes: bytes.get(header..)?,
        wire_len: wire_len.checked_sub(u32::try_from(header).ok()?)?,
        transport,
        src_port,
        dst_port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_around_what_is_encrypted_is_likely_unknown() {
        let inside = Verdict {
            exposure: Exposure::Encrypted,
            confidence: Confidence::Certain,
            ..Verdict::unknown()
        };
        let verdict = of_tunnel(inside);
        assert_eq!(
            (verdict.exposure, verdict.confidence),
            (Exposure::Unknown, Confidence::Likely)
        );
    }
}
