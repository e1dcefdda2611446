//! Which way a packet went.

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

    /// The direction with this index. `None` for an index that no program of ours writes.
    #[must_use]
    pub const fn from_index(index: u8) -> Option<Direction> {
        match index {
            0 => Some(Direction::Rx),
            1 => Some(Direction::Tx),
            _ => None,
        }
    }

    /// The direction of a bit of a key: 0 is [`Direction::Rx`].
    #[inline(always)]
    #[must_use]
    pub const fn from_bit(bit: u32) -> Direction {
        if bit == 0 {
            Direction::Rx
        } else {
            Direction::Tx
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_round_trip() {
        for direction in Direction::ALL {
            assert_eq!(Direction::from_index(direction as u8), Some(direction));
            assert_eq!(Direction::from_bit(direction as u32), direction);
        }
        assert_eq!(Direction::from_index(2), None);
    }
}
