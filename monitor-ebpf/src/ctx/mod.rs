//! The only pointer code: packets as the hooks hand them over.
//!
//! [`Linear`] holds the bounds checks in front of a packet pointer. What lies beyond the first
//! buffer comes by a kernel helper, which checks for itself, through [`Scratch`].

mod skb;
mod xdp;

use core::arch::asm;
use core::ptr::read_volatile;

use monitor_common::load::{Load, Window};

pub use skb::{Skb, SkbBytes};
pub use xdp::{Xdp, XdpFrags, XdpFragsBytes};

use crate::maps::{SCRATCH, SCRATCH_LEN};

/// A packet at a hook.
pub trait Packet: Load {
    /// Interface that it crosses.
    fn ifindex(&self) -> u32;

    /// Whether bytes of the frame exist that [`Load::load`] cannot reach.
    fn is_partial(&self) -> bool;

    /// How many packets of the wire it stands for: payload bytes of each, and their number if it is
    /// known. `(0, 0)` for a single packet.
    fn segments(&self) -> (u32, u32);

    /// Bytes of a VLAN tag that was on the wire, or will be, and is not in the frame.
    fn tag_len(&self) -> u32;

    /// Whether IPsec has decrypted it already, so that it is no packet of the wire.
    fn is_decrypted(&self) -> bool;

    /// Copies the first `len` bytes of the frame to `to`; whether that worked.
    ///
    /// # Safety
    ///
    /// `to` must be valid for `len` bytes, and `len` bounded in a way that the verifier can see.
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool;
}

/// A hook's context: what is known of a frame beside its bytes.
pub trait Hook {
    fn ifindex(&self) -> u32;
    /// Length of the frame in bytes.
    fn frame_len(&self) -> usize;
    /// See [`Packet::segments`].
    fn segments(&self) -> (u32, u32);
    /// See [`Packet::tag_len`].
    fn tag_len(&self) -> u32;
    /// See [`Packet::is_decrypted`].
    fn is_decrypted(&self) -> bool;
    /// See [`Packet::copy`].
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool;
    /// See [`Load::far`].
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

/// Bytes of a frame that can be read.
pub trait Bytes {
    fn window<const LEN: usize>(&self) -> Option<Checked>;
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
    /// Whether a frame of this length has bytes that are not here and can be had.
    fn is_part_of(&self, frame_len: usize) -> bool;
}

/// A packet: its hook's context, and those bytes of it that are at hand.
pub struct View<H, B> {
    hook: H,
    bytes: B,
}

impl<H: Hook> View<H, Scratch> {
    /// The packet by a copy of its first bytes.
    #[inline(always)]
    fn copied(hook: H) -> View<H, Scratch> {
        // SAFETY: the scratch holds as many bytes as are asked for.
        let bytes = Scratch::new(hook.frame_len(), |to, len| unsafe { hook.copy(to, len) });
        View { hook, bytes }
    }
}

impl<H: Hook, B: Bytes> Load for View<H, B> {
    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>> {
        self.bytes.window::<LEN>()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.load(offset)
    }

    #[inline(always)]
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.hook.far(offset)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.hook.frame_len()
    }
}

impl<H: Hook, B: Bytes> Packet for View<H, B> {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.hook.ifindex()
    }

    #[inline(always)]
    fn is_partial(&self) -> bool {
        self.bytes.is_part_of(self.hook.frame_len())
    }

    #[inline(always)]
    fn segments(&self) -> (u32, u32) {
        self.hook.segments()
    }

    #[inline(always)]
    fn tag_len(&self) -> u32 {
        self.hook.tag_len()
    }

    #[inline(always)]
    fn is_decrypted(&self) -> bool {
        self.hook.is_decrypted()
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: passed on from the caller.
        unsafe { self.hook.copy(to, len) }
    }
}

/// The part of a frame between `data` and `data_end`.
#[derive(Clone, Copy)]
pub struct Linear {
    start: usize,
    end: usize,
}

