//! ESP by network: which VNI was inside, and to or from whom.

use super::{DIRECTION_SHIFT, OTHER_BIT, VNI_MASK};
use crate::label::Direction;

/// Key of `ESP_NETWORKS`: packets of one network that ESP hides, to or from one node.
///
/// Where a node finds no room its packets are counted under its network alone, if that was known
/// beforehand, and else under "other".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct EspNetworkKey {
    /// Direction (bit 31), "other" (30), VNI (23 to 0).
    pub class: u32,
    /// Always 0.
    pub pad: u32,
    /// The other node, as in [`crate::walk::Addresses`]; 0 for all that found no room.
    pub peer: [u64; 2],
}
shared!(EspNetworkKey, 24, { class: u32, pad: u32, peer: halves });

impl EspNetworkKey {
    /// The key of a VNI and a node.
    #[inline(always)]
    #[must_use]
    pub const fn new(direction: Direction, vni: u32, peer: [u64; 2]) -> EspNetworkKey {
        EspNetworkKey {
            class: ((direction as u32) << DIRECTION_SHIFT) | (vni & VNI_MASK),
            pad: 0,
            peer,
        }
    }

    /// The key of a VNI, for nodes that found no room.
    #[inline(always)]
    #[must_use]
    pub const fn of_network(direction: Direction, vni: u32) -> EspNetworkKey {
        EspNetworkKey::new(direction, vni, [0; 2])
    }

    /// The key for what found no room at all, and for what could not be read.
    #[inline(always)]
    #[must_use]
    pub const fn other(direction: Direction) -> EspNetworkKey {
        let key = EspNetworkKey::of_network(direction, 0);
        EspNetworkKey {
            class: key.class | OTHER_BIT,
            ..key
        }
    }

    /// Which way the packets went.
    #[inline(always)]
    #[must_use]
    pub const fn direction(&self) -> Direction {
        if self.class >> DIRECTION_SHIFT == 0 {
            Direction::Rx
        } else {
            Direction::Tx
        }
    }

    /// The VNI; `None` for "other".
    #[inline(always)]
    #[must_use]
    pub const fn vni(&self) -> Option<u32> {
        if self.class & OTHER_BIT == 0 {
            Some(self.class & VNI_MASK)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_back_what_went_in() {
        let peer = [0, 0xffff_c0a8_4d02];
        for direction in Direction::ALL {
            for vni in [0, 4096, VNI_MASK] {
                let key = EspNetworkKey::new(direction, vni, peer);
                assert_eq!(
                    (key.direction(), key.vni(), key.peer),
                    (direction, Some(vni), peer)
                );
                assert_eq!(EspNetworkKey::from_bytes(&key.to_bytes()), key);
            }
            let other = EspNetworkKey::other(direction);
            assert_eq!((other.direction(), other.vni()), (direction, None));
        }
    }
}
