//! Key of `COUNTERS`.

use super::packed;
use crate::direction::Direction;
use crate::encapsulation::Encapsulation;
use crate::shared::shared;

shared! {
    /// Key of `COUNTERS`: interface, direction, encapsulation and VNI. The value is a [`crate::count::Count`].
    #[derive(Hash)]
    pub struct CounterKey {
        /// Interface index.
        pub ifindex: u32,
        /// Direction (bit 31), "other" (30), encapsulation (29 to 24), VNI (23 to 0).
        pub packed: u32,
    }
}

impl CounterKey {
    /// The key of a VNI; `vni` is 0 where the encapsulation has none.
    #[inline(always)]
    #[must_use]
    pub const fn new(
        ifindex: u32,
        direction: Direction,
        encapsulation: Encapsulation,
        vni: u32,
    ) -> CounterKey {
        CounterKey {
            ifindex,
            packed: packed::pack(direction, packed::network(encapsulation, vni)),
        }
    }

    /// The key of all packets of an encapsulation whose own VNI found no room.
    #[inline(always)]
    #[must_use]
    pub const fn other(
        ifindex: u32,
        direction: Direction,
        encapsulation: Encapsulation,
    ) -> CounterKey {
        let key = CounterKey::new(ifindex, direction, encapsulation, 0);
        CounterKey {
            ifindex,
            packed: packed::other(key.packed),
        }
    }

    /// Which way the packets went.
    #[inline(always)]
    #[must_use]
    pub const fn direction(&self) -> Direction {
        packed::direction(self.packed)
    }

    /// The encapsulation. `None` for a number that no program of ours writes.
    #[inline(always)]
    #[must_use]
    pub const fn encapsulation(&self) -> Option<Encapsulation> {
        packed::encapsulation(self.packed)
    }

    /// The VNI; `None` for "other".
    #[must_use]
    pub const fn vni(&self) -> Option<u32> {
        packed::vni(self.packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::VNI_MAX;

    #[test]
    fn a_key_gives_back_what_went_in() {
        for direction in Direction::ALL {
            for encapsulation in Encapsulation::ALL.iter().copied() {
                for vni in [0, 1, 4096, VNI_MAX] {
                    let key = CounterKey::new(7, direction, encapsulation, vni);
                    assert_eq!(key.direction(), direction);
                    assert_eq!(key.encapsulation(), Some(encapsulation));
                    assert_eq!(key.vni(), Some(vni));
                    assert_eq!(CounterKey::from_bytes(&key.to_bytes()), Some(key));
                }
                let other = CounterKey::other(7, direction, encapsulation);
                assert_eq!((other.direction(), other.vni()), (direction, None));
                assert_eq!(other.encapsulation(), Some(encapsulation));
            }
        }
    }
}
