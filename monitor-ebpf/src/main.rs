//! The kernel programs of overlay-monitor.
//!
//! Entry points only: each wraps its context, lets [`observe`] count and sample, and passes the
//! packet on. Whatever the packet was, the answer is the same: this product only watches.
#![no_std]
#![no_main]

mod count;
mod ctx;
mod maps;
mod observe;
mod sample;
mod settings;

use aya_ebpf::bindings::{TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use monitor_common::label::Direction;

use crate::ctx::{Skb, SkbBytes, Xdp, XdpFrags, XdpFragsBytes};
use crate::observe::{Seen, observe};

/// XDP, ingress, for frames that may span several buffers (jumbo MTU; Linux 5.18 and later).
#[xdp(frags)]
pub fn overlay_xdp_frags(ctx: XdpContext) -> u32 {
    match observe(&XdpFrags::new(&ctx), Direction::Rx) {
        Seen::Whole => xdp_action::XDP_PASS,
        Seen::NeedsBytes => again_xdp(&ctx),
    }
}

/// XDP, ingress, for kernels and devices that know nothing of frames in several buffers.
#[xdp]
pub fn overlay_xdp(ctx: XdpContext) -> u32 {
    match observe(&Xdp::new(&ctx), Direction::Rx) {
        // Such a frame is in one buffer: what is not there now was not on the wire.
        Seen::Whole | Seen::NeedsBytes => xdp_action::XDP_PASS,
    }
}

/// TC, ingress.
#[classifier]
pub fn overlay_tc_ingress(ctx: TcContext) -> i32 {
    match observe(&Skb::new(&ctx), Direction::Rx) {
        Seen::Whole => TC_ACT_UNSPEC,
        Seen::NeedsBytes => again_skb(&ctx, Direction::Rx),
    }
}

/// TC, egress.
#[classifier]
pub fn overlay_tc_egress(ctx: TcContext) -> i32 {
    match observe(&Skb::new(&ctx), Direction::Tx) {
        Seen::Whole => TC_ACT_UNSPEC,
        Seen::NeedsBytes => again_skb(&ctx, Direction::Tx),
    }
}

/// The headers are not all in the first buffer: walk again through the helper that reaches them.
#[inline(never)]
fn again_skb(ctx: &TcContext, direction: Direction) -> i32 {
    match observe(&SkbBytes::new(ctx), direction) {
        Seen::Whole | Seen::NeedsBytes => TC_ACT_UNSPEC,
    }
}

/// As [`again_skb`], for XDP.
#[inline(never)]
fn again_xdp(ctx: &XdpContext) -> u32 {
    match observe(&XdpFragsBytes::new(ctx), Direction::Rx) {
        Seen::Whole | Seen::NeedsBytes => xdp_action::XDP_PASS,
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: nothing in this crate panics, and the verifier would refuse a program that could.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
