//! Packets under a security association: ESP (RFC 4303), which may use the NULL cipher (RFC 2410), and
//! AH (RFC 4302), which never encrypts.
//!
//! No field of an ESP packet names the cipher. It is encrypted only where its bytes cannot be a packet under the NULL
//! cipher: that has a trailer in the clear, and a header at its start. One packet of ciphertext in fifty has such a
//! trailer by chance, so that the packets of an [`Association`] decide together.

mod header;
mod inside;
mod trailer;

use monitor_common::wire::esp;

use crate::names::{Confidence, Exposure, Protocol};
use crate::payload::Payload;
use crate::shape::randomness::{Look, look};
use crate::verdict::Verdict;
use header::{Fit, Length, RECOGNISED, STARTS, Start, fit};
pub(crate) use inside::Inside;
use trailer::{Checks, IV, TRAILER, Trailers};

/// So many whole packets whose trailers fit the same check value are no ciphertext: that comes once in 10^10 times.
const TRAILERS: u8 = 4;
/// So many cut packets that all begin like one in the clear are no ciphertext: one in eight packets does by chance.
const HEADERS: u8 = 16;

/// An ESP packet.
#[derive(Clone, Copy, Debug)]
pub struct EspPacket<'a> {
    /// The captured bytes, from its SPI on.
    pub bytes: &'a [u8],
    /// Length on the wire, from its SPI on.
    pub wire_len: u32,
    /// Whether it is the first of several fragments, which has no trailer.
    pub is_first_fragment: bool,
}

impl<'a> EspPacket<'a> {
    /// The packet with this payload, in which ESP's header is the first.
    #[must_use]
    pub fn new(payload: &Payload<'a>, is_first_fragment: bool) -> EspPacket<'a> {
        EspPacket {
            bytes: payload.bytes,
            wire_len: payload.wire_len,
            is_first_fragment,
        }
    }
}

/// What the packets of a security association have shown so far.
#[derive(Clone, Copy, Debug)]
pub struct Association {
    /// Lengths of the check value with which every whole packet can be one of the NULL cipher.
    checks: Checks,
    /// The same of the packets that are counted in `trailers`.
    late: Checks,
    /// Whole packets whose trailers can be no initialisation vector.
    trailers: u8,
    /// Cut packets that can begin with a header, and that cannot.
    headers: u8,
    others: u8,
    /// Whether a packet was certainly in the clear.
    is_plaintext: bool,
    /// Whether a whole packet was random and not one of the NULL cipher.
    is_encrypted: bool,
}

impl Default for Association {
    fn default() -> Association {
        Association {
            checks: Checks::ALL,
            late: Checks::ALL,
            trailers: 0,
            headers: 0,
            others: 0,
            is_plaintext: false,
            is_encrypted: false,
        }
    }
}

impl Association {
    /// Adds a packet, and returns what may be inside it.
    pub(crate) fn add<'a>(&mut self, packet: &EspPacket<'a>) -> Option<Inside<'a>> {
        let seen = Seen::of(packet);
        match seen.shows {
            Shows::Plaintext => self.is_plaintext = true,
            Shows::Trailers { all, late } => {
                self.checks = self.checks.and(all);
                if all == Checks::NONE || late != Checks::NONE {
                    self.late = self.late.and(late);
                    self.trailers = self.trailers.saturating_add(1);
                }
                self.is_plaintext |= self.late != Checks::NONE && self.trailers >= TRAILERS;
                // What shows nothing random may be no ESP.
                self.is_encrypted |= self.checks == Checks::NONE && seen.is_random;
            }
            Shows::Header => {
                self.headers = self.headers.saturating_add(1);
                self.is_plaintext |=
                    self.headers >= HEADERS && self.others == 0 && !self.is_encrypted;
            }
            Shows::NoHeader if seen.is_random => self.others = self.others.saturating_add(1),
            Shows::NoHeader | Shows::TooLittle => {}
        }
        seen.inside
    }

    /// The exposure of the association, and how sure it is.
    fn exposure(&self) -> (Exposure, Confidence) {
        if self.is_plaintext {
            (Exposure::Plaintext, Confidence::Certain)
        } else if self.is_encrypted {
            (Exposure::Encrypted, Confidence::Certain)
        } else if self.others != 0
            && self.others >= self.headers
            && (self.checks == Checks::ALL || self.checks == Checks::NONE)
        {
            // A protocol that may begin with anything can be in a cut packet.
            (Exposure::Encrypted, Confidence::Likely)
        } else {
            (Exposure::Unknown, Confidence::Likely)
        }
    }

    /// The verdict so far.
    #[must_use]
    pub fn so_far(&self) -> Verdict {
        self.verdict(None)
    }

    /// The verdict so far, with that on what is inside a packet.
    pub(crate) fn verdict(&self, inside: Option<Verdict>) -> Verdict {
        let (exposure, confidence) = self.exposure();
        match inside {
            // The cipher is certain even where the protocol is not.
            Some(inside)
                if (exposure, inside.exposure) == (Exposure::Plaintext, Exposure::Plaintext) =>
            {
                Verdict {
                    confidence,
                    ..inside
                }
            }
            Some(_) | None => verdict(exposure, confidence),
        }
    }
}

