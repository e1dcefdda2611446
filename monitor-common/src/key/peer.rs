//! Cleartext of networks that must be encrypted, by the other node.

use super::VNI_MASK;
use crate::label::Direction;

/// VNIs in one element of `REQUIRED`.
pub const VNIS_PER_WORD: u32 = u64::BITS;
/// Elements of `REQUIRED`: a bit for each VNI.
pub const REQUIRED_WORDS: u32 = (VNI_MASK + 1) / VNIS_PER_WORD;

/// Where in `REQUIRED` the bit of a VNI is: element, and mask in it.
#[inline(always)]
#[must_use]
pub const fn required_bit(vni: u32) -> (u32, u64) {
    let vni = vni & VNI_MASK;
    (vni / VNIS_PER_WORD, 1 << (vni % VNIS_PER_WORD))
}

/// Key of `PEERS`: one way between this node and another one, in one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct PeerKey {
    /// A [`Direction`].
    pub direction: u32,
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// Address of the other node as in [`crate::walk::Addresses`]; zero for all those that found no room.
    pub node: [u64; 2],
}
shared!(PeerKey, 24, { direction: u32, vni: u32, node: halves });

impl PeerKey {
    /// The key of a node.
    #[inline(always)]
    #[must_use]
    pub const fn new(direction: Direction, vni: u32, node: [u64; 2]) -> PeerKey {
        PeerKey {
            direction: direction as u32,
            vni: vni & VNI_MASK,
            node,
        }
    }

    /// The key under which packets are counted whose own node found no room.
    #[inline(always)]
    #[must_use]
    pub const fn other(direction: Direction, vni: u32) -> PeerKey {
        PeerKey::new(direction, vni, [0; 2])
    }

    /// Which way the packets went. `None` for a value that no program of ours writes.
    #[must_use]
    pub const fn direction(&self) -> Option<Direction> {
        Direction::from_index(self.direction as u8)
    }

    /// Whether it stands for all those that found no room.
    #[must_use]
    pub const fn is_other(&self) -> bool {
        self.node[0] == 0 && self.node[1] == 0
    }
}

/// Value of `PEERS`, shared by all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PeerCount {
    /// Packets.
    pub packets: u64,
    /// Bytes of these frames without FCS.
    pub bytes: u64,
    /// When the first one came: `CLOCK_MONOTONIC` in nanoseconds; 0 if none did.
    pub first_ns: u64,
    /// When the last one came.
    pub last_ns: u64,
}
shared!(PeerCount, 32, { packets: u64, bytes: u64, first_ns: u64, last_ns: u64 });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vni_has_a_bit_of_its_own() {
        assert_eq!(required_bit(0), (0, 1));
        assert_eq!(required_bit(4096 + 65), (65, 2));
        assert_eq!(required_bit(VNI_MASK), (REQUIRED_WORDS - 1, 1 << 63));
        assert_eq!(required_bit(VNI_MASK + 1), (0, 1), "24 bits");
    }

    #[test]
    fn a_peer_key_gives_back_what_went_in() {
        for direction in Direction::ALL {
            let key = PeerKey::new(direction, 4096, [0, 0xffff_c0a8_4d02]);
            let key = PeerKey::from_bytes(&key.to_bytes());
            assert_eq!((key.direction(), key.vni), (Some(direction), 4096));
            assert!(!key.is_other() && PeerKey::other(direction, 4096).is_other());
        }
    }
}
