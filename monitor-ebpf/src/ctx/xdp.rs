//! Frames at XDP.

use core::ffi::c_void;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
};
use aya_ebpf::programs::XdpContext;
use monitor_common::load::{Load, Window};

use super::{Linear, Packet, Scratch};

/// At XDP a frame is as it came from the wire: one packet, with its tags, and not decrypted. (Generic XDP
/// sees what a device of the same host has joined, and nobody tells it.)
const WIRE: ((u32, u32), u32, bool) = ((0, 0), 0, false);

/// A frame at XDP that is all in one buffer.
pub struct Xdp {
    md: *mut xdp_md,
    linear: Linear,
}

impl Xdp {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> Xdp {
        let md = ctx.ctx;
        // SAFETY: the fields of this context.
        let linear = unsafe { Linear::new(&raw const (*md).data, &raw const (*md).data_end) };
        Xdp { md, linear }
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
    fn segments(&self) -> (u32, u32) {
        WIRE.0
    }

    #[inline(always)]
    fn tag_len(&self) -> u32 {
        WIRE.1
    }

    #[inline(always)]
    fn is_decrypted(&self) -> bool {
        WIRE.2
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
        let md = ctx.ctx;
        // SAFETY: the fields of this context.
        let linear = unsafe { Linear::new(&raw const (*md).data, &raw const (*md).data_end) };
        XdpFrags { md, linear }
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
    fn segments(&self) -> (u32, u32) {
        WIRE.0
    }

    #[inline(always)]
    fn tag_len(&self) -> u32 {
        WIRE.1
    }

    #[inline(always)]
    fn is_decrypted(&self) -> bool {
        WIRE.2
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
    fn segments(&self) -> (u32, u32) {
        WIRE.0
    }

    #[inline(always)]
    fn tag_len(&self) -> u32 {
        WIRE.1
    }

    #[inline(always)]
    fn is_decrypted(&self) -> bool {
        WIRE.2
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
