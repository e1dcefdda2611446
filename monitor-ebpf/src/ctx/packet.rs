//! A packet at a hook: the hook's context, and the bytes at hand.

use monitor_common::load::{Load, Window};

use super::bytes::{Bytes, Linear, Reach, Scratch};
use crate::verifier::{OFFSET, forgotten};

/// A packet at a hook.
pub trait Packet: Load {
    /// Index of the interface that it crosses.
    fn ifindex(&self) -> u32;

    /// Whether the frame has bytes that [`Load::load`] cannot reach.
    fn is_partial(&self) -> bool;

    /// The packets of the wire that it stands for: payload bytes of each, and their number, 0 if unknown. `(0, 0)` for
    /// a single packet.
    fn segments(&self) -> (u32, u32);

    /// Bytes of a VLAN tag that is on the wire and not in the frame.
    fn tag_len(&self) -> u32;

    /// Whether IPsec has decrypted it, so that it is not a packet of the wire.
    fn is_decrypted(&self) -> bool;

    /// Copies the first `len` bytes of the frame to `to`; whether that succeeded.
    ///
    /// # Safety
    ///
    /// `to` must be valid for `len` bytes, and `len` bounded in a way that the verifier can follow.
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool;
}

/// A kind of hook: what its context says of a frame.
pub trait Hook {
    /// What the kernel calls the program with.
    type Context;

    /// Whether a frame may have bytes that its linear part lacks.
    const MAY_BE_PARTIAL: bool;

    /// Whether a frame may stand for several packets of the wire.
    const MAY_BE_SUPER_PACKET: bool;

    /// The hook of this context, which must be what the program was called with.
    fn new(context: *mut Self::Context) -> Self;

    /// The bytes of the frame that can be read through a pointer.
    fn linear(&self) -> Linear;

    /// See [`Packet::ifindex`].
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
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool;

    /// See [`Load::far`].
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

/// A packet: its hook, and those of its bytes that are at hand.
pub struct View<H, B> {
    hook: H,
    bytes: B,
}

impl<H: Hook> View<H, Linear> {
    /// The packet of a context, by its linear part.
    #[inline(always)]
    pub fn linear(context: *mut H::Context) -> Option<View<H, Linear>> {
        let hook = H::new(context);
        Some(View {
            bytes: hook.linear(),
            hook,
        })
    }
}

impl<H: Hook> View<H, Scratch> {
    /// The packet of a context, by a copy of its first bytes, which reaches into every buffer.
    #[inline(always)]
    pub fn copied(context: *mut H::Context, reach: Reach) -> Option<View<H, Scratch>> {
        let hook = H::new(context);
        // SAFETY: the scratch holds as many bytes as it asks for.
        let bytes = Scratch::new(hook.frame_len(), reach, |to, len| unsafe {
            hook.copy(to, len)
        })?;
        Some(View { hook, bytes })
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

    #[inline(always)]
    fn at(&self, offset: usize) -> usize {
        forgotten(offset) & OFFSET
    }
}

impl<H: Hook, B: Bytes> Packet for View<H, B> {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.hook.ifindex()
    }

    #[inline(always)]
    fn is_partial(&self) -> bool {
        H::MAY_BE_PARTIAL && self.bytes.is_part_of(self.hook.frame_len())
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
