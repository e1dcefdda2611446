//! ESP that encrypts nothing: the NULL cipher (RFC 2410), alone or with GMAC (RFC 4543, `ENCR_NULL_AUTH_AES_GMAC`).
//!
//! No field in front of the payload names the cipher. With the NULL cipher the payload is a VXLAN datagram of the
//! length in its own header, followed by a valid trailer (RFC 4303, 2.4 to 2.8): padding 1, 2, 3, …, its length, and
//! the protocol number of UDP. Ciphertext of the most favourable length matches once in 2^48 packets.

use crate::encapsulation::UdpPort;
use crate::load::{Load, Window, be32};
use crate::wire::{esp, eth, ipv4, ipv6, udp, vxlan};

/// Offsets of the datagram from the end of the ESP header: 0, or 8 behind the initialisation vector of GMAC
/// (RFC 4543, 3).
const VECTORS: [usize; 2] = [0, 8];
/// Bytes of a datagram that are compared.
const HEADERS: usize = udp::LEN + vxlan::LEN;
/// ESP ends on a multiple of this many bytes (RFC 4303, 2.4).
const ALIGN: usize = 4;
/// Padding length and next header.
const TRAILER: usize = 2;
/// Longest integrity check value (of HMAC-SHA-512 unshortened).
const CHECK_MAX: usize = 64;
/// Flags of VXLAN, the whole word: I, and nothing else (RFC 7348, 5).
const FLAGS: u32 = 0x0800_0000;

/// VXLAN in ESP of the NULL cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Null {
    /// Virtual Network Identifier.
    pub vni: u32,
    /// Offset of the frame inside; 0 if the packet is not one of the NULL cipher.
    pub inner: usize,
}

impl Null {
    const NONE: Null = Null { vni: 0, inner: 0 };
}

/// Looks for VXLAN in the ESP packet whose header is at `at`; the IP packet ends at `end`. The first of several
/// fragments (`is_first`), and a capture that was cut, do not have the trailer: there the VXLAN header must be the
/// usual one, bit by bit.
#[inline(always)]
pub fn null<L: Load + ?Sized>(
    packet: &L,
    at: usize,
    end: usize,
    is_first: bool,
    ports: impl Fn(u16) -> UdpPort,
) -> Null {
    let mut i = 0;
    while i < VECTORS.len() {
        let start = at + esp::LEN + VECTORS[i];
        if let Some(vni) = datagram(packet, start, end, is_first, &ports) {
            return Null {
                vni,
                inner: start + HEADERS,
            };
        }
        i += 1;
    }
    Null::NONE
}

/// The VNI of the datagram at `start`; `None` if no valid one stands there.
#[inline(always)]
fn datagram<L: Load + ?Sized>(
    packet: &L,
    start: usize,
    end: usize,
    is_first: bool,
    ports: &impl Fn(u16) -> UdpPort,
) -> Option<u32> {
    let header = vxlan::Vxlan(reach(packet, start + udp::LEN)?);
    // The reserved byte behind the VNI is 0; Linux drops packets with another value.
    if !header.has_vni() || header.0[vxlan::LEN - 1] != 0 {
        return None;
    }
    let datagram = udp::Udp(reach(packet, start)?);
    if !matches!(ports(datagram.destination()), UdpPort::Vxlan) {
        return None;
    }
    let len = datagram.length() as usize;
    let rest = end.checked_sub(start)?;
    if len < HEADERS {
        return None;
    }
    let is_usual = be32(&header.0, 0) == FLAGS;
    if is_first {
        return (is_usual && len > rest).then(|| header.vni());
    }
    let padding = len.wrapping_add(TRAILER).wrapping_neg() & (ALIGN - 1);
    let behind = rest.checked_sub(len + padding + TRAILER)?;
    if behind > CHECK_MAX {
        return None;
    }
    // The last two bytes of the padding, or of the datagram if there is none, and the trailer. One read and no loop,
    // because the verifier follows each of them as a path of its own.
    let Some(found) = packet.far::<4>(start + len + padding - 2) else {
        return is_usual.then(|| header.vni());
    };
    let is_padded = (padding < 2 || found[0] as usize == padding - 1)
        && (padding < 1 || found[1] as usize == padding);
    let is_trailer = found[2] as usize == padding && found[3] == udp::PROTOCOL;
    (is_padded && is_trailer).then(|| header.vni())
}

/// Loads a header: by a call only if it is not among the bytes at hand, which is rare.
#[inline(always)]
fn reach<L: Load + ?Sized, const N: usize>(packet: &L, at: usize) -> Option<[u8; N]> {
    packet.load(at).or_else(|| packet.far(at))
}

