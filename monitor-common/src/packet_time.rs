//! How long ESP took for single packets of overlays, by direction and size.
//!
//! While packets are timed, one in [`EVERY`] is: a sent one from where its association counts it until the cipher has encrypted
//! it, a received one from where the cipher is called until IPsec hands it on.

use crate::count::Total;
use crate::direction::Direction;
use crate::esp_time::PLACES;
use crate::shared::shared;

/// Limits of the buckets, each twice the one before.
pub const LIMITS: usize = 12;
/// The first limit in nanoseconds.
const FIRST: u64 = 250;
/// Buckets: one for each limit, and one for what took longer.
pub const BUCKETS: usize = LIMITS + 1;

/// One packet in so many is timed, on average.
pub const EVERY: u32 = 8;

/// The longest time in a bucket, in nanoseconds; `None` for the last bucket, which has no limit.
#[must_use]
pub const fn limit(bucket: usize) -> Option<u64> {
    if bucket < LIMITS {
        Some(FIRST << bucket)
    } else {
        None
    }
}

/// The index of the bucket of a time in nanoseconds.
#[inline(always)]
#[must_use]
pub const fn bucket(nanoseconds: u64) -> usize {
    // Comparisons, since the programs have no instruction for a logarithm. Their sum is at most `LIMITS`.
    let (mut bucket, mut limit) = (0, 0);
    while limit < LIMITS {
        bucket += (nanoseconds > FIRST << limit) as usize;
        limit += 1;
    }
    bucket
}

/// The number of packets until the next one that is timed, from a random number. It varies, since packets may come in a pattern,
/// such as data and its acknowledgement by turns.
#[inline(always)]
#[must_use]
pub const fn until_next(random: u32) -> u64 {
    (random % (2 * EVERY - 1)) as u64
}

shared! {
    /// Element of `PACKET_TIMES`: the packets that one CPU has timed.
    #[derive(Default)]
    pub struct PacketTimes {
        /// Packets by direction and size, and by bucket.
        pub buckets: [[u64; BUCKETS]; PLACES],
        /// Their time in nanoseconds, by direction and size.
        pub nanoseconds: [u64; PLACES],
        /// Packets that were encrypted or decrypted after the call of the cipher had returned, by direction: they are not timed.
        pub asynchronous: [u64; Direction::ALL.len()],
    }
}

impl Total for PacketTimes {
    fn add(&mut self, more: PacketTimes) {
        for (sum, more) in self.values_mut().zip(more.values()) {
            sum.add(more);
        }
    }

    fn since(mut self, before: PacketTimes) -> PacketTimes {
        for (value, before) in self.values_mut().zip(before.values()) {
            *value = value.since(before);
        }
        self
    }

    fn is_zero(&self) -> bool {
        self.values().all(|value| value == 0)
    }
}

impl PacketTimes {
    fn values(&self) -> impl Iterator<Item = u64> {
        let buckets = self.buckets.iter().flatten();
        buckets
            .chain(&self.nanoseconds)
            .chain(&self.asynchronous)
            .copied()
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut u64> {
        let buckets = self.buckets.iter_mut().flatten();
        buckets
            .chain(&mut self.nanoseconds)
            .chain(&mut self.asynchronous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_bucket_whose_limit_it_does_not_exceed() {
        let times = (0..700_000).step_by(7).chain([u64::MAX]);
        for time in times.chain((0..LIMITS).filter_map(limit)) {
            let at = bucket(time);
            assert!(limit(at).is_none_or(|limit| time <= limit), "{time}");
            let below = at.checked_sub(1).and_then(limit);
            assert!(below.is_none_or(|limit| time > limit), "{time}");
        }
        assert_eq!(limit(LIMITS - 1), Some(512_000));
        assert_eq!(limit(LIMITS), None);
    }

    #[test]
    fn what_was_counted_since_is_added_again() {
        let mut before = PacketTimes::default();
        before.buckets[3][2] = 5;
        let mut after = before;
        after.buckets[3][2] = 12;
        after.nanoseconds[3] = 7_000;
        after.asynchronous[1] = 1;
        let since = after.since(before);
        assert_eq!(since.buckets[3][2], 7);
        assert!(!since.is_zero() && before.since(after).is_zero());
        before.add(since);
        assert_eq!(before, after);
    }

    #[test]
    fn one_packet_in_so_many_is_timed() {
        // A packet is timed when none is left, and each one before it takes one.
        let all = 2 * EVERY - 1;
        let distance: u64 = (0..all).map(|random| until_next(random) + 1).sum();
        assert_eq!(distance, u64::from(all * EVERY));
        assert_eq!(until_next(all + 5), 5);
    }
}
