//! The trailer of ESP under the NULL cipher, which stands in the clear (RFC 4303, 2.4 to 2.8).

use monitor_common::wire::esp;

/// Length of the initialisation vector of the usual ciphers in bytes.
pub(super) const IV: usize = 8;
/// Padding length and next header.
pub(super) const TRAILER: usize = 2;

/// Next header of a dummy packet (RFC 4303, 2.6), which may be empty.
const NO_NEXT_HEADER: u8 = 59;
/// Length of the shortest packets inside: those of UDP and ICMP.
const SHORTEST: usize = 8;

/// Lengths of check values in use, in bytes: of no integrity at all, of HMACs shortened and whole, of CMAC, and of GMAC.
const CHECKS: [usize; 10] = [0, 8, 12, 16, 20, 24, 28, 32, 48, 64];

/// Lengths of the check value with which the packets of an association can be ones of the NULL cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checks(u16);

impl Checks {
    pub(super) const NONE: Checks = Checks(0);
    pub(super) const ALL: Checks = Checks((1 << CHECKS.len()) - 1);

    /// Those of both.
    pub(super) const fn and(self, other: Checks) -> Checks {
        Checks(self.0 & other.0)
    }
}

/// A trailer that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Protocol of the packet inside.
    pub(super) next: u8,
    /// Offset at which the packet inside ends.
    pub(super) end: usize,
    /// Its own offset, behind the padding.
    at: usize,
}

/// The trailers of a packet.
pub(super) struct Trailers([Option<Trailer>; CHECKS.len()]);

impl Trailers {
    /// Those of a whole packet, from its SPI on.
    pub(super) fn of(packet: &[u8]) -> Trailers {
        Trailers(CHECKS.map(|check| trailer(packet, check)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Trailer> + '_ {
        self.0.iter().flatten().copied()
    }

    /// The lengths of the check value with a trailer that fits.
    pub(super) fn checks(&self) -> Checks {
        self.checks_from(0)
    }

    /// The same, of trailers that no initialisation vector at the start can be, which may be a counter.
    pub(super) fn late_checks(&self) -> Checks {
        self.checks_from(esp::LEN + IV)
    }

    fn checks_from(&self, least: usize) -> Checks {
        let fits = |trailer: &Option<Trailer>| trailer.is_some_and(|trailer| trailer.at >= least);
        let bits = self.0.iter().enumerate();
        Checks(bits.fold(0, |bits, (number, trailer)| {
            bits | u16::from(fits(trailer)) << number
        }))
    }
}

/// The trailer in front of a check value of this length, behind padding of 1, 2, 3, …
fn trailer(packet: &[u8], check: usize) -> Option<Trailer> {
    let (rest, [length, next]) = packet
        .get(..packet.len().checked_sub(check)?)?
        .split_last_chunk()?;
    let end = rest.len().checked_sub(usize::from(*length))?;
    let least = match *next {
        NO_NEXT_HEADER => esp::LEN,
        _ => esp::LEN + SHORTEST,
    };
    if end < least {
        return None;
    }
    let counts = || {
        rest[end..]
            .iter()
            .zip(1..)
            .all(|(byte, number)| *byte == number)
    };
    (is_assigned(*next) && counts()).then_some(Trailer {
        next: *next,
        end,
        at: rest.len(),
    })
}

/// Whether IANA assigned this protocol number, or leaves it to experiments (RFC 3692).
const fn is_assigned(protocol: u8) -> bool {
    matches!(protocol, 0..=148 | 253 | 254)
}
