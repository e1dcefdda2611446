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
}

impl Encapsulation {
    /// Every encapsulation.
    pub const ALL: [Encapsulation; 3] = [
        Encapsulation::None,
        Encapsulation::Vxlan,
        Encapsulation::Esp,
    ];

    /// The value of the metric label `encapsulation`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Encapsulation::None => "none",
            Encapsulation::Vxlan => "vxlan",
            Encapsulation::Esp => "esp",
        }
    }

    /// The encapsulation of an index, as it comes from the kernel.
    #[must_use]
    pub const fn from_index(index: u8) -> Option<Encapsulation> {
        match index {
            0 => Some(Encapsulation::None),
            1 => Some(Encapsulation::Vxlan),
            2 => Some(Encapsulation::Esp),
            _ => None,
        }
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
        }
        assert_eq!(Encapsulation::from_index(3), None);
    }
}
