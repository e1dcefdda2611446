//! Frames at XDP: as they came from the wire, each one packet, with its VLAN tags, and not decrypted. (Generic XDP gets
//! frames that the device driver has merged, and the kernel provides no field for it.)

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
};

use super::bytes::{Bytes, Linear};
use super::packet::Hook;
use crate::verifier::opaque;

/// Offset up to which [`OneBuffer`] reads: no buffer is as long.
const FAR_MAX: usize = 0x7fff;

/// A frame that is all in one buffer.
pub struct OneBuffer {
    context: *mut xdp_md,
    linear: Linear,
}

/// A frame that may span several buffers (Linux 5.18 and later).
pub struct Buffers(*mut xdp_md);

#[inline(always)]
fn linear(context: *mut xdp_md) -> Linear {
    // SAFETY: the fields of the context.
    unsafe { Linear::new(&raw const (*context).data, &raw const (*context).data_end) }
}

#[inline(always)]
fn ifindex(context: *mut xdp_md) -> u32 {
    // SAFETY: the context pointer is valid for the run of the program.
    unsafe { (*context).ingress_ifindex }
}

/// What is the same for every frame at XDP.
macro_rules! as_on_the_wire {
    () => {
        type Context = xdp_md;

        const MAY_BE_SUPER_PACKET: bool = false;

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
    as_on_the_wire!();

    const MAY_BE_PARTIAL: bool = false;

    #[inline(always)]
    fn new(context: *mut xdp_md) -> OneBuffer {
        OneBuffer {
            context,
            linear: linear(context),
        }
    }

    #[inline(always)]
    fn linear(&self) -> Linear {
        self.linear
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        ifindex(self.context)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.linear.len()
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // Not `bpf_xdp_load_bytes`, which came with Linux 5.18.
        // SAFETY: `to` holds `len` bytes, by contract of the caller. The helper checks the source, which is the
        // packet if `len` is at most its length.
        unsafe { bpf_probe_read_kernel(to.cast(), len, self.linear.start() as *const c_void) == 0 }
    }

    #[inline(always)]
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        // Bounded far below 65,535, where verifiers give up on a packet offset.
        let offset = opaque(offset);
        if offset > FAR_MAX {
            return None;
        }
        self.linear.load(offset)
    }
}

impl Hook for Buffers {
    as_on_the_wire!();

    const MAY_BE_PARTIAL: bool = true;

    #[inline(always)]
    fn new(context: *mut xdp_md) -> Buffers {
        Buffers(context)
    }

    #[inline(always)]
    fn linear(&self) -> Linear {
        linear(self.0)
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        ifindex(self.0)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        // SAFETY: the context pointer is valid for the run of the program.
        unsafe { bpf_xdp_get_buff_len(self.0) as usize }
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: `to` holds `len` bytes, by contract of the caller.
        unsafe { bpf_xdp_load_bytes(self.0, 0, to.cast(), len) == 0 }
    }

    #[inline(always)]
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: the buffer has N bytes, and is written if the helper returns 0.
        unsafe {
            let to = bytes.as_mut_ptr().cast();
            let failed = bpf_xdp_load_bytes(self.0, offset as u32, to, N as u32) != 0;
            (!failed).then(|| bytes.assume_init())
        }
    }
}
