//! `REQUIRED` and `PEERS`: which networks must be encrypted, and their cleartext by the other node.

use super::packed::VNI_MASK;
use crate::address::{Address, NO_ADDRESS};
use crate::direction::Direction;
use crate::map_size::VNIS_PER_WORD;
use crate::shared::shared;

/// Where in `REQUIRED` the bit of a VNI is: the element, and a mask of one bit in it.
#[inline(always)]
#[must_use]
pub const fn required_bit(vni: u32) -> (u32, u64) {
    let vni = vni & VNI_MASK;
    (vni / VNIS_PER_WORD, 1 << (vni % VNIS_PER_WORD))
}

shared! {
    /// Key of `PEERS`: one way between this node and another one, in one network.
    #[derive(Hash)]
    pub struct PeerKey {
        /// A [`Direction`].
        pub direction: u32,
        /// VXLAN Network Identifier.
        pub vni: u32,
        /// The other node; [`NO_ADDRESS`] for all that found no room.
        pub node: Address,
    }
}

impl PeerKey {
    /// The key of a node.
    #[inline(always)]
    #[must_use]
    pub const fn new(direction: Direction, vni: u32, node: Address) -> PeerKey {
        PeerKey {
            direction: direction as u32,
            vni: vni & VNI_MASK,
            node,
        }
    }

    /// The key of all packets of a network whose own node found no room.
    #[inline(always)]
    #[must_use]
    pub const fn other(direction: Direction, vni: u32) -> PeerKey {
        PeerKey::new(direction, vni, NO_ADDRESS)
    }

    /// Which way the packets went. `None` for a number that no program of ours writes.
    #[must_use]
    pub const fn direction(&self) -> Option<Direction> {
        Direction::from_index(self.direction as u8)
    }

    /// Whether it stands for all nodes that found no room.
    #[must_use]
    pub const fn is_other(&self) -> bool {
        self.node[0] == 0 && self.node[1] == 0
    }
}

shared! {
    /// Value of `PEERS`, shared by all CPUs.
    #[derive(Default)]
    pub struct PeerCount {
        /// Packets.
        pub packets: u64,
        /// Bytes of these frames without FCS.
        pub bytes: u64,
        /// When the first one was seen: `CLOCK_MONOTONIC` in nanoseconds; 0 if none was.
        pub first_ns: u64,
        /// When the last one was seen.
        pub last_ns: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address;
    use crate::map_size::REQUIRED_WORDS;

    #[test]
    fn every_vni_has_a_bit_of_its_own() {
        assert_eq!(required_bit(0), (0, 1));
        assert_eq!(required_bit(4096 + 65), (65, 2));
        assert_eq!(required_bit(VNI_MASK), (REQUIRED_WORDS - 1, 1 << 63));
        assert_eq!(required_bit(VNI_MASK + 1), (0, 1), "24 bits");
    }

    #[test]
    fn a_key_gives_back_what_went_in() {
        for direction in Direction::ALL {
            let key = PeerKey::new(direction, 4096, address::v4(0xc0a8_4d02));
            assert_eq!(PeerKey::from_bytes(&key.to_bytes()), Some(key));
            assert_eq!((key.direction(), key.vni), (Some(direction), 4096));
            assert!(!key.is_other() && PeerKey::other(direction, 4096).is_other());
        }
    }
}