/// Declares the test for ESP at an offset: only constants make one bounds check of it.
macro_rules! may_be_at {
    ($(#[$doc:meta])* $name:ident, $at:expr) => {
        $(#[$doc])*
        #[inline(always)]
        pub fn $name<L: Load + ?Sized>(packet: &L, ports: impl Fn(u16) -> UdpPort) -> bool {
            const FIRST: usize = $at + esp::LEN;
            const SECOND: usize = FIRST + 8;
            let Some(bytes) = packet.window::<{ SECOND + HEADERS }>() else {
                return true;
            };
            // The ports last, because they need a look-up.
            let first = is_vxlan(
                bytes.byte::<{ FIRST + udp::LEN }>(),
                bytes.byte::<{ FIRST + HEADERS - 1 }>(),
            );
            let second = is_vxlan(
                bytes.byte::<{ SECOND + udp::LEN }>(),
                bytes.byte::<{ SECOND + HEADERS - 1 }>(),
            );
            (first && matches!(ports(bytes.be16::<{ FIRST + 2 }>()), UdpPort::Vxlan))
                || (second && matches!(ports(bytes.be16::<{ SECOND + 2 }>()), UdpPort::Vxlan))
        }
    };
}

may_be_at!(
    /// Whether ESP in a packet of the usual shape on IPv4 may have the NULL cipher, so that the packet needs the whole walk.
    /// True for one in 2^24 packets of ciphertext.
    may_be_in_v4,
    eth::LEN + ipv4::LEN
);

may_be_at!(
    /// As [`may_be_in_v4`], on IPv6.
    may_be_in_v6,
    eth::LEN + ipv6::LEN
);

/// Whether the VNI is valid, and the reserved byte behind it is 0.
#[inline(always)]
fn is_vxlan(flags: u8, reserved: u8) -> bool {
    vxlan::is_vni_valid(flags) && reserved == 0
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::encapsulation::Encapsulation;
    use crate::link::Link;
    use crate::load::Captured;
    use crate::walk::{self, OuterKind};

    fn ports(port: u16) -> UdpPort {
        match port {
            4789 => UdpPort::Vxlan,
            4500 => UdpPort::EspUdp,
            _ => UdpPort::None,
        }
    }

    /// A frame with ESP of the NULL cipher: `inner` bytes inside VXLAN of VNI 4096.
    fn frame(inner: usize, vector: usize, padding: usize, check: usize) -> Vec<u8> {
        let len = u16::try_from(HEADERS + inner).unwrap();
        let mut esp = std::vec![0, 0, 1, 0, 0, 0, 0, 1];
        esp.extend(std::vec![0xc4; vector]);
        esp.extend([0xc0, 0, 0x12, 0xb5]);
        esp.extend(len.to_be_bytes());
        esp.extend([0, 0, 8, 0, 0, 0, 0, 0x10, 0, 0]);
        esp.extend(std::vec![0xaa; inner]);
        esp.extend((1..=padding).map(|byte| byte as u8));
        esp.extend([padding as u8, 17]);
        esp.extend(std::vec![0x5e; check]);
        let mut bytes = std::vec![2; 12];
        bytes.extend([8, 0, 0x45, 0]);
        bytes.extend(u16::try_from(20 + esp.len()).unwrap().to_be_bytes());
        bytes.extend([
            0, 1, 0x40, 0, 64, 50, 0, 0, 192, 168, 77, 1, 192, 168, 77, 2,
        ]);
        bytes.extend(esp);
        bytes
    }

    /// Offset of the ESP header in [`frame`].
    const ESP: usize = eth::LEN + ipv4::LEN;

    /// The same packet on IPv6.
    fn on_ipv6(frame: &[u8]) -> Vec<u8> {
        let esp = &frame[ESP..];
        let mut bytes = frame[..12].to_vec();
        bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        bytes.extend(u16::try_from(esp.len()).unwrap().to_be_bytes());
        bytes.extend([50, 64]);
        bytes.extend([0xfd; 32]);
        bytes.extend(esp);
        bytes
    }

    #[test]
    fn the_quick_test_lets_every_packet_of_the_null_cipher_pass_to_the_walk() {
        for vector in VECTORS {
            for inner in 0..80 {
                let v4 = frame(inner, vector, least(inner), 12);
                let v6 = on_ipv6(&v4);
                assert_eq!((vni(&v4), vni(&v6)), (Some(4096), Some(4096)), "{inner}");
                assert!(may_be_in_v4(&v4[..], ports) && may_be_in_v6(&v6[..], ports));
            }
        }
    }

    #[test]
    fn the_quick_test_asks_for_the_flag_and_for_the_reserved_byte() {
        assert!(is_vxlan(8, 0));
        assert!(!is_vxlan(8, 1) && !is_vxlan(0, 0));
    }

    /// Padding that aligns the end of a datagram with so many bytes inside, and a trailer.
    fn least(inner: usize) -> usize {
        (inner + TRAILER).wrapping_neg() % ALIGN
    }

    fn vni(bytes: &[u8]) -> Option<u32> {
        let outer = walk::outer(bytes, Link::Ethernet, ports);
        let is_null = outer.encapsulation == Encapsulation::EspNull;
        assert_eq!(is_null, outer.kind == OuterKind::Overlay);
        // The test at fixed offsets never rules out what the walk finds.
        let may_be = match bytes[12] {
            8 => may_be_in_v4(bytes, ports),
            _ => may_be_in_v6(bytes, ports),
        };
        assert!(!is_null || may_be);
        is_null.then_some(outer.vni)
    }

    #[test]
    fn it_is_recognised_with_every_length_and_check_value() {
        for vector in VECTORS {
            for inner in 14..120 {
                for check in [0, 8, 12, 16, 20, 24, 28, 32, 48, 64] {
                    let bytes = frame(inner, vector, least(inner), check);
                    assert_eq!(vni(&bytes), Some(4096), "{inner} {check}");
                    let outer = walk::outer(&bytes[..], Link::Ethernet, ports);
                    assert_eq!(outer.inner, ESP + 8 + vector + HEADERS);
                    assert_eq!((outer.spi, outer.sequence), (0, 0), "the VNI identifies it");
                }
            }
        }
    }

    #[test]
    fn any_other_byte_among_those_compared_rules_it_out() {
        let inner = 59;
        let good = frame(inner, 0, 3, 12);
        let udp_at = ESP + esp::LEN;
        let vxlan_at = udp_at + udp::LEN;
        let end = vxlan_at + vxlan::LEN + inner;
        for (at, len) in [(udp_at + 2, 4), (vxlan_at + 7, 1), (end + 1, 4)] {
            for at in at..at + len {
                for value in 0..=255 {
                    let mut bytes = good.clone();
                    if bytes[at] == value {
                        continue;
                    }
                    bytes[at] = value;
                    assert_eq!(vni(&bytes), None, "byte {at} = {value}");
                }
            }
        }
        for flags in 0..=255 {
            let mut bytes = good.clone();
            bytes[vxlan_at] = flags;
            assert_eq!(vni(&bytes).is_some(), flags & 8 != 0);
        }
    }

    #[test]
    fn a_packet_that_ends_early_is_not_taken_for_it() {
        let good = frame(60, 8, 2, 16);
        for len in 0..good.len() {
            walk::outer(&good[..len], Link::Ethernet, ports);
            may_be_in_v4(&good[..len], ports);
        }
        // Its own length field says that it ends early.
        for less in 1..=good.len() - ESP {
            let mut bytes = good.clone();
            let total = u16::try_from(good.len() - eth::LEN - less).unwrap();
            bytes[16..18].copy_from_slice(&total.to_be_bytes());
            let is_whole = less <= 16 && less % 4 == 0;
            if !is_whole && less > 16 {
                assert_eq!(vni(&bytes), None, "{less} bytes less");
            }
        }
    }

    #[test]
    fn the_first_fragment_and_a_cut_capture_are_recognised_by_the_header() {
        let whole = frame(1200, 0, least(1200), 12);
        let mut first = whole[..514].to_vec();
        first[16..18].copy_from_slice(&500u16.to_be_bytes());
        first[20] = 0x20;
        assert_eq!(vni(&first), Some(4096));
        let mut other = first.clone();
        other[ESP + 8 + 9] = 1;
        assert_eq!(vni(&other), None, "a flag that is reserved");
        let cut = Captured {
            bytes: &whole[..128],
            frame_len: whole.len(),
        };
        let outer = walk::outer(&cut, Link::Ethernet, ports);
        assert_eq!(
            (outer.encapsulation, outer.vni),
            (Encapsulation::EspNull, 4096)
        );
    }

    #[test]
    fn ciphertext_is_never_taken_for_it() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut look = 0;
        for _ in 0..200_000 {
            let mut bytes = frame(80, 0, least(80), 16);
            for byte in &mut bytes[ESP + 8..] {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = (state >> 32) as u8;
            }
            assert_eq!(vni(&bytes), None);
            look += u32::from(may_be_in_v4(&bytes[..], ports));
            look += u32::from(may_be_in_v6(&on_ipv6(&bytes)[..], ports));
        }
        assert!(look <= 4, "{look} of 400,000 took the whole walk");
    }
}
