//! What the packets of a capture have in common with earlier ones: the same packet on another device, and the copy that the
//! kernel made of an ESP packet by decrypting it.
//!
//! It imports `traffic/capture` and what `traffic/layers.rs` opens. Everything is bounded, and a packet of which nothing is
//! remembered is reported as one of the wire.

mod decrypted;
mod repeats;

use monitor_common::direction::Direction;

use crate::traffic::capture::Packet;
use crate::traffic::layers::Opened;
use crate::traffic::packet_doubt::PacketDoubt;
use decrypted::Decrypted;
use repeats::Repeats;

pub(super) use repeats::Repeat;

/// The packets of a capture so far, as far as they are compared with later ones.
#[derive(Default)]
pub struct History {
    decrypted: Decrypted,
    repeats: Repeats,
}

/// How a packet relates to earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// It is what IPsec made of an ESP packet by decrypting it.
    pub(super) is_decrypted: bool,
    pub(super) repeat: Repeat,
}

impl Past {
    /// What this casts doubt on, for a line of its own.
    pub(super) fn doubts(self) -> Vec<PacketDoubt> {
        let repeat = self.repeat;
        let was_seen = repeat.is_repeated || repeat.inside.is_some() || repeat.was_outside;
        let copy = self.is_decrypted.then_some(PacketDoubt::DecryptedCopy);
        let other = was_seen.then_some(PacketDoubt::OtherDevice);
        copy.into_iter().chain(other).collect()
    }
}

impl History {
    /// Compares a packet with earlier ones, and stores it.
    #[inline]
    pub(super) fn note(
        &mut self,
        packet: &Packet<'_>,
        opened: &Opened<'_>,
        direction: Option<Direction>,
    ) -> Past {
        Past {
            is_decrypted: self.decrypted.note(opened, direction, packet.time_ns),
            repeat: self.repeats.note(opened, packet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_earlier_sight_of_a_packet_casts_doubt_on_it() {
        let seen = |repeat| {
            let past = Past {
                is_decrypted: false,
                repeat,
            };
            past.doubts()
        };
        let none = Repeat::default();
        assert_eq!(seen(none), []);
        for repeat in [
            Repeat {
                is_repeated: true,
                ..none
            },
            Repeat {
                inside: Some(7),
                ..none
            },
            Repeat {
                was_outside: true,
                ..none
            },
        ] {
            assert_eq!(seen(repeat), [PacketDoubt::OtherDevice], "{repeat:?}");
        }
        let decrypted = Past {
            is_decrypted: true,
            repeat: none,
        };
        assert_eq!(decrypted.doubts(), [PacketDoubt::DecryptedCopy]);
    }
}
