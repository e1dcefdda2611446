//! Key of `REASONS`.

use crate::direction::Direction;
use crate::reason::Reason;
use crate::shared::shared;

shared! {
    /// Key of `REASONS`. The value is a number of packets (`u64`).
    ///
    /// Interface and direction are in it because they are labels of its metric. The agent inserts every key when it
    /// attaches to an interface, so a packet never adds one.
    #[derive(Hash)]
    pub struct ReasonKey {
        /// Interface index.
        pub ifindex: u32,
        /// [`Direction`] in bits 8 to 15, [`Reason`] in bits 0 to 7.
        pub packed: u32,
    }
}

impl ReasonKey {
    /// The key of a reason.
    #[inline(always)]
    #[must_use]
    pub const fn new(ifindex: u32, direction: Direction, reason: Reason) -> ReasonKey {
        ReasonKey {
            ifindex,
            packed: ((direction as u32) << 8) | reason as u32,
        }
    }

    /// Which way the packets went. `None` for a number that no program of ours writes.
    #[must_use]
    pub const fn direction(&self) -> Option<Direction> {
        Direction::from_index((self.packed >> 8) as u8)
    }

    /// The reason. `None` for a number that no program of ours writes.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        Reason::from_index(self.packed as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_back_what_went_in() {
        for direction in Direction::ALL {
            for reason in Reason::ALL {
                let key = ReasonKey::new(9, direction, *reason);
                assert_eq!(ReasonKey::from_bytes(&key.to_bytes()), Some(key));
                assert_eq!(
                    (key.direction(), key.reason()),
                    (Some(direction), Some(*reason))
                );
            }
        }
    }
}
