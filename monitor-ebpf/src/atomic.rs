//! Addition to a word that all CPUs share.

use core::arch::asm;

/// Adds to a word that other CPUs add to as well. (`core` has no such function for this target. Every supported kernel
/// has this form of the instruction.)
///
/// # Safety
///
/// `word` must be an aligned word of a map.
#[inline(always)]
pub unsafe fn atomic_add(word: *mut u64, number: u64) {
    // SAFETY: by contract of the caller.
    unsafe {
        asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) word, in(reg) number, options(nostack));
    }
}
