//! Packets under a security association: ESP (RFC 4303), which may use the NULL cipher (RFC 2410), and
//! AH (RFC 4302), which never encrypts.

use monitor_common::link::Link;
use monitor_common::walk::{self, InnerKind};
use monitor_common::wire::{esp, udp};

use crate::names::{Confidence, Exposure, Protocol};
use crate::shape::randomness::{Look, look};
use crate::verdict::Verdict;

/// Initialisation vector of the usual ciphers in front of the ciphertext, in bytes; it may be a counter.
const IV: usize = 8;
/// Most bytes behind a packet under a NULL cipher: padding, trailer and check value.
const BEHIND: usize = 4 + 32;

/// Classifies an ESP packet, from its SPI on; `wire_len` is its length on the wire.
///
/// It is encrypted where the bytes can be ciphertext and are not a packet in the clear (RFC 5879, 8).
#[must_use]
pub fn esp(bytes: &[u8], wire_len: u32) -> Verdict {
    let exposure = exposure(bytes, wire_len);
    let confidence = match exposure {
        Exposure::Plaintext | Exposure::Encrypted => Confidence::Certain,
        Exposure::Unknown => Confidence::Likely,
    };
    verdict(exposure, confidence, evidence(exposure))
}

/// The exposure of an ESP packet, from its SPI on; see [`esp()`].
pub(crate) fn exposure(bytes: &[u8], wire_len: u32) -> Exposure {
    let body = bytes.get(esp::LEN..).unwrap_or_default();
    let wire_len = (wire_len as usize).saturating_sub(esp::LEN);
    // GMAC puts its initialisation vector in front of the unencrypted body (RFC 4543, 3).
    let behind = body.get(IV..).unwrap_or_default();
    if is_packet(body, wire_len)
        || is_packet(behind, wire_len.saturating_sub(IV))
        || look(body) == Look::Readable
    {
        return Exposure::Plaintext;
    }
    let null = null_cipher(body, wire_len).max(null_cipher(behind, wire_len.saturating_sub(IV)));
    match null {
        Null::Certain => return Exposure::Plaintext,
        Null::Possible => return Exposure::Unknown,
        Null::Excluded => {}
    }
    // The initialisation vector of a counter mode need not look random.
    if look(behind) == Look::Random || look(body) == Look::Random {
        Exposure::Encrypted
    } else {
        Exposure::Unknown
    }
}

/// The evidence for an ESP packet of this exposure.
pub(crate) const fn evidence(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Plaintext => "ESP, not encrypted",
        Exposure::Encrypted | Exposure::Unknown => "ESP",
    }
}

/// The verdict on an AH packet, which can be read in full.
#[must_use]
pub fn ah() -> Verdict {
    verdict(
        Exposure::Plaintext,
        Confidence::Certain,
        "AH, authenticated, not encrypted",
    )
}

fn verdict(exposure: Exposure, confidence: Confidence, evidence: &'static str) -> Verdict {
    Verdict {
        protocol: Protocol::Ipsec,
        exposure,
        confidence,
        evidence: Some(evidence.into()),
        credentials: Vec::new(),
    }
}

/// Whether the body is a UDP datagram or an IP packet whose length field is right.
fn is_packet(body: &[u8], wire_len: usize) -> bool {
    // At least the trailer must follow: with esp4_offload TC sees a packet before its encryption, without one.
    let fits = |length: usize| length <= wire_len && (2..=BEHIND).contains(&(wire_len - length));
    if let Some(header) = body.first_chunk::<{ udp::LEN }>() {
        let length = usize::from(udp::Udp(*header).length());
        // A length alone can be right by chance.
        let is_vxlan = body.get(udp::LEN..udp::LEN + 4) == Some(&[8, 0, 0, 0]);
        if length >= udp::LEN && fits(length) && is_vxlan {
            return true;
        }
    }
    let inner = walk::inner(body, 0, Link::Ip);
    inner.kind == InnerKind::Flow
        && matches!(inner.network.protocol, 1 | 6 | 17 | 58)
        && inner.network.end > inner.network.l4
        && fits(inner.network.end)
}

/// Whether a body can be a packet under a NULL cipher: its beginning and its trailer fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Null {
    /// The bytes cannot be one.
    Excluded,
    /// Either its first header or its trailer fits: ciphertext does so less than once in a hundred times.
    Possible,
    /// Both fit and agree.
    Certain,
}

