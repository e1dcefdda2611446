//! Socket buffers at TC.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::{__sk_buff, bpf_xfrm_state};
use aya_ebpf::helpers::generated::{bpf_skb_get_xfrm_state, bpf_skb_load_bytes};
use aya_ebpf::programs::TcContext;
use monitor_common::load::{Load, Window};
use monitor_common::wire::eth;

use super::{Linear, Packet, Scratch};

/// A socket buffer at TC, by its linear part.
pub struct Skb {
    skb: *mut __sk_buff,
    linear: Linear,
}

impl Skb {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: &TcContext) -> Skb {
        let skb = ctx.skb.skb;
        // SAFETY: the fields of this context.
        let linear = unsafe { Linear::new(&raw const (*skb).data, &raw const (*skb).data_end) };
        Skb { skb, linear }
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
    fn segments(&self) -> (u32, u32) {
        skb_segments(self.skb)
    }

    #[inline(always)]
    fn tag_len(&self) -> u32 {
        skb_tag_len(self.skb)
    }

    #[inline(always)]
    fn is_decrypted(&self) -> bool {
        skb_is_decrypted(self.skb)
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
    fn segments(&self) -> (u32, u32) {
        skb_segments(self.skb)
    }

    #[inline(always)]
    fn tag_len(&self) -> u32 {
        skb_tag_len(self.skb)
    }

    #[inline(always)]
    fn is_decrypted(&self) -> bool {
        skb_is_decrypted(self.skb)
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
fn skb_segments(skb: *mut __sk_buff) -> (u32, u32) {
    // SAFETY: the context pointer is valid for the run of the program.
    unsafe { ((*skb).gso_size, (*skb).gso_segs) }
}

#[inline(always)]
fn skb_tag_len(skb: *mut __sk_buff) -> u32 {
    // SAFETY: the context pointer is valid for the run of the program.
    if unsafe { (*skb).vlan_present } == 0 {
        0
    } else {
        eth::TAG_LEN as u32
    }
}

#[inline(always)]
fn skb_is_decrypted(skb: *mut __sk_buff) -> bool {
    let mut state = MaybeUninit::<bpf_xfrm_state>::uninit();
    let len = size_of::<bpf_xfrm_state>() as u32;
    // SAFETY: the context pointer is valid for the run of the program, and the buffer is as long as
    // said. It fails where the packet has no such state.
    unsafe { bpf_skb_get_xfrm_state(skb, 0, state.as_mut_ptr(), len, 0) == 0 }
}

#[inline(always)]
unsafe fn skb_copy(skb: *mut __sk_buff, to: *mut u8, len: u32) -> bool {
    // SAFETY: `to` holds `len` bytes, by contract of the caller.
    unsafe { bpf_skb_load_bytes(skb.cast(), 0, to.cast(), len) == 0 }
}
