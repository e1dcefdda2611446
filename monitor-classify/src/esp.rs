//! The verdict on ESP packets, with what can be read in those that are not encrypted.

use crate::association::{Association, EspPacket, Inside};
use crate::classify::classify;
use crate::verdict::Verdict;

impl Association {
    /// Adds a packet, and returns the verdict on the association. It has the protocol and the evidence of this packet.
    pub fn observe(&mut self, packet: &EspPacket<'_>) -> Verdict {
        let inside = self.add(packet);
        self.verdict(inside.map(verdict_inside))
    }
}

/// Classifies an ESP packet by itself.
///
/// It is encrypted where the bytes can be ciphertext and are not a packet in the clear (RFC 5879, 8).
#[must_use]
pub fn esp(packet: &EspPacket<'_>) -> Verdict {
    Association::default().observe(packet)
}

fn verdict_inside(inside: Inside<'_>) -> Verdict {
    let payload = inside.payload();
    payload.map_or_else(Verdict::unknown, |payload| classify(&payload))
}