/// Lengths of check values in use, in bytes; without one the NULL cipher protects nothing.
const CHECKS: [usize; 7] = [0, 8, 12, 16, 20, 24, 32];
/// Longest padding that is believed: ESP fills up to 4 bytes, a block, or hides lengths.
const PADDING_MAX: usize = 16;

fn null_cipher(body: &[u8], wire_len: usize) -> Null {
    let headers = [
        (6_u8, is_tcp(body)),
        (17, is_udp(body, wire_len)),
        (47, is_gre(body)),
    ];
    let header = headers
        .iter()
        .find(|(_, fits)| *fits)
        .map(|(next, _)| *next);
    // A trailer is at the end, which a cut capture does not have.
    let trailers: Vec<u8> = if body.len() == wire_len {
        CHECKS
            .iter()
            .filter_map(|check| trailer(body, *check))
            .collect()
    } else {
        Vec::new()
    };
    match header {
        Some(next) if trailers.contains(&next) => Null::Certain,
        None if trailers.is_empty() => Null::Excluded,
        Some(_) | None => Null::Possible,
    }
}

/// The next header that stands in front of a check value of this length, behind padding of 1, 2, 3, … (RFC 4303, 2.4).
fn trailer(body: &[u8], check: usize) -> Option<u8> {
    let (rest, [length, next]) = body
        .get(..body.len().checked_sub(check)?)?
        .split_last_chunk()?;
    let padding = usize::from(*length);
    let from = rest.len().checked_sub(padding)?;
    let counts = || {
        rest[from..]
            .iter()
            .zip(1..)
            .all(|(byte, number)| *byte == number)
    };
    let is_known = matches!(next, 1 | 4 | 6 | 17 | 41 | 47 | 58);
    (padding <= PADDING_MAX && is_known && counts()).then_some(*next)
}

/// Whether a header of TCP can stand here: reserved bits, flags and the urgent pointer leave little to chance.
fn is_tcp(body: &[u8]) -> bool {
    let Some(header) = body.first_chunk::<20>() else {
        return false;
    };
    let (words, reserved) = (header[12] >> 4, header[12] & 0x0f);
    let flags = header[13];
    let [fin, syn, rst, ack, urg] = [0x01, 0x02, 0x04, 0x10, 0x20].map(|bit| flags & bit != 0);
    words >= 5
        && reserved == 0
        && !(syn && (fin || rst))
        && (ack || syn || rst)
        && !urg
        && header[18..20] == [0, 0]
}

/// Whether a header of UDP stands here whose length leaves room for a trailer and a check value.
fn is_udp(body: &[u8], wire_len: usize) -> bool {
    body.first_chunk::<{ udp::LEN }>().is_some_and(|header| {
        let length = usize::from(udp::Udp(*header).length());
        length >= udp::LEN && (2..=BEHIND).contains(&wire_len.wrapping_sub(length))
    })
}

