//! Frames at XDP: as they came from the wire, each one packet, with its tags, and not decrypted. (Generic
//! XDP sees what a device of the same host has joined, and nobody tells it.)

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
};
use aya_ebpf::programs::XdpContext;

use super::{Bytes, Hook, Linear, Scratch, View, opaque};

/// Bytes of a frame in one buffer that can be read anywhere: no buffer is as long.
const FAR_MAX: usize = 0x7fff;

/// The context of a frame that is all in one buffer.
pub struct OneBuffer(*mut xdp_md, Linear);
/// The context of a frame that may span several buffers.
pub struct Buffers(*mut xdp_md);

/// A frame that is all in one buffer.
pub type Xdp = View<OneBuffer, Linear>;
/// A frame that may span several buffers, by its first one.
pub type XdpFrags = View<Buffers, Linear>;
/// A frame that spans several buffers, by a copy that reaches into them.
pub type XdpFragsBytes = View<Buffers, Scratch>;

impl Xdp {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> Xdp {
        let bytes = linear(ctx);
        View {
            hook: OneBuffer(ctx.ctx, bytes),
            bytes,
        }
    }
}

impl XdpFrags {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> XdpFrags {
        View {
            hook: Buffers(ctx.ctx),
            bytes: linear(ctx),
        }
    }
}

impl XdpFragsBytes {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> XdpFragsBytes {
        View::copied(Buffers(ctx.ctx))
    }
}

#[inline(always)]
fn linear(ctx: &XdpContext) -> Linear {
    let md = ctx.ctx;
    // SAFETY: the fields of this context.
    unsafe { Linear::new(&raw const (*md).data, &raw const (*md).data_end) }
}

#[inline(always)]
fn ifindex(md: *mut xdp_md) -> u32 {
    // SAFETY: the context pointer is valid for the run of the program.
    unsafe { (*md).ingress_ifindex }
}

/// What XDP knows of no frame.
macro_rules! as_on_the_wire {
    () => {
        #[inline(always)]
        fn segments(&self) -> (u32, u32) {
            (0, 0)
        }

        #[inline(always)]
        fn tag_len(&self) -> u32 {
            0
        }

        #[inline(always)]
        fn is_decrypted(&self) -> bool {
            false
        }
    };
}

impl Hook for OneBuffer {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        ifindex(self.0)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.1.len()
    }

    as_on_the_wire!();

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // `bpf_xdp_load_bytes` came with 5.18; this one is in every kernel that we support.
        // SAFETY: `to` holds `len` bytes, by contract of the caller; the source is checked by the
        // helper, and is the packet as long as `len` is at most its length.
        unsafe { bpf_probe_read_kernel(to.cast(), len, self.1.start as *const c_void) == 0 }
    }

    #[inline(always)]
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        // Bounded far below 65,535, where verifiers give up on a packet offset.
        let offset = opaque(offset);
        if offset > FAR_MAX {
            return None;
        }
        self.1.load(offset)
    }
}

impl Hook for Buffers {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        ifindex(self.0)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        // SAFETY: the context pointer is valid for the run of the program.
        unsafe { bpf_xdp_get_buff_len(self.0) as usize }
    }

    as_on_the_wire!();

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: `to` holds `len` bytes, by contract of the caller.
        unsafe { bpf_xdp_load_bytes(self.0, 0, to.cast(), len) == 0 }
    }

    #[inline(always)]
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: the buffer is as long as said; it is written where the helper answers 0.
        unsafe {
            let to = bytes.as_mut_ptr().cast();
            let failed = bpf_xdp_load_bytes(self.0, offset as u32, to, N as u32) != 0;
            (!failed).then(|| bytes.assume_init())
        }
    }
}
