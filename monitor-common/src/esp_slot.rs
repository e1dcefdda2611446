//! Slots of ESP associations: counting their packets without a look-up in a hash map.
//!
//! The agent writes the key of an association to a row for each CPU in `ESP_SLOTS`, at one of the two places that a hash
//! of the key names. A program adds to a row only if the whole key in it is that of the packet: so the hash decides where
//! to look, and never what is counted. Packets of all other associations are counted in `ESP`.

use crate::address::Address;
use crate::shared::shared;

/// Places of each CPU and direction in `ESP_SLOTS`, unless the host has many CPUs. A power of two.
pub const PLACES: u32 = 512;

const _: () = assert!(PLACES.is_power_of_two());

shared! {
    /// An element of `ESP_SLOTS`: what one CPU has counted of one association in one direction. It fills a cache line.
    #[derive(Default)]
    pub struct EspSlot {
        /// Index of the interface; 0 where the place is free.
        pub ifindex: u32,
        /// Security Parameters Index.
        pub spi: u32,
        /// Source.
        pub source: Address,
        /// Destination.
        pub destination: Address,
        /// Packets.
        pub packets: u64,
        /// Bytes of the frames without FCS.
        pub bytes: u64,
        /// Lowest sequence number seen; 0 if none was.
        pub sequence_min: u32,
        /// Highest sequence number seen; 0 if none was.
        pub sequence_max: u32,
    }
}

/// The places of an association, of `places` (a power of two). They may be the same.
#[inline(always)]
#[must_use]
pub const fn places(
    seed: &[u64; 4],
    ifindex: u32,
    spi: u32,
    (source, destination): (Address, Address),
    places: u32,
) -> [u32; 2] {
    // Odd numbers without a pattern (the digits of pi and of e): a multiplication carries every bit upwards.
    const FIRST: u64 = 0x243f_6a88_85a3_08d3;
    const SECOND: u64 = 0xb7e1_5162_8aed_2a6b;
    let source = source[1] ^ source[0].rotate_left(32);
    let destination = destination[1] ^ destination[0].rotate_left(32);
    let association = (spi as u64) << 32 | ifindex as u64;
    let hash = (source ^ seed[0]).wrapping_mul(FIRST)
        ^ (destination ^ seed[1]).wrapping_mul(SECOND).rotate_left(32)
        ^ (association ^ seed[2]);
    let hash = (hash ^ hash >> 32).wrapping_mul(FIRST);
    let hash = (hash ^ hash >> 29).wrapping_mul(SECOND);
    [
        (hash >> 40) as u32 & (places - 1),
        (hash >> 52) as u32 & (places - 1),
    ]
}

/// Index in `ESP_SLOTS` of the row of a CPU and a direction at one of `places` places.
#[inline(always)]
#[must_use]
pub const fn index(cpu: u32, direction: u32, places: u32, place: u32) -> u32 {
    (cpu * 2 + direction) * places + place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{v4, v6};

    const SEED: [u64; 4] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 7, 8];

    #[test]
    fn a_row_is_a_cache_line() {
        assert_eq!(EspSlot::SIZE, 64);
    }

    #[test]
    fn no_two_rows_are_the_same() {
        let mut seen = std::collections::HashSet::new();
        for cpu in 0..3 {
            for direction in 0..2 {
                for place in 0..4 {
                    assert!(seen.insert(index(cpu, direction, 4, place)));
                }
            }
        }
        assert_eq!((seen.len(), seen.into_iter().max()), (24, Some(23)));
    }

    /// Associations of as many nodes with one are spread over the places: by address, by SPI, by interface, and with IPv6.
    #[test]
    fn associations_are_spread_over_the_places() {
        let on_v4 = |node: u32| (v4(0x0a00_0001), v4(0x0a00_0100 + node));
        let on_v6 = |node: u32| {
            let mut address = [0x20; 16];
            address[4..8].copy_from_slice(&node.to_be_bytes());
            (v6([0x20; 16]), v6(address))
        };
        let kinds: [&dyn Fn(u32) -> [u32; 2]; 4] = [
            &|n| places(&SEED, 2, 0x1000, on_v4(n), PLACES),
            &|n| places(&SEED, 2, 0x1000 + n, on_v4(1), PLACES),
            &|n| places(&SEED, n, 0x1000, on_v4(1), PLACES),
            &|n| places(&SEED, 2, 0x1000, on_v6(n), PLACES),
        ];
        for place in kinds {
            for which in 0..2 {
                let mut load = [0; PLACES as usize];
                for node in 0..4 * PLACES {
                    load[place(node)[which] as usize] += 1;
                }
                assert!(load.into_iter().max().unwrap() < 20, "{load:?}");
                assert!(load.into_iter().filter(|n| *n == 0).count() < 64);
            }
            let both_same = (0..4 * PLACES).filter(|n| place(*n)[0] == place(*n)[1]);
            assert!(both_same.count() < 32);
        }
    }

    #[test]
    fn every_part_of_the_key_and_the_seed_moves_the_places() {
        let at = |seed, ifindex, spi, addresses| places(&seed, ifindex, spi, addresses, 1 << 12);
        let addresses = (v4(1), v4(2));
        let place = at(SEED, 2, 3, addresses);
        assert_ne!(place, at([1, SEED[1], SEED[2], 0], 2, 3, addresses));
        assert_ne!(place, at([SEED[0], 1, SEED[2], 0], 2, 3, addresses));
        assert_ne!(place, at([SEED[0], SEED[1], 1, 0], 2, 3, addresses));
        assert_ne!(place, at(SEED, 9, 3, addresses));
        assert_ne!(place, at(SEED, 2, 9, addresses));
        assert_ne!(place, at(SEED, 2, 3, (v4(9), v4(2))));
        assert_ne!(place, at(SEED, 2, 3, (v4(1), v4(9))));
    }
}
