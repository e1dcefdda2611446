//! The kernel programs of overlay-monitor.
//!
//! Entry points only: each wraps its context, takes the steps that [`observe`] asks for, and passes
//! the packet on. Whatever the packet was, the answer is the same: this product only watches.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

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

use crate::ctx::{Packet, Skb, SkbBytes, Xdp, XdpFrags, XdpFragsBytes};
use crate::observe::{Next, Step};

/// XDP, ingress, for frames that may span several buffers (jumbo MTU; Linux 5.18 and later).
#[xdp(frags)]
pub fn overlay_xdp_frags(ctx: XdpContext) -> u32 {
    let mut next = observe::usual(&XdpFrags::new(&ctx), Direction::Rx);
    if let Step::Walk = next.step() {
        next = xdp_frags_outer(&ctx);
    }
    if let Step::NeedsBytes = next.step() {
        next = xdp_frags_outer_again(&ctx);
    }
    match next.step() {
        Step::Sample => xdp_frags_sample(&ctx, next.reason()),
        Step::Inside => {
            if xdp_frags_inside(&ctx, next.vni(), next.at()) != 0 {
                xdp_frags_inside_again(&ctx, next.vni(), next.at());
            }
        }
        Step::Done | Step::Walk | Step::NeedsBytes => {}
    }
    xdp_action::XDP_PASS
}

/// XDP, ingress, for kernels and devices that know nothing of frames in several buffers. What is not
/// in the one buffer was not on the wire.
#[xdp]
pub fn overlay_xdp(ctx: XdpContext) -> u32 {
    let mut next = observe::usual(&Xdp::new(&ctx), Direction::Rx);
    if let Step::Walk = next.step() {
        next = xdp_outer(&ctx);
    }
    match next.step() {
        Step::Sample => xdp_sample(&ctx, next.reason()),
        Step::Inside => {
            xdp_inside(&ctx, next.vni(), next.at());
        }
        Step::Done | Step::Walk | Step::NeedsBytes => {}
    }
    xdp_action::XDP_PASS
}

/// TC, ingress.
#[classifier]
pub fn overlay_tc_ingress(ctx: TcContext) -> i32 {
    skb(&ctx, Direction::Rx)
}

/// TC, egress.
#[classifier]
pub fn overlay_tc_egress(ctx: TcContext) -> i32 {
    skb(&ctx, Direction::Tx)
}

#[inline(always)]
fn skb(ctx: &TcContext, direction: Direction) -> i32 {
    let mut next = observe::usual(&Skb::new(ctx), direction);
    if let Step::Walk = next.step() {
        next = skb_outer(ctx, direction);
    }
    if let Step::NeedsBytes = next.step() {
        next = skb_outer_again(ctx, direction);
    }
    match next.step() {
        Step::Sample => skb_sample(ctx, direction, next.reason()),
        Step::Inside => {
            if skb_inside(ctx, direction, next.vni(), next.at()) != 0 {
                skb_inside_again(ctx, direction, next.vni(), next.at());
            }
        }
        Step::Done | Step::Walk | Step::NeedsBytes => {}
    }
    TC_ACT_UNSPEC
}

// Functions of their own in the kernel, each with its own frame on the stack.

#[inline(never)]
fn skb_outer(ctx: &TcContext, direction: Direction) -> Next {
    observe::outer(&Skb::new(ctx), direction)
}

#[inline(never)]
fn skb_outer_again(ctx: &TcContext, direction: Direction) -> Next {
    observe::outer(&SkbBytes::new(ctx), direction)
}

#[inline(never)]
fn skb_sample(ctx: &TcContext, direction: Direction, reason: u8) {
    observe::whole(&Skb::new(ctx), direction, reason);
}

#[inline(never)]
fn skb_inside(ctx: &TcContext, direction: Direction, vni: u32, at: usize) -> u32 {
    inside(&Skb::new(ctx), direction, vni, at)
}

#[inline(never)]
fn skb_inside_again(ctx: &TcContext, direction: Direction, vni: u32, at: usize) -> u32 {
    inside(&SkbBytes::new(ctx), direction, vni, at)
}

#[inline(never)]
fn xdp_outer(ctx: &XdpContext) -> Next {
    observe::outer(&Xdp::new(ctx), Direction::Rx)
}

#[inline(never)]
fn xdp_sample(ctx: &XdpContext, reason: u8) {
    observe::whole(&Xdp::new(ctx), Direction::Rx, reason);
}

#[inline(never)]
fn xdp_inside(ctx: &XdpContext, vni: u32, at: usize) -> u32 {
    inside(&Xdp::new(ctx), Direction::Rx, vni, at)
}

#[inline(never)]
fn xdp_frags_outer(ctx: &XdpContext) -> Next {
    observe::outer(&XdpFrags::new(ctx), Direction::Rx)
}

#[inline(never)]
fn xdp_frags_outer_again(ctx: &XdpContext) -> Next {
    observe::outer(&XdpFragsBytes::new(ctx), Direction::Rx)
}

#[inline(never)]
fn xdp_frags_sample(ctx: &XdpContext, reason: u8) {
    observe::whole(&XdpFrags::new(ctx), Direction::Rx, reason);
}

#[inline(never)]
fn xdp_frags_inside(ctx: &XdpContext, vni: u32, at: usize) -> u32 {
    inside(&XdpFrags::new(ctx), Direction::Rx, vni, at)
}

#[inline(never)]
fn xdp_frags_inside_again(ctx: &XdpContext, vni: u32, at: usize) -> u32 {
    inside(&XdpFragsBytes::new(ctx), Direction::Rx, vni, at)
}

#[inline(always)]
fn inside<P: Packet>(packet: &P, direction: Direction, vni: u32, at: usize) -> u32 {
    u32::from(observe::inside(packet, direction, vni, at))
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: nothing in this crate panics, and the verifier would refuse a program that could.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