impl Linear {
    /// The bytes between the two addresses that a context holds as 32 bits each.
    ///
    /// Volatile, or the compiler may load them in the caller of a function and hand them over as
    /// numbers of 32 bits, which are no pointers to the verifier.
    ///
    /// # Safety
    ///
    /// Both must be fields of the context that the program was called with.
    #[inline(always)]
    unsafe fn new(data: *const u32, data_end: *const u32) -> Linear {
        // SAFETY: by contract of the caller.
        unsafe {
            Linear {
                start: read_volatile(data) as usize,
                end: read_volatile(data_end) as usize,
            }
        }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.end - self.start
    }
}

impl Bytes for Linear {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.start + offset;
        // Of a single byte the compiler would compare `at` itself, from which verifiers learn nothing.
        const { assert!(N > 1) };
        if at + N > self.end {
            return None;
        }
        // SAFETY: `at` to `at + N` lies inside the packet, as just checked; the verifier checks it
        // again. A byte array has no alignment.
        Some(unsafe { *(at as *const [u8; N]) })
    }

    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<Checked> {
        if self.start + LEN > self.end {
            None
        } else {
            Some(Checked(self.start))
        }
    }

    #[inline(always)]
    fn is_part_of(&self, frame_len: usize) -> bool {
        self.len() < frame_len
    }
}

/// The start of a packet, of which so much was checked to be there as its window says.
pub struct Checked(usize);

impl<const LEN: usize> Window<LEN> for Checked {
    #[inline(always)]
    fn get<const AT: usize, const N: usize>(&self) -> [u8; N] {
        const { assert!(AT + N <= LEN) };
        // SAFETY: inside the bytes that `Linear::window` has checked; the verifier checks it again.
        unsafe { *((self.0 + AT) as *const [u8; N]) }
    }
}

/// The first bytes of a frame, copied to a place where the parser may read at any alignment (the
/// stack is none: the verifier insists on alignment there).
pub struct Scratch {
    bytes: *const [u8; SCRATCH_LEN],
    len: usize,
}

impl Scratch {
    /// `copy` fills the scratch of this CPU with so many bytes; whether that worked.
    #[inline(always)]
    fn new(frame_len: usize, copy: impl FnOnce(*mut u8, u32) -> bool) -> Scratch {
        let Some(bytes) = SCRATCH.get_ptr_mut(0) else {
            return Scratch {
                bytes: core::ptr::null(),
                len: 0,
            };
        };
        let len = bounded::<SCRATCH_LEN>(frame_len);
        let copied = copy(bytes.cast(), len as u32);
        Scratch {
            bytes,
            len: opaque(if copied { len } else { 0 }),
        }
    }
}

impl Bytes for Scratch {
    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<Checked> {
        if self.bytes.is_null() || self.len < LEN {
            None
        } else {
            Some(Checked(self.bytes as usize))
        }
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let offset = opaque(offset);
        if self.bytes.is_null() || offset > SCRATCH_LEN - N || offset + N > self.len {
            return None;
        }
        // SAFETY: inside the scratch of this CPU, as just checked; nothing else of ours runs on it.
        Some(unsafe { *self.bytes.cast::<u8>().add(offset).cast::<[u8; N]>() })
    }

    #[inline(always)]
    fn is_part_of(&self, _frame_len: usize) -> bool {
        // No longer header is walked.
        false
    }
}

/// The same number, of which the compiler knows nothing any more.
///
/// What it knows makes it drop a check as implied by another, or check one register and use another.
/// Both are right, and the verifier follows neither.
#[inline(always)]
pub fn opaque(mut number: usize) -> usize {
    // SAFETY: a register moved to itself. (An empty string would leave line information without an
    // instruction, which the kernel refuses.)
    unsafe { asm!("{0} = {0}", inout(reg) number, options(nomem, nostack, preserves_flags)) };
    number
}

/// A length between 1 and `MAX`, in a form in which every verifier sees both bounds: those before 6.4
/// learn nothing from a comparison with zero. A length of 0 becomes `MAX`, which the helpers refuse
/// for a packet that is shorter.
#[inline(always)]
pub fn bounded<const MAX: usize>(len: usize) -> usize {
    let mut below = opaque(len.wrapping_sub(1));
    if below > MAX - 1 {
        below = MAX - 1;
    }
    opaque(below) + 1
}
