//! The word of direction, "other", encapsulation and VNI that several keys have.
//!
//! One word, because hashing the key is most of what a counted packet costs.

use crate::direction::Direction;
use crate::encapsulation::Encapsulation;
use crate::wire::VNI_MAX;

const DIRECTION_SHIFT: u32 = 31;
const OTHER_BIT: u32 = 1 << 30;
const ENCAPSULATION_SHIFT: u32 = 24;
const ENCAPSULATION_MASK: u32 = 0x3f;

/// Direction (bit 31) and `rest` (30 to 0).
#[inline(always)]
pub(super) const fn pack(direction: Direction, rest: u32) -> u32 {
    ((direction as u32) << DIRECTION_SHIFT) | rest
}

/// Encapsulation (bits 29 to 24) and VNI (23 to 0).
#[inline(always)]
pub(super) const fn network(encapsulation: Encapsulation, vni: u32) -> u32 {
    ((encapsulation as u32) << ENCAPSULATION_SHIFT) | (vni & VNI_MASK)
}

/// The word with the bit that says "other": all networks that found no room.
#[inline(always)]
pub(super) const fn other(word: u32) -> u32 {
    word | OTHER_BIT
}

/// The direction of a word.
#[inline(always)]
pub(super) const fn direction(word: u32) -> Direction {
    Direction::from_bit(word >> DIRECTION_SHIFT)
}

/// The word without its direction.
#[inline(always)]
pub(super) const fn without_direction(word: u32) -> u32 {
    word & !(1 << DIRECTION_SHIFT)
}

/// The encapsulation of a word. `None` for a number that no program of ours writes.
#[inline(always)]
pub(super) const fn encapsulation(word: u32) -> Option<Encapsulation> {
    Encapsulation::from_index(((word >> ENCAPSULATION_SHIFT) & ENCAPSULATION_MASK) as u8)
}

/// The VNI of a word; `None` for "other".
#[inline(always)]
pub(super) const fn vni(word: u32) -> Option<u32> {
    if word & OTHER_BIT == 0 {
        Some(word & VNI_MASK)
    } else {
        None
    }
}

/// The bits of a VNI, which are the lowest of the word.
pub(super) const VNI_MASK: u32 = VNI_MAX;

const _: () = assert!(VNI_MASK < 1 << ENCAPSULATION_SHIFT);
const _: () = assert!(Encapsulation::ALL.len() <= ENCAPSULATION_MASK as usize + 1);