/// Whether a header of GRE stands here (RFC 2784, 2890): version 0, no reserved bit, and IP or Ethernet in it.
fn is_gre(body: &[u8]) -> bool {
    matches!(body, [flags, 0, high, low, ..]
        if flags & 0x4f == 0 && matches!((*high, *low), (0x08, 0x00) | (0x86, 0xdd) | (0x65, 0x58)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that cannot be distinguished from random ones.
    fn random(mut seed: u64, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                (seed >> 32) as u8
            })
            .collect()
    }

    fn packet(body: &[u8]) -> Verdict {
        let bytes = [&[0, 0, 1, 0, 0, 0, 0, 9], body].concat();
        esp(&bytes, u32::try_from(bytes.len()).unwrap())
    }

    #[test]
    fn ciphertext_is_encrypted_and_nearly_never_taken_for_a_packet() {
        let (mut encrypted, mut plaintext) = (0, 0);
        for seed in 1..20_000 {
            match packet(&random(seed * 0x9e37_79b9, 120)).exposure {
                Exposure::Encrypted => encrypted += 1,
                Exposure::Plaintext => plaintext += 1,
                Exposure::Unknown => {}
            }
        }
        assert!(encrypted > 19_000, "{encrypted}");
        assert_eq!(plaintext, 0);
    }

    #[test]
    fn the_null_cipher_is_seen() {
        // A datagram of VXLAN in transport mode, with foreign ciphertext in it.
        let inside = random(7, 200);
        let length = u16::try_from(16 + inside.len()).unwrap().to_be_bytes();
        let mut body = vec![0xc0, 1, 0x12, 0xb5, length[0], length[1], 0, 0];
        body.extend([8, 0, 0, 0, 0, 0x10, 0, 0]);
        body.extend(&inside);
        body.extend([1, 2, 2, 17]);
        body.extend(random(8, 12));
        assert_eq!(packet(&body).exposure, Exposure::Plaintext);
        // The same behind the initialisation vector of GMAC.
        let behind = [&random(11, 8)[..], &body, &[0; 4]].concat();
        assert_eq!(packet(&behind).exposure, Exposure::Plaintext);
        // A packet in tunnel mode.
        let mut body = vec![
            0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        body.extend([0x98, 0x80, 0x18, 0xeb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18]);
        body.extend(random(9, 60 - body.len()));
        body.extend(random(10, 16));
        assert_eq!(packet(&body).exposure, Exposure::Plaintext);
        let text = b"GET /index.html HTTP/1.1 Host: example";
        assert_eq!(packet(text).exposure, Exposure::Plaintext);
    }

    /// A packet of transport mode under the NULL cipher, with a check value of 12 bytes.
    fn under_null(inside: &[u8], next: u8) -> Vec<u8> {
        let padding = (4 - (inside.len() + 2) % 4) % 4;
        let mut body = inside.to_vec();
        body.extend((1..).take(padding));
        body.extend([padding as u8, next]);
        body.extend(random(12, 12));
        body
    }

    #[test]
    fn a_null_cipher_around_ciphertext_is_seen() {
        // TCP that carries TLS: nothing in it is text.
        let mut tcp = vec![
            0x9c, 0x40, 0x01, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 1, 0xf5, 0xab, 0xcd, 0, 0,
        ];
        tcp.extend(random(5, 100));
        let mut udp = vec![0x9c, 0x40, 0x17, 0xc1, 0, 72, 0xab, 0xcd];
        udp.extend(random(6, 64));
        let mut gre = vec![0x20, 0, 0x65, 0x58, 0, 0, 0, 7];
        gre.extend(random(7, 80));
        for (next, inside) in [(6, tcp), (17, udp), (47, gre)] {
            let body = under_null(&inside, next);
            assert_eq!(packet(&body).exposure, Exposure::Plaintext, "{next}");
            // Captured in part, it may be one.
            let bytes = [&[0, 0, 1, 0, 0, 0, 0, 9], &body[..60]].concat();
            let cut = esp(&bytes, u32::try_from(8 + body.len()).unwrap());
            assert_eq!(cut.exposure, Exposure::Unknown, "{next}");
        }
        // A small packet that shows nothing but its trailer.
        let body = under_null(&[8, 0, 0x12, 0x34, 0, 1, 0, 1], 1);
        assert_ne!(packet(&body).exposure, Exposure::Encrypted);
    }

    #[test]
    fn what_is_not_encrypted_yet_is_not_called_plaintext() {
        // As TC sees a packet that is sent with esp4_offload: behind ESP's header and the vector the datagram,
        // and no trailer.
        let inside = random(7, 200);
        let length = u16::try_from(16 + inside.len()).unwrap().to_be_bytes();
        let mut body = random(11, 8);
        body.extend([0xc0, 1, 0x12, 0xb5, length[0], length[1], 0, 0]);
        body.extend([8, 0, 0, 0, 0, 0x10, 0, 0]);
        body.extend(&inside);
        assert_ne!(packet(&body).exposure, Exposure::Plaintext);
    }

    #[test]
    fn too_few_bytes_are_unknown() {
        for length in 0..16 {
            assert_eq!(packet(&random(3, length)).exposure, Exposure::Unknown);
        }
        assert_eq!(esp(&[], 0).exposure, Exposure::Unknown);
        assert_eq!(esp(&[1; 4], u32::MAX).exposure, Exposure::Unknown);
        assert_eq!(ah().exposure, Exposure::Plaintext);
    }
}
