//! The time that a sample of the kernel's encryptions and decryptions took, by direction and size of the packet.
//!
//! An event of each CPU interrupts it at a fixed period. The program that runs then finds out from the kernel's stack whether
//! the CPU is in ESP's output or input, and counts that as one sample. A sample stands for one period. The programs on the
//! XFRM path supply the size of the packet.

use crate::count::Total;
use crate::direction::Direction;
use crate::shared::shared;

/// Classes of the bytes that ESP carries in a packet: up to 128, up to 256, … up to 2,048, and larger ones.
pub const SIZES: usize = 6;
/// Log 2 of the largest size in the first class.
const FIRST_SHIFT: u32 = 7;
/// Elements of a table by direction and size.
pub const PLACES: usize = SIZES * Direction::ALL.len();

/// The families of associations: IPv4 and IPv6.
pub const FAMILIES: usize = 2;
/// Frames of a stack that are read. ESP is within about twenty frames of the innermost function.
pub const FRAMES: usize = 32;
/// Bytes of what a sample looks at, in `LOOK`: the stack, and start and length of two functions of each family.
pub const LOOK_BYTES: usize = 8 * (FRAMES + 2 * 2 * FAMILIES);

/// The largest size in a class, in bytes; `None` for the last class, which has no limit.
#[must_use]
pub const fn size_limit(class: usize) -> Option<u64> {
    if class + 1 < SIZES {
        Some(1 << (FIRST_SHIFT + class as u32))
    } else {
        None
    }
}

/// The index in a table of a direction and the bytes that ESP carries in a packet.
#[inline(always)]
#[must_use]
pub const fn place(direction: Direction, bytes: u64) -> usize {
    // Comparisons, since the programs have no instruction for a logarithm. Their sum is at most `SIZES - 1`.
    let class = (bytes > 1 << FIRST_SHIFT) as usize
        + (bytes > 1 << (FIRST_SHIFT + 1)) as usize
        + (bytes > 1 << (FIRST_SHIFT + 2)) as usize
        + (bytes > 1 << (FIRST_SHIFT + 3)) as usize
        + (bytes > 1 << (FIRST_SHIFT + 4)) as usize;
    direction as usize * SIZES + class
}

/// The direction of an index of [`place`], and the largest size of its class.
#[must_use]
pub const fn of_place(place: usize) -> (Direction, Option<u64>) {
    let direction = match place / SIZES == Direction::Rx as usize {
        true => Direction::Rx,
        false => Direction::Tx,
    };
    (direction, size_limit(place % SIZES))
}

shared! {
    /// An encryption that is timed.
    pub struct Encryption {
        /// Address of `struct sk_buff`.
        pub packet: u64,
        /// The index of the packet, plus 1.
        pub place_plus_1: u64,
        /// When it began, in nanoseconds of the monotonic clock; 0 if there is none.
        pub begun: u64,
    }
}

shared! {
    /// A decryption that is timed.
    pub struct Decryption {
        /// Address of `struct sk_buff`; 0 if there is none.
        pub packet: u64,
        /// When it began, in nanoseconds of the monotonic clock.
        pub begun: u64,
        /// Address of `struct task_struct` of the task that was current.
        pub task: u64,
    }
}

shared! {
    /// Element of `ESP_TIMES`: what one CPU keeps of its encryptions and decryptions.
    pub struct EspTimes {
        /// The index of the packet that is being encrypted, plus 1; 0 if the last packet was not one of an overlay.
        pub sending: u64,
        /// The encryption that is timed.
        pub encryption: Encryption,
        /// Packets until the next one that is timed.
        pub until_sent: u64,
        /// The packet whose decryption is timed.
        pub decryption: Decryption,
        /// Address of `struct sk_buff` of a packet that was timed and had not been handed on when the cipher was called for the
        /// next one; 0 if there is none.
        pub left: u64,
        /// Calls until the next one that is timed.
        pub until_received: u64,
        /// Samples in packets that are being decrypted, and whose size is not known yet.
        pub receiving: u64,
        /// Addresses of `struct xfrm_type` of the associations in use, by family; 0 until a packet was seen.
        pub types: [u64; FAMILIES],
        /// 0 where the address in `types` is to be read again with the next packet.
        pub fresh: [u64; FAMILIES],
        /// An address in the text of IPsec itself, to which ESP returns; 0 until a packet was seen.
        pub core: u64,
        /// Packets, by direction and size.
        pub packets: [u64; PLACES],
        /// Samples, by direction and size.
        pub samples: [u64; PLACES],
    }
}

impl EspTimes {
    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> EspTimeCounts {
        EspTimeCounts {
            packets: self.packets,
            samples: self.samples,
        }
    }
}

shared! {
    /// Packets and samples by direction and size.
    #[derive(Default)]
    pub struct EspTimeCounts {
        /// Packets.
        pub packets: [u64; PLACES],
        /// Samples.
        pub samples: [u64; PLACES],
    }
}

impl EspTimeCounts {
    /// All packets.
    #[must_use]
    pub fn all_packets(&self) -> u64 {
        self.packets.iter().sum()
    }
}

impl Total for EspTimeCounts {
    fn add(&mut self, more: EspTimeCounts) {
        for place in 0..PLACES {
            self.packets[place].add(more.packets[place]);
            self.samples[place].add(more.samples[place]);
        }
    }

    fn since(mut self, before: EspTimeCounts) -> EspTimeCounts {
        for place in 0..PLACES {
            self.packets[place] = self.packets[place].since(before.packets[place]);
            self.samples[place] = self.samples[place].since(before.samples[place]);
        }
        self
    }

    fn is_zero(&self) -> bool {
        let EspTimeCounts { packets, samples } = self;
        packets.iter().chain(samples).all(Total::is_zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_is_in_the_class_whose_limit_it_does_not_exceed() {
        for direction in Direction::ALL {
            for bytes in 0..5_000 {
                let at = place(direction, bytes);
                let class = at % SIZES;
                assert_eq!(of_place(at), (direction, size_limit(class)));
                assert!(size_limit(class).is_none_or(|limit| bytes <= limit));
                let below = class.checked_sub(1).and_then(size_limit);
                assert!(below.is_none_or(|limit| bytes > limit), "{bytes}");
            }
            assert_eq!(place(direction, u64::MAX) % SIZES, SIZES - 1);
        }
        assert_eq!(size_limit(0), Some(128));
        assert_eq!(size_limit(SIZES - 2), Some(2_048));
        assert_eq!(size_limit(SIZES - 1), None);
    }

    #[test]
    fn what_was_counted_since_is_added_again() {
        let mut before = EspTimeCounts::default();
        before.packets[3] = 5;
        let mut after = before;
        after.packets[3] = 12;
        after.samples[1] = 2;
        let since = after.since(before);
        assert_eq!((since.packets[3], since.samples[1]), (7, 2));
        assert!(!since.is_zero() && before.since(after).is_zero());
        before.add(since);
        assert_eq!(before, after);
        assert_eq!(after.all_packets(), 12);
    }
}
