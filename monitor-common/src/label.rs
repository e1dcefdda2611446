//! Small enums that are map-key bits in the kernel and label values outside.

/// Which way a packet crossed the watched interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// Received from the wire.
    Rx = 0,
    /// Sent to the wire.
    Tx = 1,
}

impl Direction {
    /// Both directions.
    pub const ALL: [Direction; 2] = [Direction::Rx, Direction::Tx];

    /// The value of the metric label `direction`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Direction::Rx => "rx",
            Direction::Tx => "tx",
        }
    }

    /// The direction of an index, as it comes from the kernel.
    #[must_use]
    pub const fn from_index(index: u8) -> Option<Direction> {
        match index {
            0 => Some(Direction::Rx),
            1 => Some(Direction::Tx),
            _ => None,
        }
    }
}

/// What the packet was wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Encapsulation {
    /// Nothing: the host's own traffic, outside any overlay.
    None = 0,
    /// VXLAN (RFC 7348).
    Vxlan = 1,
    /// ESP directly on IP (RFC 4303).
    Esp = 2,
    /// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
    VxlanGpe = 3,
    /// Geneve (RFC 8926).
    Geneve = 4,
    /// AH around something that is no overlay (RFC 4302).
    Ah = 5,
    /// ESP in UDP (RFC 3948).
    EspUdp = 6,
    /// IKE on the port of ESP in UDP, and NAT keepalives there (RFC 3948, 2.2 and 2.3).
    Ike = 7,
    /// WireGuard.
    Wireguard = 8,
    /// VXLAN in ESP with the NULL cipher (RFC 2410), on IP or in UDP: it can be read, and is no encryption.
    EspNull = 9,
}

impl Encapsulation {
    /// Every encapsulation, in order of its index.
    pub const ALL: [Encapsulation; 10] = [
        Encapsulation::None,
        Encapsulation::Vxlan,
        Encapsulation::Esp,
        Encapsulation::VxlanGpe,
        Encapsulation::Geneve,
        Encapsulation::Ah,
        Encapsulation::EspUdp,
        Encapsulation::Ike,
        Encapsulation::Wireguard,
        Encapsulation::EspNull,
    ];

    /// The value of the metric label `encapsulation`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Encapsulation::None => "none",
            Encapsulation::Vxlan => "vxlan",
            Encapsulation::Esp => "esp",
            Encapsulation::VxlanGpe => "vxlan_gpe",
            Encapsulation::Geneve => "geneve",
            Encapsulation::Ah => "ah",
            Encapsulation::EspUdp => "esp_udp",
            Encapsulation::Ike => "ike",
            Encapsulation::Wireguard => "wireguard",
            Encapsulation::EspNull => "esp_null",
        }
    }

    /// Whether its packets carry a network identifier (VNI).
    #[must_use]
    pub const fn has_vni(self) -> bool {
        matches!(
            self,
            Encapsulation::Vxlan
                | Encapsulation::VxlanGpe
                | Encapsulation::Geneve
                | Encapsulation::EspNull
        )
    }

    /// Whether it is ESP, which encrypts, in one of its forms.
    #[must_use]
    pub const fn is_esp(self) -> bool {
        matches!(self, Encapsulation::Esp | Encapsulation::EspUdp)
    }

    /// Whether its packets name a security association (SPI), by which they are counted.
    #[must_use]
    pub const fn has_spi(self) -> bool {
        matches!(
            self,
            Encapsulation::Esp | Encapsulation::Ah | Encapsulation::EspUdp
        )
    }

    /// The encapsulation of an index, as it comes from the kernel.
    #[inline(always)]
    #[must_use]
    pub const fn from_index(index: u8) -> Option<Encapsulation> {
        Some(match index {
            0 => Encapsulation::None,
            1 => Encapsulation::Vxlan,
            2 => Encapsulation::Esp,
            3 => Encapsulation::VxlanGpe,
            4 => Encapsulation::Geneve,
            5 => Encapsulation::Ah,
            6 => Encapsulation::EspUdp,
            7 => Encapsulation::Ike,
            8 => Encapsulation::Wireguard,
            9 => Encapsulation::EspNull,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_round_trip() {
        for d in Direction::ALL {
            assert_eq!(Direction::from_index(d as u8), Some(d));
        }
        assert_eq!(Direction::from_index(2), None);
        for e in Encapsulation::ALL {
            assert_eq!(Encapsulation::from_index(e as u8), Some(e));
            assert!(!(e.has_vni() && e.has_spi()));
        }
        assert_eq!(Encapsulation::from_index(10), None);
    }
}
