//! Slots: counting a packet of a known flow without a look-up in a hash map.
//!
//! The agent gives a slot to what it wants counted quickly: one interface, one VNI and one class. A slot has a row for each CPU
//! and direction in `SLOT_ROWS`, and the flows that count in it are in the lines of `SLOT_LINES`. A flow may stand in
//! one of two lines, chosen by its hash; a way is a flow's tag and its slot in one word, so that both are read at once.
//!
//! Programs only add to rows and take ways out. A flow without a way is counted in `COUNTERS` and `EXPOSURE`.

use crate::shared::shared;

/// Flows in one line: with the marks they fill 64 bytes, one cache line.
pub const WAYS: usize = 7;
/// Bits of a way that are the slot.
pub const SLOT_BITS: u32 = 20;
/// The slot in a way, and the largest one.
pub const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
/// Lines of `SLOT_LINES`. A power of two.
pub const LINES: u32 = 32_768;
/// Lines among which is a flow's first one: those at the start. They are few, so that thousands of flows touch few pages
/// and cache lines. A power of two.
pub const NEAR_LINES: u32 = 4_096;
/// Where the index of a flow's second line begins in its hash. The first one begins behind the slot: both are part of
/// the tag.
const SECOND_SHIFT: u32 = 64 - LINES.trailing_zeros();

const _: () = assert!(LINES.is_power_of_two() && NEAR_LINES.is_power_of_two());
const _: () =
    assert!(NEAR_LINES <= LINES && SLOT_BITS + NEAR_LINES.trailing_zeros() <= SECOND_SHIFT);

shared! {
    /// An element of `SLOT_LINES`.
    pub struct Line {
        /// Ways: [`way`] of a flow; 0 is free.
        pub ways: [u64; WAYS],
        /// For each way, whether a packet was counted through it since the agent looked last: 0 or 1. The last is unused.
        pub used: [u8; WAYS + 1],
    }
}

shared! {
    /// An element of `SLOT_ROWS`: what one CPU has counted in one slot and direction.
    #[derive(Default)]
    pub struct SlotRow {
        /// Index of the interface.
        pub ifindex: u32,
        /// The VNI.
        pub vni: u32,
        /// Packets.
        pub packets: u64,
        /// Bytes of the frames without FCS.
        pub bytes: u64,
        /// Keeps two rows in one cache line.
        pub unused: u64,
    }
}

/// The indices of the lines in which a flow may stand, the preferred one first.
#[inline(always)]
#[must_use]
pub const fn lines(flow: u64) -> [u32; 2] {
    [
        (flow >> SLOT_BITS) as u32 & (NEAR_LINES - 1),
        (flow >> SECOND_SHIFT) as u32 & (LINES - 1),
    ]
}

/// The word of a flow that counts in a slot.
#[must_use]
pub const fn way(flow: u64, slot: u32) -> u64 {
    flow & !SLOT_MASK | slot as u64 & SLOT_MASK
}

/// Whether a way is that of a flow. A free way is not, unless the tag of the flow is 0; its slot is 0 then, which
/// is never given.
#[inline(always)]
#[must_use]
pub const fn is_of(way: u64, flow: u64) -> bool {
    (way ^ flow) >> SLOT_BITS == 0
}

/// The slot of a way.
#[inline(always)]
#[must_use]
pub const fn slot(way: u64) -> u32 {
    (way & SLOT_MASK) as u32
}

/// Index in `SLOT_ROWS` of the row of a CPU, a direction and one of `slots` slots.
#[inline(always)]
#[must_use]
pub const fn row(cpu: u32, direction: u32, slots: u32, slot: u32) -> u32 {
    (cpu * 2 + direction) * slots + slot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_gives_back_what_went_in() {
        for flow in [0x0123_4567_89ab_cdef, u64::MAX, 1 << SLOT_BITS] {
            for wanted in [1, 77, SLOT_MASK as u32] {
                let word = way(flow, wanted);
                assert!(is_of(word, flow) && slot(word) == wanted);
                assert!(!is_of(word, flow ^ (1 << SLOT_BITS)));
                assert!(lines(word) == lines(flow), "the slot is not in the index");
            }
        }
    }

    #[test]
    fn each_line_is_reached_by_two_ranges_of_bits() {
        assert_eq!(lines(0), [0, 0]);
        for line in 0..LINES {
            assert_eq!(lines(u64::from(line) << SLOT_BITS)[0], line % NEAR_LINES);
            assert_eq!(lines(u64::from(line) << SECOND_SHIFT)[1], line);
        }
        assert_eq!(lines(u64::MAX), [NEAR_LINES - 1, LINES - 1]);
    }

    #[test]
    fn a_line_is_a_cache_line_and_two_rows_are_another() {
        assert_eq!((Line::SIZE, SlotRow::SIZE), (64, 32));
    }

    #[test]
    fn no_two_rows_are_the_same() {
        let mut seen = std::collections::HashSet::new();
        for cpu in 0..3 {
            for direction in 0..2 {
                for slot in 0..5 {
                    assert!(seen.insert(row(cpu, direction, 5, slot)));
                }
            }
        }
        assert_eq!(seen.len(), 30);
    }
}
