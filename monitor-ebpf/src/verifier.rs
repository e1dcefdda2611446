//! Numbers in a form that the kernel's verifier follows.

use core::arch::asm;

/// The same number, about which the compiler knows nothing any more.
///
/// What the compiler knows makes it drop a check that another one implies, or check one register and use another. Both
/// are correct, and the verifier follows neither.
#[inline(always)]
pub fn opaque(mut number: usize) -> usize {
    // SAFETY: a register moved to itself. (An empty string would leave line information without an
    // instruction, which the kernel refuses.)
    unsafe { asm!("{0} = {0}", inout(reg) number, options(nomem, nostack, preserves_flags)) };
    number
}

/// Bits of an offset: the longest headers that are walked, with three extension headers of IPv6 inside and outside, end
/// before 16,384. Far below 65,535, the largest offset into a packet that the verifier accepts.
pub const OFFSET: usize = 0x3fff;

/// The same number, if it has at most 16 bits, about which the verifier of most kernels knows nothing any more: they do
/// not follow a swap of bytes.
#[inline(always)]
pub fn forgotten(mut number: usize) -> usize {
    // SAFETY: the bytes of a register swapped twice.
    unsafe {
        asm!(
            "{0} = be16 {0}",
            "{0} = be16 {0}",
            inout(reg) number,
            options(nomem, nostack, preserves_flags)
        );
    }
    number
}

/// A length between 1 and `MAX`, in a form in which every verifier sees both bounds: those before Linux 6.4 learn
/// nothing from a comparison with zero. A length of 0 becomes `MAX`, which the helpers refuse for a shorter packet.
#[inline(always)]
pub fn bounded<const MAX: usize>(len: usize) -> usize {
    let mut below = opaque(len.wrapping_sub(1));
    if below > MAX - 1 {
        below = MAX - 1;
    }
    opaque(below) + 1
}
