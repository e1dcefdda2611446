//! Socket buffers at TC.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::{__sk_buff, bpf_xfrm_state};
use aya_ebpf::helpers::generated::{bpf_skb_get_xfrm_state, bpf_skb_load_bytes};
use monitor_common::wire::eth;

use super::bytes::Linear;
use super::packet::Hook;

/// A socket buffer's context. Its linear part may end before the headers do.
pub struct Tc(*mut __sk_buff);

impl Hook for Tc {
    type Context = __sk_buff;

    const MAY_BE_PARTIAL: bool = true;
    const MAY_BE_SUPER_PACKET: bool = true;

    #[inline(always)]
    fn new(context: *mut __sk_buff) -> Tc {
        Tc(context)
    }

    #[inline(always)]
    fn linear(&self) -> Linear {
        // SAFETY: the fields of the context.
        unsafe { Linear::new(&raw const (*self.0).data, &raw const (*self.0).data_end) }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: the context pointer is valid for the run of the program; so below.
        unsafe { (*self.0).ifindex }
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        // SAFETY: see above.
        unsafe { (*self.0).len as usize }
    }

    #[inline(always)]
    fn segments(&self) -> (u32, u32) {
        // SAFETY: see above.
        unsafe { ((*self.0).gso_size, (*self.0).gso_segs) }
    }

    #[inline(always)]
    fn tag_len(&self) -> u32 {
        // SAFETY: see above.
        if unsafe { (*self.0).vlan_present } == 0 {
            0
        } else {
            eth::TAG_LEN as u32
        }
    }

    #[inline(always)]
    fn is_decrypted(&self) -> bool {
        let mut state = MaybeUninit::<bpf_xfrm_state>::uninit();
        let len = size_of::<bpf_xfrm_state>() as u32;
        // SAFETY: see above; `len` is the size of the buffer. The helper fails if the packet has no such state.
        unsafe { bpf_skb_get_xfrm_state(self.0, 0, state.as_mut_ptr(), len, 0) == 0 }
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: `to` holds `len` bytes, by contract of the caller.
        unsafe { bpf_skb_load_bytes(self.0.cast(), 0, to.cast(), len) == 0 }
    }

    #[inline(always)]
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: the buffer has N bytes, and is written if the helper returns 0.
        unsafe {
            let to = bytes.as_mut_ptr().cast();
            let failed = bpf_skb_load_bytes(self.0.cast(), offset as u32, to, N as u32) != 0;
            (!failed).then(|| bytes.assume_init())
        }
    }
}
