//! Packets and bytes, and the arithmetic of rows that only grow.

use crate::shared::shared;

/// The value of a row that only grows: what several CPUs or several reads of it have counted.
pub trait Total: Copy + Default {
    /// Adds what another row has counted.
    fn add(&mut self, more: Self);

    /// What was counted since the row stood at `before`; nothing where it stands lower.
    #[must_use]
    fn since(self, before: Self) -> Self;

    /// Whether nothing was counted.
    fn is_zero(&self) -> bool;
}

impl Total for u64 {
    #[inline(always)]
    fn add(&mut self, more: u64) {
        // 2^64 packets or bytes are never reached; in the programs a check would cost.
        *self = self.wrapping_add(more);
    }

    fn since(self, before: u64) -> u64 {
        self.saturating_sub(before)
    }

    fn is_zero(&self) -> bool {
        *self == 0
    }
}

shared! {
    /// Packets and bytes. Bytes are those of the frame from the Ethernet header on, without FCS.
    #[derive(Default)]
    pub struct Count {
        /// Packets.
        pub packets: u64,
        /// Bytes.
        pub bytes: u64,
    }
}

impl Count {
    /// Nothing counted.
    pub const ZERO: Count = Count {
        packets: 0,
        bytes: 0,
    };

    /// The smaller number of packets, and the smaller number of bytes, of the two.
    #[must_use]
    pub fn min(self, other: Count) -> Count {
        Count {
            packets: self.packets.min(other.packets),
            bytes: self.bytes.min(other.bytes),
        }
    }
}

impl Total for Count {
    #[inline(always)]
    fn add(&mut self, more: Count) {
        self.packets.add(more.packets);
        self.bytes.add(more.bytes);
    }

    fn since(self, before: Count) -> Count {
        Count {
            packets: self.packets.since(before.packets),
            bytes: self.bytes.since(before.bytes),
        }
    }

    fn is_zero(&self) -> bool {
        self.packets == 0
    }
}

shared! {
    /// Value of `ESP`: what one security association has carried.
    #[derive(Default)]
    pub struct EspCount {
        /// Packets.
        pub packets: u64,
        /// Bytes of the frames without FCS.
        pub bytes: u64,
        /// Lowest sequence number seen; 0 if none was.
        pub sequence_min: u32,
        /// Highest sequence number seen; 0 if none was.
        pub sequence_max: u32,
        /// How many of the packets are later fragments: the rest is what the association has encrypted.
        pub later_fragments: u64,
    }
}

impl EspCount {
    /// Packets and bytes.
    #[must_use]
    pub const fn count(&self) -> Count {
        Count {
            packets: self.packets,
            bytes: self.bytes,
        }
    }
}

impl Total for EspCount {
    fn add(&mut self, more: EspCount) {
        self.packets.add(more.packets);
        self.bytes.add(more.bytes);
        self.later_fragments.add(more.later_fragments);
        self.sequence_max = self.sequence_max.max(more.sequence_max);
        if self.sequence_min == 0
            || (more.sequence_min != 0 && more.sequence_min < self.sequence_min)
        {
            self.sequence_min = more.sequence_min;
        }
    }

    /// Sequence numbers are those of the whole row: of which packets they are is not known.
    fn since(self, before: EspCount) -> EspCount {
        EspCount {
            packets: self.packets.since(before.packets),
            bytes: self.bytes.since(before.bytes),
            later_fragments: self.later_fragments.since(before.later_fragments),
            ..self
        }
    }

    fn is_zero(&self) -> bool {
        self.packets == 0
    }
}

shared! {
    /// Value of `ESP_NETWORKS`: what ESP has carried of one network.
    #[derive(Default)]
    pub struct EspCarried {
        /// ESP packets, before they are fragmented.
        pub packets: u64,
        /// Bytes inside ESP, from the UDP header on.
        pub bytes: u64,
        /// Bytes that ESP added to these; 0 where the kernel's structures do not let that be computed.
        pub overhead: u64,
    }
}

impl EspCarried {
    /// Nothing carried.
    pub const ZERO: EspCarried = EspCarried {
        packets: 0,
        bytes: 0,
        overhead: 0,
    };

    /// Packets, and bytes inside ESP.
    #[must_use]
    pub const fn count(&self) -> Count {
        Count {
            packets: self.packets,
            bytes: self.bytes,
        }
    }

    /// The smaller number of each, of the two.
    #[must_use]
    pub fn min(self, other: EspCarried) -> EspCarried {
        EspCarried {
            packets: self.packets.min(other.packets),
            bytes: self.bytes.min(other.bytes),
            overhead: self.overhead.min(other.overhead),
        }
    }
}

impl Total for EspCarried {
    #[inline(always)]
    fn add(&mut self, more: EspCarried) {
        self.packets.add(more.packets);
        self.bytes.add(more.bytes);
        self.overhead.add(more.overhead);
    }

    fn since(self, before: EspCarried) -> EspCarried {
        EspCarried {
            packets: self.packets.since(before.packets),
            bytes: self.bytes.since(before.bytes),
            overhead: self.overhead.since(before.overhead),
        }
    }

    fn is_zero(&self) -> bool {
        self.packets == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_counted_is_zero() {
        assert!(0_u64.is_zero() && !1_u64.is_zero());
        assert!(Count::ZERO.is_zero() && EspCount::default().is_zero());
        let one = Count {
            packets: 1,
            bytes: 60,
        };
        assert!(!one.is_zero() && !esp(1, (1, 1)).is_zero());
    }

    fn esp(packets: u64, sequences: (u32, u32)) -> EspCount {
        EspCount {
            packets,
            bytes: packets * 100,
            sequence_min: sequences.0,
            sequence_max: sequences.1,
            later_fragments: packets / 2,
        }
    }

    #[test]
    fn a_sum_has_the_widest_range_of_sequence_numbers() {
        let mut total = EspCount::default();
        for (more, range) in [
            (esp(2, (0, 0)), (0, 0)),
            (esp(2, (7, 9)), (7, 9)),
            (esp(2, (0, 0)), (7, 9)),
            (esp(2, (3, 4)), (3, 9)),
        ] {
            total.add(more);
            assert_eq!((total.sequence_min, total.sequence_max), range);
        }
        assert_eq!((total.packets, total.bytes), (8, 800));
        assert_eq!(total.later_fragments, 4);
    }

    #[test]
    fn a_row_that_stands_lower_than_before_has_counted_nothing() {
        let (low, high) = (
            Count {
                packets: 1,
                bytes: 900,
            },
            Count {
                packets: 3,
                bytes: 700,
            },
        );
        let since = high.since(low);
        assert_eq!((since.packets, since.bytes), (2, 0));
        assert!(low.since(high).is_zero());
        assert_eq!(esp(5, (1, 9)).since(esp(3, (1, 6))), esp(2, (1, 9)));
    }
}
