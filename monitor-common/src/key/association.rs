//! Key of `ESP`.

use crate::address::{Address, Addresses, NO_ADDRESS};
use crate::direction::Direction;
use crate::encapsulation::Encapsulation;
use crate::shared::shared;

shared! {
    /// Key of `ESP`: one security association as the wire shows it. The value is a [`crate::count::EspCount`].
    ///
    /// SPI 0 and no addresses: "other", for all associations of an encapsulation that found no room. ESP with SPI 0 is
    /// never counted here (RFC 4303, 2.1, reserves it); AH with SPI 0 has addresses.
    #[derive(Hash)]
    pub struct EspKey {
        /// Interface index.
        pub ifindex: u32,
        /// A [`Direction`].
        pub direction: u32,
        /// Security Parameters Index.
        pub spi: u32,
        /// An [`Encapsulation`] with an SPI.
        pub encapsulation: u32,
        /// Source.
        pub source: Address,
        /// Destination.
        pub destination: Address,
    }
}

impl EspKey {
    /// The key of an association between two addresses.
    #[inline(always)]
    #[must_use]
    pub const fn new(
        ifindex: u32,
        direction: Direction,
        encapsulation: Encapsulation,
        spi: u32,
        addresses: &Addresses,
    ) -> EspKey {
        let Addresses {
            version: _,
            source,
            destination,
        } = *addresses;
        EspKey {
            ifindex,
            direction: direction as u32,
            spi,
            encapsulation: encapsulation as u32,
            source,
            destination,
        }
    }

    /// The key of all packets of an encapsulation whose own association found no room.
    #[inline(always)]
    #[must_use]
    pub const fn other(ifindex: u32, direction: Direction, encapsulation: Encapsulation) -> EspKey {
        EspKey {
            ifindex,
            direction: direction as u32,
            spi: 0,
            encapsulation: encapsulation as u32,
            source: NO_ADDRESS,
            destination: NO_ADDRESS,
        }
    }

    /// Which way the packets went.
    #[inline(always)]
    #[must_use]
    pub const fn direction(&self) -> Direction {
        Direction::from_bit(self.direction)
    }

    /// The encapsulation. `None` for a number that no program of ours writes.
    #[must_use]
    pub const fn encapsulation(&self) -> Option<Encapsulation> {
        Encapsulation::from_index(self.encapsulation as u8)
    }

    /// Whether it stands for all associations that found no room.
    #[must_use]
    pub const fn is_other(&self) -> bool {
        self.spi == 0
            && self.source[0] == 0
            && self.source[1] == 0
            && self.destination[0] == 0
            && self.destination[1] == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_back_what_went_in() {
        for direction in Direction::ALL {
            let key = EspKey::new(
                3,
                direction,
                Encapsulation::EspUdp,
                0x2ad4_577a,
                &Addresses::v4(0xc0a8_4d01, 0xc0a8_4d02),
            );
            assert_eq!(EspKey::from_bytes(&key.to_bytes()), Some(key));
            assert_eq!(key.source, [0, 0xffff_c0a8_4d01]);
            assert_eq!(key.direction(), direction);
            assert_eq!(key.encapsulation(), Some(Encapsulation::EspUdp));
            assert!(!key.is_other());
            assert!(EspKey::other(3, direction, Encapsulation::Ah).is_other());
            // A forged AH packet: it has addresses.
            let addresses = Addresses::v4(0xc0a8_4d01, 0xc0a8_4d02);
            let forged = EspKey::new(3, direction, Encapsulation::Ah, 0, &addresses);
            assert!(!forged.is_other());
        }
    }
}
