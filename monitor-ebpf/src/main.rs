//! The kernel programs of overlay-monitor.
//!
//! Entry points only: each wraps its context, takes the steps that [`observe`] asks for, and passes
//! the packet on. Whatever the packet was, the answer is the same: this product only watches.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod count;
mod ctx;
mod exposure;
mod fragment;
mod judge;
mod maps;
mod observe;
mod policy;
mod sample;
mod settings;
mod walked;
mod weight;
mod xfrm;

use aya_ebpf::bindings::{TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::macros::{classifier, fentry, fexit, xdp};
use aya_ebpf::programs::{FEntryContext, FExitContext, TcContext, XdpContext};
use monitor_common::label::Direction;
use monitor_common::walk::Link;

use crate::ctx::{Packet, Skb, SkbBytes, Xdp, XdpFrags, XdpFragsBytes};
use crate::observe::Step;

/// XDP, ingress, for frames that may span several buffers (jumbo MTU; Linux 5.18 and later).
#[xdp(frags)]
pub fn overlay_xdp_frags(ctx: XdpContext) -> u32 {
    let mut next = observe::usual(&XdpFrags::new(&ctx), Direction::Rx);
    if let Step::Walk = next {
        next = xdp_frags_network(&ctx);
        if let Step::NeedsBytes = next {
            next = xdp_frags_network_again(&ctx);
        }
    }
    if let Step::Outer = next {
        next = xdp_frags_outer(&ctx);
        if let Step::NeedsBytes = next {
            next = xdp_frags_outer_again(&ctx);
        }
    }
    if let Step::Null = next {
        next = xdp_frags_null(&ctx);
    }
    if let Step::Count = next {
        next = xdp_frags_count(&ctx);
    }
    if let Step::Inside = next {
        let mut inside = xdp_frags_inside(&ctx);
        if let Step::NeedsBytes = inside {
            inside = xdp_frags_inside_again(&ctx);
        }
        if let Step::Flow = inside
            && let Step::NeedsBytes = xdp_frags_flow(&ctx)
        {
            xdp_frags_flow_again(&ctx);
        }
        next = xdp_frags_judge(&ctx);
    }
    if let Step::Sample = next {
        xdp_frags_sample(&ctx);
    }
    xdp_action::XDP_PASS
}

/// XDP, ingress, for kernels and devices that know nothing of frames in several buffers. What is not
/// in the one buffer was not on the wire.
#[xdp]
pub fn overlay_xdp(ctx: XdpContext) -> u32 {
    let mut next = observe::usual(&Xdp::new(&ctx), Direction::Rx);
    if let Step::Walk = next {
        next = xdp_network(&ctx);
    }
    if let Step::Outer = next {
        next = xdp_outer(&ctx);
    }
    if let Step::Null = next {
        next = xdp_null(&ctx);
    }
    if let Step::Count = next {
        next = xdp_count(&ctx);
    }
    if let Step::Inside = next {
        if let Step::Flow = xdp_inside(&ctx) {
            xdp_flow(&ctx);
        }
        next = xdp_judge(&ctx);
    }
    if let Step::Sample = next {
        xdp_sample(&ctx);
    }
    xdp_action::XDP_PASS
}

/// TC, ingress.
#[classifier]
pub fn overlay_tc_ingress(ctx: TcContext) -> i32 {
    skb(&ctx, Direction::Rx, Link::Ethernet)
}

/// TC, egress.
#[classifier]
pub fn overlay_tc_egress(ctx: TcContext) -> i32 {
    skb(&ctx, Direction::Tx, Link::Ethernet)
}

/// TC, ingress, of an interface without a link header (tun, ipip, …).
#[classifier]
pub fn overlay_tc_ingress_ip(ctx: TcContext) -> i32 {
    skb(&ctx, Direction::Rx, Link::Ip)
}

/// TC, egress, of an interface without a link header.
#[classifier]
pub fn overlay_tc_egress_ip(ctx: TcContext) -> i32 {
    skb(&ctx, Direction::Tx, Link::Ip)
}

#[inline(always)]
fn skb(ctx: &TcContext, direction: Direction, link: Link) -> i32 {
    let mut next = match link {
        Link::Ethernet => observe::usual(&Skb::new(ctx), direction),
        Link::Ip | Link::Other => Step::Walk,
    };
    if let Step::Walk = next {
        next = skb_network(ctx, link);
        if let Step::NeedsBytes = next {
            next = skb_network_again(ctx, link);
        }
    }
    if let Step::Outer = next {
        next = skb_outer(ctx);
        if let Step::NeedsBytes = next {
            next = skb_outer_again(ctx);
        }
    }
    if let Step::Null = next {
        next = skb_null(ctx);
    }
    if let Step::Count = next {
        skb_segment(ctx);
        next = skb_count(ctx, direction);
    }
    if let Step::Inside = next {
        let mut inside = skb_inside(ctx);
        if let Step::NeedsBytes = inside {
            inside = skb_inside_again(ctx);
        }
        if let Step::Flow = inside
            && let Step::NeedsBytes = skb_flow(ctx)
        {
            skb_flow_again(ctx);
        }
        next = skb_judge(ctx, direction);
    }
    if let Step::Sample = next {
        skb_sample(ctx, direction);
    }
    TC_ACT_UNSPEC
}

// Functions of their own in the kernel, each with its own frame on the stack. What one hands to the
// next is in `WALKED`, of which the verifier assumes nothing: so each is verified once, not once for
// every way that leads to it.

#[inline(never)]
fn skb_network(ctx: &TcContext, link: Link) -> Step {
    observe::network(&Skb::new(ctx), link)
}

#[inline(never)]
fn skb_network_again(ctx: &TcContext, link: Link) -> Step {
    observe::network(&SkbBytes::new(ctx), link)
}

#[inline(never)]
fn skb_outer(ctx: &TcContext) -> Step {
    observe::outer(&Skb::new(ctx))
}

#[inline(never)]
fn skb_outer_again(ctx: &TcContext) -> Step {
    observe::outer(&SkbBytes::new(ctx))
}

#[inline(never)]
fn skb_segment(ctx: &TcContext) {
    // Most frames are single packets, and need no copy.
    if Skb::new(ctx).segments().0 != 0 {
        weight::segment_headers(&SkbBytes::new(ctx));
    }
}

#[inline(never)]
fn skb_null(ctx: &TcContext) -> Step {
    observe::null(&Skb::new(ctx))
}

#[inline(never)]
fn skb_count(ctx: &TcContext, direction: Direction) -> Step {
    observe::count(&Skb::new(ctx), direction)
}

#[inline(never)]
fn skb_inside(ctx: &TcContext) -> Step {
    observe::inside(&Skb::new(ctx))
}

#[inline(never)]
fn skb_inside_again(ctx: &TcContext) -> Step {
    observe::inside(&SkbBytes::new(ctx))
}

#[inline(never)]
fn skb_flow(ctx: &TcContext) -> Step {
    observe::flow(&Skb::new(ctx))
}

#[inline(never)]
fn skb_flow_again(ctx: &TcContext) {
    observe::flow(&SkbBytes::new(ctx));
}

#[inline(never)]
fn skb_judge(ctx: &TcContext, direction: Direction) -> Step {
    judge::flow(&Skb::new(ctx), direction)
}

#[inline(never)]
fn skb_sample(ctx: &TcContext, direction: Direction) {
    sample::take(&Skb::new(ctx), direction);
}

#[inline(never)]
fn xdp_network(ctx: &XdpContext) -> Step {
    observe::network(&Xdp::new(ctx), Link::Ethernet)
}

#[inline(never)]
fn xdp_outer(ctx: &XdpContext) -> Step {
    observe::outer(&Xdp::new(ctx))
}

#[inline(never)]
fn xdp_null(ctx: &XdpContext) -> Step {
    observe::null(&Xdp::new(ctx))
}

#[inline(never)]
fn xdp_count(ctx: &XdpContext) -> Step {
    observe::count(&Xdp::new(ctx), Direction::Rx)
}

#[inline(never)]
fn xdp_inside(ctx: &XdpContext) -> Step {
    observe::inside(&Xdp::new(ctx))
}

#[inline(never)]
fn xdp_flow(ctx: &XdpContext) {
    observe::flow(&Xdp::new(ctx));
}

#[inline(never)]
fn xdp_judge(ctx: &XdpContext) -> Step {
    judge::flow(&Xdp::new(ctx), Direction::Rx)
}

#[inline(never)]
fn xdp_sample(ctx: &XdpContext) {
    sample::take(&Xdp::new(ctx), Direction::Rx);
}

#[inline(never)]
fn xdp_frags_network(ctx: &XdpContext) -> Step {
    observe::network(&XdpFrags::new(ctx), Link::Ethernet)
}

#[inline(never)]
fn xdp_frags_network_again(ctx: &XdpContext) -> Step {
    observe::network(&XdpFragsBytes::new(ctx), Link::Ethernet)
}

#[inline(never)]
fn xdp_frags_outer(ctx: &XdpContext) -> Step {
    observe::outer(&XdpFrags::new(ctx))
}

#[inline(never)]
fn xdp_frags_outer_again(ctx: &XdpContext) -> Step {
    observe::outer(&XdpFragsBytes::new(ctx))
}

#[inline(never)]
fn xdp_frags_null(ctx: &XdpContext) -> Step {
    observe::null(&XdpFrags::new(ctx))
}

#[inline(never)]
fn xdp_frags_count(ctx: &XdpContext) -> Step {
    observe::count(&XdpFrags::new(ctx), Direction::Rx)
}

#[inline(never)]
fn xdp_frags_inside(ctx: &XdpContext) -> Step {
    observe::inside(&XdpFrags::new(ctx))
}

#[inline(never)]
fn xdp_frags_inside_again(ctx: &XdpContext) -> Step {
    observe::inside(&XdpFragsBytes::new(ctx))
}

#[inline(never)]
fn xdp_frags_flow(ctx: &XdpContext) -> Step {
    observe::flow(&XdpFrags::new(ctx))
}

#[inline(never)]
fn xdp_frags_flow_again(ctx: &XdpContext) {
    observe::flow(&XdpFragsBytes::new(ctx));
}

#[inline(never)]
fn xdp_frags_judge(ctx: &XdpContext) -> Step {
    judge::flow(&XdpFrags::new(ctx), Direction::Rx)
}

#[inline(never)]
fn xdp_frags_sample(ctx: &XdpContext) {
    sample::take(&XdpFrags::new(ctx), Direction::Rx);
}

/// Exit of `xfrm_replay_overflow` (Linux 5.14 and later), or of the first of the functions that it was before.
#[fexit]
pub fn overlay_esp_sent(ctx: FExitContext) -> i32 {
    esp_sent(&ctx)
}

/// Exit of the second of these functions, before Linux 5.14.
#[fexit]
pub fn overlay_esp_sent_bmp(ctx: FExitContext) -> i32 {
    esp_sent(&ctx)
}

/// Exit of the third of these functions, before Linux 5.14.
#[fexit]
pub fn overlay_esp_sent_esn(ctx: FExitContext) -> i32 {
    esp_sent(&ctx)
}

/// Entry of `xfrm4_transport_finish`.
#[fentry]
pub fn overlay_esp_received(ctx: FEntryContext) -> i32 {
    xfrm::received(ctx.arg::<*const u8>(0) as usize);
    0
}

/// Entry of `xfrm6_transport_finish`.
#[fentry]
pub fn overlay_esp_received_v6(ctx: FEntryContext) -> i32 {
    xfrm::received(ctx.arg::<*const u8>(0) as usize);
    0
}

/// `int …(struct xfrm_state *x, struct sk_buff *skb)`; 0: the packet may go.
#[inline(always)]
fn esp_sent(ctx: &FExitContext) -> i32 {
    if ctx.arg::<i32>(2) == 0 {
        xfrm::sent(
            ctx.arg::<*const u8>(0) as usize,
            ctx.arg::<*const u8>(1) as usize,
        );
    }
    0
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: nothing in this crate panics, and the verifier would refuse a program that could.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
