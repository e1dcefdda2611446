//! Bytes of a frame that are at hand.
//!
//! [`Linear`] puts the bounds checks in front of a packet pointer. Bytes beyond the first buffer come from a kernel
//! helper, which checks for itself, through [`Scratch`].

use core::ptr::read_volatile;

use aya_ebpf::btf_maps::PerCpuArray;
use aya_ebpf::macros::btf_map;
use monitor_common::load::Window;
use monitor_common::map_size::{SCRATCH_BYTES, SCRATCH_USUAL};

use crate::verifier::{bounded, opaque};

/// Bytes of a frame that are at hand.
pub trait Bytes {
    /// See [`monitor_common::load::Load::window`].
    fn window<const LEN: usize>(&self) -> Option<Checked>;

    /// See [`monitor_common::load::Load::load`].
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Whether a frame of this length has more bytes, which a copy can reach.
    fn is_part_of(&self, frame_len: usize) -> bool;
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
    /// Volatile: otherwise the compiler may load them in the caller of a function and pass them as numbers of 32 bits,
    /// which the verifier does not accept as pointers.
    ///
    /// # Safety
    ///
    /// Both must be fields of the context that the program was called with.
    #[inline(always)]
    pub unsafe fn new(data: *const u32, data_end: *const u32) -> Linear {
        // SAFETY: by contract of the caller.
        unsafe {
            Linear {
                start: read_volatile(data) as usize,
                end: read_volatile(data_end) as usize,
            }
        }
    }

    /// Number of bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.end - self.start
    }
}

impl Linear {
    /// Address of the first byte.
    #[inline(always)]
    pub fn start(&self) -> usize {
        self.start
    }
}

impl Bytes for Linear {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.start + offset;
        // For a single byte the compiler would compare `at` itself, from which verifiers learn nothing.
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

/// The start of a packet that was checked to have as many bytes as its window.
pub struct Checked(usize);

impl<const LEN: usize> Window<LEN> for Checked {
    #[inline(always)]
    fn get<const AT: usize, const N: usize>(&self) -> [u8; N] {
        const { assert!(AT + N <= LEN) };
        // SAFETY: inside the bytes that `Linear::window` has checked; the verifier checks it again.
        unsafe { *((self.0 + AT) as *const [u8; N]) }
    }
}

/// The first bytes of a frame, copied to a map, where the parser may read at any alignment. On the stack the verifier
/// insists on alignment.
pub struct Scratch(*mut Copied);

/// Where each CPU puts the headers of a frame that are not in its first buffer.
#[btf_map]
static SCRATCH: PerCpuArray<Copied, 1> = PerCpuArray::new();

/// An element of [`SCRATCH`].
#[repr(C)]
struct Copied {
    /// Bytes of the frame that follow.
    len: usize,
    bytes: [u8; SCRATCH_BYTES],
}

/// How much of a frame is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Reach {
    /// The headers of nearly every packet: [`SCRATCH_USUAL`] bytes.
    Usual,
    /// Long extension headers of IPv6 as well: [`SCRATCH_BYTES`].
    Whole,
}

impl Scratch {
    /// Fills the scratch of this CPU. `copy` copies a number of bytes there, and returns whether that succeeded.
    #[inline(always)]
    pub fn new(
        frame_len: usize,
        reach: Reach,
        copy: impl FnOnce(*mut u8, u32) -> bool,
    ) -> Option<Scratch> {
        let scratch = SCRATCH.get_ptr_mut(0)?;
        let len = match reach {
            Reach::Usual => bounded::<SCRATCH_USUAL>(frame_len),
            Reach::Whole => bounded::<SCRATCH_BYTES>(frame_len),
        };
        // SAFETY: this CPU's own slot.
        unsafe {
            let copied = copy((&raw mut (*scratch).bytes).cast(), len as u32);
            (*scratch).len = if copied { len } else { 0 };
        }
        Some(Scratch(scratch))
    }

    /// Number of bytes. Read from the map for each use: of a number in a register the verifier remembers all that it was
    /// compared with, and follows the rest of the walk once for each result.
    #[inline(always)]
    fn len(&self) -> usize {
        // SAFETY: this CPU's own slot.
        unsafe { read_volatile(&raw const (*self.0).len) }
    }
}

impl Bytes for Scratch {
    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<Checked> {
        if self.len() < LEN {
            None
        } else {
            // SAFETY: this CPU's own slot.
            Some(Checked(unsafe { &raw const (*self.0).bytes } as usize))
        }
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let offset = opaque(offset);
        if offset > SCRATCH_BYTES - N || offset + N > self.len() {
            return None;
        }
        // SAFETY: inside the scratch of this CPU, as just checked; no other program of ours runs on it.
        Some(unsafe {
            let bytes = (&raw const (*self.0).bytes).cast::<u8>();
            *bytes.add(offset).cast::<[u8; N]>()
        })
    }

    #[inline(always)]
    fn is_part_of(&self, frame_len: usize) -> bool {
        // The walk never reaches beyond the whole scratch.
        self.len() == SCRATCH_USUAL && frame_len > SCRATCH_USUAL
    }
}
