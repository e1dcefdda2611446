//! The only pointer code: packets as the hooks hand them over.
//!
//! [`Linear`] holds the bounds checks in front of a packet pointer. What lies beyond the first
//! buffer comes by a kernel helper, which checks for itself, through [`Scratch`].

use core::arch::asm;
use core::ffi::c_void;

use aya_ebpf::bindings::{__sk_buff, xdp_md};
use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
};
use aya_ebpf::programs::{TcContext, XdpContext};
use monitor_common::load::{Load, Window};

use crate::maps::{SCRATCH, SCRATCH_LEN};

/// A packet at a hook.
pub trait Packet: Load {
    /// Interface that it crosses.
    fn ifindex(&self) -> u32;

    /// Whether bytes of the frame exist that [`Load::load`] cannot reach.
    fn is_partial(&self) -> bool;

    /// Copies the first `len` bytes of the frame to `to`; whether that worked.
    ///
    /// # Safety
    ///
    /// `to` must be valid for `len` bytes, and `len` bounded in a way that the verifier can see.
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool;
}

/// The part of a frame between `data` and `data_end`.
struct Linear {
    start: usize,
    end: usize,
}

impl Linear {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.start + offset;
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
    fn len(&self) -> usize {
        self.end - self.start
    }
}

/// The start of a packet, of which so much was checked to be there as its window says.
struct Checked(usize);

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
struct Scratch {
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
}

/// The same number, of which the compiler knows nothing any more.
///
/// What it knows makes it drop a check as implied by another, or check one register and use another.
/// Both are right, and the verifier follows neither.
#[inline(always)]
fn opaque(mut number: usize) -> usize {
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

/// A socket buffer at TC, by its linear part.
pub struct Skb {
    skb: *mut __sk_buff,
    linear: Linear,
}

impl Skb {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &TcContext) -> Skb {
        Skb {
            skb: ctx.skb.skb,
            linear: Linear {
                start: ctx.data(),
                end: ctx.data_end(),
            },
        }
    }
}

impl Load for Skb {
    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>> {
        self.linear.window::<LEN>()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.linear.load(offset)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        skb_len(self.skb)
    }
}

impl Packet for Skb {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        skb_ifindex(self.skb)
    }

    #[inline(always)]
    fn is_partial(&self) -> bool {
        self.linear.len() < self.frame_len()
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: passed on from the caller.
        unsafe { skb_copy(self.skb, to, len) }
    }
}

/// A socket buffer at TC, by a copy that also reaches into its fragments.
pub struct SkbBytes {
    skb: *mut __sk_buff,
    scratch: Scratch,
}

impl SkbBytes {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &TcContext) -> SkbBytes {
        let skb = ctx.skb.skb;
        // SAFETY: the scratch holds as many bytes as are asked for.
        let scratch = Scratch::new(skb_len(skb), |to, len| unsafe { skb_copy(skb, to, len) });
        SkbBytes { skb, scratch }
    }
}

impl Load for SkbBytes {
    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>> {
        self.scratch.window::<LEN>()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.scratch.load(offset)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        skb_len(self.skb)
    }
}

impl Packet for SkbBytes {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        skb_ifindex(self.skb)
    }

    #[inline(always)]
    fn is_partial(&self) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: passed on from the caller.
        unsafe { skb_copy(self.skb, to, len) }
    }
}

#[inline(always)]
fn skb_len(skb: *mut __sk_buff) -> usize {
    // SAFETY: the context pointer is valid for the run of the program.
    unsafe { (*skb).len as usize }
}

#[inline(always)]
fn skb_ifindex(skb: *mut __sk_buff) -> u32 {
    // SAFETY: the context pointer is valid for the run of the program.
    unsafe { (*skb).ifindex }
}

#[inline(always)]
unsafe fn skb_copy(skb: *mut __sk_buff, to: *mut u8, len: u32) -> bool {
    // SAFETY: `to` holds `len` bytes, by contract of the caller.
    unsafe { bpf_skb_load_bytes(skb.cast(), 0, to.cast(), len) == 0 }
}

/// A frame at XDP that is all in one buffer.
pub struct Xdp {
    md: *mut xdp_md,
    linear: Linear,
}

impl Xdp {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> Xdp {
        Xdp {
            md: ctx.ctx,
            linear: Linear {
                start: ctx.data(),
                end: ctx.data_end(),
            },
        }
    }
}

impl Load for Xdp {
    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>> {
        self.linear.window::<LEN>()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.linear.load(offset)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.linear.len()
    }
}

impl Packet for Xdp {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        xdp_ifindex(self.md)
    }

    #[inline(always)]
    fn is_partial(&self) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // `bpf_xdp_load_bytes` came with 5.18; this one is in every kernel that we support.
        // SAFETY: `to` holds `len` bytes, by contract of the caller; the source is checked by the
        // helper, and is the packet as long as `len` is at most its length.
        unsafe { bpf_probe_read_kernel(to.cast(), len, self.linear.start as *const c_void) == 0 }
    }
}

/// A frame at XDP that may span several buffers, by its first one.
pub struct XdpFrags {
    md: *mut xdp_md,
    linear: Linear,
}

impl XdpFrags {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> XdpFrags {
        XdpFrags {
            md: ctx.ctx,
            linear: Linear {
                start: ctx.data(),
                end: ctx.data_end(),
            },
        }
    }
}

impl Load for XdpFrags {
    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>> {
        self.linear.window::<LEN>()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.linear.load(offset)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        xdp_len(self.md)
    }
}

impl Packet for XdpFrags {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        xdp_ifindex(self.md)
    }

    #[inline(always)]
    fn is_partial(&self) -> bool {
        self.linear.len() < self.frame_len()
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: passed on from the caller.
        unsafe { xdp_copy(self.md, to, len) }
    }
}

/// A frame at XDP that spans several buffers, by a copy that reaches into them.
pub struct XdpFragsBytes {
    md: *mut xdp_md,
    scratch: Scratch,
}

impl XdpFragsBytes {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> XdpFragsBytes {
        let md = ctx.ctx;
        // SAFETY: the scratch holds as many bytes as are asked for.
        let scratch = Scratch::new(xdp_len(md), |to, len| unsafe { xdp_copy(md, to, len) });
        XdpFragsBytes { md, scratch }
    }
}

impl Load for XdpFragsBytes {
    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>> {
        self.scratch.window::<LEN>()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.scratch.load(offset)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        xdp_len(self.md)
    }
}

impl Packet for XdpFragsBytes {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        xdp_ifindex(self.md)
    }

    #[inline(always)]
    fn is_partial(&self) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: passed on from the caller.
        unsafe { xdp_copy(self.md, to, len) }
    }
}

#[inline(always)]
fn xdp_len(md: *mut xdp_md) -> usize {
    // SAFETY: the context pointer is valid for the run of the program.
    unsafe { bpf_xdp_get_buff_len(md) as usize }
}

#[inline(always)]
fn xdp_ifindex(md: *mut xdp_md) -> u32 {
    // SAFETY: the context pointer is valid for the run of the program.
    unsafe { (*md).ingress_ifindex }
}

#[inline(always)]
unsafe fn xdp_copy(md: *mut xdp_md, to: *mut u8, len: u32) -> bool {
    // SAFETY: `to` holds `len` bytes, by contract of the caller.
    unsafe { bpf_xdp_load_bytes(md, 0, to.cast(), len) == 0 }
}