/// What one packet shows.
struct Seen<'a> {
    shows: Shows,
    is_random: bool,
    /// The packet inside, if it can be found.
    inside: Option<Inside<'a>>,
}

enum Shows {
    /// It is in the clear.
    Plaintext,
    /// It is whole, and has these trailers.
    Trailers { all: Checks, late: Checks },
    /// It is cut, and can begin with a header.
    Header,
    /// It is cut, and begins with no header that is known.
    NoHeader,
    /// Too few bytes are at hand.
    TooLittle,
}

impl<'a> Seen<'a> {
    fn of(packet: &EspPacket<'a>) -> Seen<'a> {
        let body = packet.bytes.get(esp::LEN..).unwrap_or_default();
        let behind = body.get(IV..).unwrap_or_default();
        // The initialisation vector of a counter mode need not look random.
        let is_random = look(behind) == Look::Random || look(body) == Look::Random;
        let is_whole = !packet.is_first_fragment && packet.bytes.len() >= packet.wire_len as usize;
        let (mut shows, inside) = if is_whole {
            whole(packet.bytes)
        } else {
            cut(packet)
        };
        if look(body) == Look::Readable {
            shows = Shows::Plaintext;
        }
        Seen {
            shows,
            is_random,
            inside,
        }
    }
}

/// What a packet with its trailer shows.
fn whole(bytes: &[u8]) -> (Shows, Option<Inside<'_>>) {
    // Too short for any content: there is no trailer to look for.
    if bytes.len() <= esp::LEN + TRAILER {
        return (Shows::TooLittle, None);
    }
    let trailers = Trailers::of(bytes);
    let mut best = None;
    for trailer in trailers.iter() {
        for start in STARTS {
            let Some(bytes) = bytes.get(start..trailer.end) else {
                continue;
            };
            let inside = Inside {
                protocol: trailer.next,
                bytes,
                length: bytes.len(),
            };
            let fit = fit(
                trailer.next,
                Start {
                    bytes,
                    length: Length::Exact,
                },
            );
            if fit >= Fit::Exact {
                return (Shows::Plaintext, Some(inside));
            }
            best = best.or((fit == Fit::Possible).then_some(inside));
        }
    }
    let shows = Shows::Trailers {
        all: trailers.checks(),
        late: trailers.late_checks(),
    };
    (shows, best)
}

/// What a packet without its trailer shows.
fn cut<'a>(packet: &EspPacket<'a>) -> (Shows, Option<Inside<'a>>) {
    let mut shows = Shows::NoHeader;
    for start in STARTS {
        let bytes = packet.bytes.get(start..).unwrap_or_default();
        let length = (packet.wire_len as usize).saturating_sub(start);
        let start = Start {
            bytes,
            length: if packet.is_first_fragment {
                Length::Longer(length)
            } else {
                Length::WithTrailer(length)
            },
        };
        for protocol in RECOGNISED {
            match fit(*protocol, start) {
                Fit::Alone => {
                    let inside = Inside {
                        protocol: *protocol,
                        bytes,
                        length,
                    };
                    return (Shows::Plaintext, Some(inside));
                }
                Fit::Exact | Fit::Possible => shows = Shows::Header,
                Fit::Unseen if !matches!(shows, Shows::Header) => shows = Shows::TooLittle,
                Fit::Unseen | Fit::No => {}
            }
        }
    }
    (shows, None)
}

/// The verdict on an AH packet, which can be read in full.
#[must_use]
pub fn ah() -> Verdict {
    Verdict {
        evidence: Some("AH, authenticated, not encrypted".into()),
        ..verdict(Exposure::Plaintext, Confidence::Certain)
    }
}

/// The exposure of an ESP packet by itself; see [`esp`](crate::esp()).
pub(crate) fn exposure(packet: &EspPacket<'_>) -> Exposure {
    let mut association = Association::default();
    association.add(packet);
    association.exposure().0
}

/// The evidence for an ESP packet of this exposure.
pub(crate) const fn evidence(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Plaintext => "ESP, not encrypted",
        Exposure::Encrypted => "ESP",
        Exposure::Unknown => "ESP, perhaps not encrypted",
    }
}

fn verdict(exposure: Exposure, confidence: Confidence) -> Verdict {
    Verdict {
        protocol: Protocol::Ipsec,
        exposure,
        confidence,
        evidence: Some(evidence(exposure).into()),
        credentials: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
