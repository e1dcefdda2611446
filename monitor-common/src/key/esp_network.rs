//! Key of `ESP_NETWORKS`.

use super::packed;
use crate::address::{Address, NO_ADDRESS};
use crate::direction::Direction;
use crate::encapsulation::Encapsulation;
use crate::shared::shared;

shared! {
    /// Key of `ESP_NETWORKS`: packets of one network that ESP carries, to or from one node. The value is a
    /// [`crate::count::EspCarried`].
    ///
    /// The packets of a node that finds no room are counted under its network alone, if that row was made beforehand,
    /// and else under "other".
    #[derive(PartialOrd, Ord, Hash)]
    pub struct EspNetworkKey {
        /// Direction (bit 31), "other" (30), VNI (23 to 0).
        pub packed: u32,
        /// Always 0: fills the struct up to the alignment of the address.
        pub padding: u32,
        /// The other node; [`NO_ADDRESS`] for all that found no room.
        pub peer: Address,
    }
}

impl EspNetworkKey {
    /// The key of a VNI and a node.
    #[inline(always)]
    #[must_use]
    pub const fn new(direction: Direction, vni: u32, peer: Address) -> EspNetworkKey {
        EspNetworkKey {
            packed: packed::pack(direction, packed::network(Encapsulation::None, vni)),
            padding: 0,
            peer,
        }
    }

    /// The key of a VNI, for nodes that found no room.
    #[inline(always)]
    #[must_use]
    pub const fn of_network(direction: Direction, vni: u32) -> EspNetworkKey {
        EspNetworkKey::new(direction, vni, NO_ADDRESS)
    }

    /// The key for packets whose network found no room either, and for packets that could not be read.
    #[inline(always)]
    #[must_use]
    pub const fn other(direction: Direction) -> EspNetworkKey {
        let key = EspNetworkKey::of_network(direction, 0);
        EspNetworkKey {
            packed: packed::other(key.packed),
            ..key
        }
    }

    /// Which way the packets went.
    #[inline(always)]
    #[must_use]
    pub const fn direction(&self) -> Direction {
        packed::direction(self.packed)
    }

    /// The VNI; `None` for "other".
    #[inline(always)]
    #[must_use]
    pub const fn vni(&self) -> Option<u32> {
        packed::vni(self.packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address;
    use crate::wire::VNI_MAX;

    #[test]
    fn a_key_gives_back_what_went_in() {
        let peer = address::v4(0xc0a8_4d02);
        for direction in Direction::ALL {
            for vni in [0, 4096, VNI_MAX] {
                let key = EspNetworkKey::new(direction, vni, peer);
                assert_eq!(
                    (key.direction(), key.vni(), key.peer),
                    (direction, Some(vni), peer)
                );
                assert_eq!(EspNetworkKey::from_bytes(&key.to_bytes()), Some(key));
            }
            let other = EspNetworkKey::other(direction);
            assert_eq!((other.direction(), other.vni()), (direction, None));
        }
    }
}
