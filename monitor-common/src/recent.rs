//! What a network has had lately of what networks share, and who may take one more sample.

/// How much a network has had lately: about what fell into the last [`Recent::PERIOD_NS`], in one word.
///
/// The word has the number of the period, how much fell into it, and how much into the period before: of the latter as
/// large a part counts as is left of the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent(pub u64);

impl Recent {
    /// Log 2 of the length of a period in nanoseconds.
    const PERIOD_SHIFT: u32 = 32;
    /// Length of a period: 4.3 s. Far longer than the span of a cap, so that many networks, each of which may have less
    /// than one sample in a span, still differ from one that has had none.
    pub const PERIOD_NS: u64 = 1 << Recent::PERIOD_SHIFT;
    /// Bits of each of the two numbers, and of the period's.
    const BITS: u32 = 24;
    const MASK: u64 = (1 << Recent::BITS) - 1;
    const PERIODS: u64 = (1 << (u64::BITS - 2 * Recent::BITS)) - 1;

    /// How much fell into the present period and into the one before, at this time.
    #[inline(always)]
    const fn numbers(self, now_ns: u64) -> (u64, u64) {
        let present = now_ns >> Recent::PERIOD_SHIFT;
        let age = present.wrapping_sub(self.0 >> (2 * Recent::BITS)) & Recent::PERIODS;
        let last = self.0 & Recent::MASK;
        if age == 0 {
            (last, (self.0 >> Recent::BITS) & Recent::MASK)
        } else if age == 1 {
            (0, last)
        } else {
            (0, 0)
        }
    }

    /// How much lately.
    #[inline(always)]
    #[must_use]
    pub const fn at(self, now_ns: u64) -> u64 {
        const PARTS: u64 = 1 << 16;
        let (last, before) = self.numbers(now_ns);
        let passed = (now_ns >> (Recent::PERIOD_SHIFT - 16)) % PARTS;
        last + ((before * (PARTS - passed)) >> 16)
    }

    /// One more.
    #[inline(always)]
    #[must_use]
    pub const fn add(self, now_ns: u64) -> Recent {
        let (last, before) = self.numbers(now_ns);
        let last = if last < Recent::MASK { last + 1 } else { last };
        let present = (now_ns >> Recent::PERIOD_SHIFT) & Recent::PERIODS;
        Recent((present << (2 * Recent::BITS)) | (before << Recent::BITS) | last)
    }
}

/// What counts against a network that has `held` of a room: it, and what it has had lately, up to `few`.
///
/// A network may have as much as is left of the room: of `n` networks that flood each gets one part in `n + 1`, and one
/// part stays free. Where that is less than one, or where others give back now and then, the luckiest would take the
/// rest. All that flood have had many lately, and so leave `few` to a network that has had fewer.
#[inline(always)]
#[must_use]
pub const fn with_lately(held: u64, lately: u64, few: u64) -> u64 {
    if lately < few {
        held + lately
    } else {
        held + few
    }
}

/// Whether a network may take one more sample, of a room of `whole` samples of which so many are left. `taken` is how many
/// it has taken in this span.
#[inline(always)]
#[must_use]
pub const fn may_sample(taken: u64, lately: u64, whole: u64, left: u64) -> bool {
    /// One part in this many is for networks that have had few samples lately.
    const PART: u64 = 64;
    with_lately(taken, lately, whole / PART) < left
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn what_was_had_is_recent_for_a_period_or_two() {
        const PERIOD: u64 = Recent::PERIOD_NS;
        for start in [0, PERIOD * 7, PERIOD * 0xffff, PERIOD * 0x12_0000] {
            let mut recent = Recent(0);
            for n in 0..1000 {
                recent = recent.add(start + n * 1000);
            }
            assert_eq!(recent.at(start + PERIOD - 1), 1000, "{start}");
            assert_eq!(recent.at(start + PERIOD), 1000);
            assert_eq!(recent.at(start + PERIOD + PERIOD / 4), 750);
            assert_eq!(recent.at(start + 2 * PERIOD - 1), 0);
            assert_eq!(recent.at(start + 2 * PERIOD), 0);
            let recent = recent.add(start + PERIOD + PERIOD / 2);
            assert_eq!(recent.at(start + PERIOD + PERIOD / 2), 501);
            assert_eq!(recent.at(start + 2 * PERIOD), 1);
            assert_eq!(recent.add(start + 9 * PERIOD).at(start + 9 * PERIOD), 1);
        }
        // It stops where it would spill into its neighbour.
        let full = Recent(Recent::MASK).add(0);
        assert_eq!(full, Recent(Recent::MASK));
    }

    /// Networks that flood, in random order, more than may be sampled: how many samples each has had. And how many of 20 that
    /// another one wanted in one span, when they had flooded for a while.
    fn flood(networks: usize, span_cap: u64) -> (u64, u64) {
        const SPAN: u64 = 1 << 26;
        const SPANS: u64 = 40;
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut recent = vec![Recent(0); networks + 1];
        let mut sampled = vec![0; networks + 1];
        for span in 0..SPANS {
            let mut taken = vec![0; networks + 1];
            let mut left = span_cap;
            for packet in 0..10 * span_cap {
                let now = Recent::PERIOD_NS + span * SPAN + packet * SPAN / (10 * span_cap);
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let is_late = span == SPANS / 2 && packet % (span_cap / 2) == 99;
                let network = if is_late {
                    networks
                } else {
                    random as usize % networks
                };
                if may_sample(taken[network], recent[network].at(now), span_cap, left) {
                    recent[network] = recent[network].add(now);
                    sampled[network] += 1;
                    taken[network] += 1;
                    left -= 1;
                }
            }
        }
        let late = sampled[networks];
        ((sampled.iter().sum::<u64>() - late) / networks as u64, late)
    }

    #[test]
    fn networks_that_flood_leave_samples_for_one_that_comes() {
        for networks in [1, 10, 100, 2_048, 16_384] {
            let (each, late) = flood(networks, 3_523);
            assert!(late >= (each / 8).min(10), "{networks}: {each}, {late}");
        }
        // One alone has half.
        assert!(flood(1, 3_523).0 > 35 * 3_523 / 2);
    }
}
