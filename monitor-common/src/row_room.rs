//! Room for the rows that programs insert, and rows that are being removed: values of `ROWS_ROOM`, keys of `LEAVING`.

use crate::key::{CounterKey, EspKey, EspNetworkKey, ExposureKey, PeerKey};
use crate::shared::shared;

/// A map into which programs insert rows: a number in `INSERTED` and `ROWS_ROOM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum RowMap {
    /// `COUNTERS`.
    Counters = 0,
    /// `ESP`.
    Esp = 1,
    /// `ESP_NETWORKS`.
    EspNetworks = 2,
    /// `EXPOSURE`.
    Exposure = 3,
    /// `PEERS`.
    Peers = 4,
}

impl RowMap {
    /// All of them, in order of their numbers.
    pub const ALL: [RowMap; 5] = [
        RowMap::Counters,
        RowMap::Esp,
        RowMap::EspNetworks,
        RowMap::Exposure,
        RowMap::Peers,
    ];
}

shared! {
    /// Value of `ROWS_ROOM`: how many rows programs may insert into a map. The rest is the agent's, so that a row that it
    /// must insert finds room whatever was seen on the wire.
    ///
    /// What the programs have inserted (`INSERTED`) less [`RowRoom::returned`] is what they have in the map: each of the
    /// two numbers has one writer and only grows.
    #[derive(Default)]
    pub struct RowRoom {
        /// Rows that programs may have in the map.
        pub limit: u64,
        /// The same for a described network, which may go beyond what the others may take.
        pub described: u64,
        /// Rows of theirs that the agent has removed.
        pub returned: u64,
    }
}

/// A key of one of these maps.
pub trait RowKey {
    /// Its key in `LEAVING`. Keys of up to 8 bytes of one map never share one.
    fn leaving(&self) -> u64;
}

/// Odd, so that the product with it is different for different words; the bits are those of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
const fn mix(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(MULTIPLIER).rotate_left(29)
}

#[inline(always)]
const fn start(map: RowMap) -> u64 {
    (map as u64 + 1).wrapping_mul(MULTIPLIER)
}

#[inline(always)]
const fn words(high: u32, low: u32) -> u64 {
    ((high as u64) << 32) | low as u64
}

impl RowKey for CounterKey {
    #[inline(always)]
    fn leaving(&self) -> u64 {
        mix(start(RowMap::Counters), words(self.ifindex, self.packed))
    }
}

impl RowKey for ExposureKey {
    #[inline(always)]
    fn leaving(&self) -> u64 {
        mix(start(RowMap::Exposure), words(self.network, self.class))
    }
}

impl RowKey for EspKey {
    #[inline(always)]
    fn leaving(&self) -> u64 {
        let kind = self.direction | (self.encapsulation << 8);
        let mut sum = mix(start(RowMap::Esp), words(self.ifindex, kind));
        sum = mix(sum, words(self.spi, 0));
        sum = mix(mix(sum, self.source[0]), self.source[1]);
        mix(mix(sum, self.destination[0]), self.destination[1])
    }
}

impl RowKey for EspNetworkKey {
    #[inline(always)]
    fn leaving(&self) -> u64 {
        let sum = mix(start(RowMap::EspNetworks), u64::from(self.packed));
        mix(mix(sum, self.peer[0]), self.peer[1])
    }
}

impl RowKey for PeerKey {
    #[inline(always)]
    fn leaving(&self) -> u64 {
        let sum = mix(start(RowMap::Peers), words(self.direction, self.vni));
        mix(mix(sum, self.node[0]), self.node[1])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::address::v4;
    use crate::direction::Direction;
    use crate::encapsulation::Encapsulation;
    use crate::key::{Class, NetworkId};

    #[test]
    fn keys_of_one_map_and_of_different_maps_are_told_apart() {
        let mut seen = HashSet::new();
        for n in 0..50_000 {
            let direction = Direction::from_bit(n & 1);
            let node = v4(0x0a00_0000 + n);
            let exposure = ExposureKey::new(direction, NetworkId::vni(n), Class::PENDING);
            for id in [
                CounterKey::new(3, direction, Encapsulation::Vxlan, n).leaving(),
                exposure.leaving(),
                EspNetworkKey::new(direction, n, node).leaving(),
                PeerKey::new(direction, n, node).leaving(),
            ] {
                assert!(seen.insert(id), "{n}");
            }
        }
    }
}
