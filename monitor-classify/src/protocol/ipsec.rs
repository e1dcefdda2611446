//! IPsec: ESP (RFC 4303) and AH (RFC 4302), plain or in UDP (RFC 3948), and IKE
//! (RFC 2408, 7296), which sets them up.

use crate::association::{self, EspPacket};
use crate::finding::{Finding, Strength};
use crate::names::Exposure;
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const IKE_PORTS: &[u16] = &[500, 4500];

/// Carries ESP too.
pub(super) const NAT_PORTS: &[u16] = &[4500];

/// The first SPI that is not reserved (RFC 4303 section 2.1).
const SPI_MIN: u32 = 256;

/// ESP: SPI, sequence number, ciphertext; with the NULL cipher an inner packet.
pub(super) fn inspect_esp(p: &Payload<'_>) -> Option<Finding> {
    esp(p, Strength::Likely)
}

fn esp(p: &Payload<'_>, strength: Strength) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    if reader.u32()? < SPI_MIN {
        return None;
    }
    if reader.u32()? == 0 {
        return None;
    }
    let exposure = association::exposure(&EspPacket {
        bytes: p.bytes,
        wire_len: p.wire_len,
        is_first_fragment: false,
    });
    let text = association::evidence(exposure);
    Some(match exposure {
        Exposure::Plaintext => Finding::plaintext(strength, text),
        Exposure::Encrypted => Finding::encrypted(strength, text),
        // It is named whether or not its cipher shows.
        Exposure::Unknown => Finding::undecided(strength, text),
    })
}

/// AH: next header, length, nothing, SPI, sequence number. It hides nothing.
pub(super) fn inspect_ah(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    reader.u8()?;
    let words = reader.u8()?;
    let reserved = reader.u16()?;
    let fits = (1..=18).contains(&words) && reserved == 0 && reader.u32()? >= SPI_MIN;
    fits.then(|| Finding::plaintext(Strength::Certain, "AH"))
}

/// ESP in UDP, or one byte that keeps a NAT mapping alive.
pub(super) fn inspect_nat(p: &Payload<'_>) -> Option<Finding> {
    if !p.uses_port(NAT_PORTS) {
        return None;
    }
    if p.bytes == [0xff] && p.is_filled_by(1) {
        return Some(Finding::undecided(Strength::Weak, "keep-alive"));
    }
    esp(p, Strength::Weak)
}

/// IKE: two SPIs, next payload, version, exchange, flags, number, length.
pub(super) fn inspect_ike(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let mut before = 0;
    // Behind four zeros where ESP has its SPI.
    if p.bytes.starts_with(&[0; 4]) && p.uses_port(NAT_PORTS) {
        reader.take(4)?;
        before = 4;
    }
    if reader.u64()? == 0 {
        return None;
    }
    reader.u64()?;
    let next = reader.u8()?;
    let version = match reader.u8()? {
        0x10 => 1_u8,
        0x20 => 2,
        _ => return None,
    };
    let exchange = reader.u8()?;
    let name = exchange_name(version, exchange)?;
    let text = Evidence::of(|e| e.word("IKEv").number(version).word(" ").word(name));
    let (Some(flags), Some(_), Some(length)) = (reader.u8(), reader.u32(), reader.u32()) else {
        return Some(Finding::undecided(Strength::Weak, text));
    };
    // It has the length of its header at least, which was read.
    if !p.is_filled_by(u64::from(length) + before) {
        return None;
    }
    // After the first messages everything is in an encrypted payload. The first ones
    // agree on keys, and never on no encryption.
    let has_encrypted = if version == 1 {
        flags & 1 != 0
    } else {
        matches!(next, 46 | 53)
    };
    let sets_up = matches!((version, exchange), (1, 2 | 4) | (2, 34));
    Some(if has_encrypted || sets_up {
        Finding::encrypted(Strength::Certain, text)
    } else {
        Finding::undecided(Strength::Certain, text)
    })
}

const fn exchange_name(version: u8, exchange: u8) -> Option<&'static str> {
    Some(match (version, exchange) {
        (1, 2) => "main mode",
        (1, 4) => "aggressive mode",
        (1, 5) => "informational",
        (1, 6) => "transaction",
        (1, 32) => "quick mode",
        (2, 34) => "IKE_SA_INIT",
        (2, 35) => "IKE_AUTH",
        (2, 36) => "CREATE_CHILD_SA",
        (2, 37) => "INFORMATIONAL",
        (2, 43) => "IKE_INTERMEDIATE",
        _ => return None,
    })
}
