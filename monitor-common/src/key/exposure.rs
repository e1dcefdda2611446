//! Key of `EXPOSURE`: a network, and what can be read of its flows.

use super::packed::{self, VNI_MASK};
use crate::direction::Direction;
use crate::shared::shared;

/// Which network a packet of `FLOWS` and `EXPOSURE` belongs to: a VNI in bits 0 to 23, or one of the two flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub u32);

impl NetworkId {
    /// No network: the host's own traffic, outside any overlay.
    pub const HOST: NetworkId = NetworkId(1 << 30);
    /// All networks that found no room.
    pub const OTHER: NetworkId = NetworkId(1 << 29);

    /// The network of a VNI.
    #[inline(always)]
    #[must_use]
    pub const fn vni(vni: u32) -> NetworkId {
        NetworkId(vni & VNI_MASK)
    }

    /// The VNI; `None` for [`NetworkId::HOST`] and [`NetworkId::OTHER`].
    #[must_use]
    pub const fn vni_number(self) -> Option<u32> {
        if self.0 <= VNI_MASK {
            Some(self.0)
        } else {
            None
        }
    }
}

/// The verdict on a flow as a number: protocol in bits 8 to 23, exposure in bits 0 to 7. User space assigns both
/// numbers. The programs only copy them, except for the two classes below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u32);

impl Class {
    /// No verdict is possible. Packets without a flow are counted under it too.
    pub const UNKNOWN: Class = Class(0);
    /// No verdict yet: all packets that were ever counted in a [`super::FlowState`].
    pub const PENDING: Class = Class(0xff);

    /// The class of a protocol and an exposure, each by its number.
    #[must_use]
    pub const fn new(protocol: u16, exposure: u8) -> Class {
        Class(((protocol as u32) << 8) | exposure as u32)
    }

    /// Number of the protocol.
    #[must_use]
    pub const fn protocol(self) -> u16 {
        (self.0 >> 8) as u16
    }

    /// Number of the exposure.
    #[must_use]
    pub const fn exposure(self) -> u8 {
        self.0 as u8
    }
}

shared! {
    /// Key of `EXPOSURE`. The value is a [`crate::count::Count`].
    #[derive(Hash)]
    pub struct ExposureKey {
        /// [`Direction`] in bit 31, [`NetworkId`] below.
        pub network: u32,
        /// A [`Class`].
        pub class: u32,
    }
}

impl ExposureKey {
    /// The key of a network's class.
    #[inline(always)]
    #[must_use]
    pub const fn new(direction: Direction, network: NetworkId, class: Class) -> ExposureKey {
        ExposureKey {
            network: packed::pack(direction, network.0),
            class: class.0,
        }
    }

    /// Which way the packets went.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        packed::direction(self.network)
    }

    /// Which network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        NetworkId(packed::without_direction(self.network))
    }

    /// The verdict on the flows.
    #[must_use]
    pub const fn class(&self) -> Class {
        Class(self.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vni_comes_back_and_other_networks_have_none() {
        for vni in [0, 1, 4096, VNI_MASK] {
            assert_eq!(NetworkId::vni(vni).vni_number(), Some(vni));
        }
        for network in [NetworkId::HOST, NetworkId::OTHER] {
            assert_eq!(network.vni_number(), None);
        }
    }

    #[test]
    fn an_exposure_key_gives_back_what_went_in() {
        for direction in Direction::ALL {
            for network in [
                NetworkId::vni(0),
                NetworkId::vni(0xffff_ffff),
                NetworkId::HOST,
                NetworkId::OTHER,
            ] {
                for class in [Class::UNKNOWN, Class::PENDING, Class::new(0xffff, 2)] {
                    let key = ExposureKey::new(direction, network, class);
                    let key = ExposureKey::from_bytes(&key.to_bytes()).unwrap();
                    assert_eq!(
                        (key.direction(), key.network(), key.class()),
                        (direction, network, class)
                    );
                }
            }
        }
        assert_eq!(Class::new(7, 2).protocol(), 7);
        assert_eq!(Class::new(7, 2).exposure(), 2);
    }
}
