//! The kernel programs of overlay-monitor.
//!
//! Entry points only: each passes its context to [`driver::run`], and lets the packet pass. Whatever the packet was,
//! the answer is the same: the programs only watch.
#![allow(
    clippy::needless_borrows_for_generic_args,
    reason = "a value that is inserted by copy would be made on the stack, where the verifier refuses its layout"
)]
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod account_flow;
mod atomic;
mod count;
mod ctx;
mod driver;
mod esp_networks;
mod esp_slots;
mod esp_time;
mod exposure;
mod fragment;
mod inner;
mod kernel_struct;
mod maps;
mod outer;
mod packet_time;
mod policy;
mod rows;
mod sample;
mod settings;
mod slots;
mod super_packet;
mod usual;
mod verifier;
mod walked;

use aya_ebpf::bindings::{TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::macros::{classifier, fentry, fexit, perf_event, xdp};
use aya_ebpf::programs::{FEntryContext, FExitContext, PerfEventContext, TcContext, XdpContext};
use monitor_common::direction::Direction;
use monitor_common::link::Link;

use crate::ctx::{Buffers, OneBuffer, Tc};
use crate::driver::run;
use crate::kernel_struct::{Request, SkBuff, State};

/// XDP, ingress, for frames that may span several buffers (jumbo MTU; Linux 5.18 and later).
#[xdp(frags)]
pub fn overlay_xdp_frags(ctx: XdpContext) -> u32 {
    run::<Buffers>(ctx.ctx, Direction::Rx, Link::Ethernet);
    xdp_action::XDP_PASS
}

/// XDP, ingress, for kernels and devices that do not support frames in several buffers. There the one buffer holds the
/// whole frame.
#[xdp]
pub fn overlay_xdp(ctx: XdpContext) -> u32 {
    run::<OneBuffer>(ctx.ctx, Direction::Rx, Link::Ethernet);
    xdp_action::XDP_PASS
}

/// TC, ingress.
#[classifier]
pub fn overlay_tc_ingress(ctx: TcContext) -> i32 {
    run::<Tc>(ctx.skb.skb, Direction::Rx, Link::Ethernet);
    TC_ACT_UNSPEC
}

/// TC, egress.
#[classifier]
pub fn overlay_tc_egress(ctx: TcContext) -> i32 {
    run::<Tc>(ctx.skb.skb, Direction::Tx, Link::Ethernet);
    TC_ACT_UNSPEC
}

/// TC, ingress, of an interface without a link header (tun, ipip, …).
#[classifier]
pub fn overlay_tc_ingress_ip(ctx: TcContext) -> i32 {
    run::<Tc>(ctx.skb.skb, Direction::Rx, Link::Ip);
    TC_ACT_UNSPEC
}

/// TC, egress, of an interface without a link header.
#[classifier]
pub fn overlay_tc_egress_ip(ctx: TcContext) -> i32 {
    run::<Tc>(ctx.skb.skb, Direction::Tx, Link::Ip);
    TC_ACT_UNSPEC
}

/// Exit of `xfrm_replay_overflow` (Linux 5.14 and later), or of the first of the three functions that it replaced.
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
    esp_received(&ctx)
}

/// Entry of `xfrm6_transport_finish`.
#[fentry]
pub fn overlay_esp_received_v6(ctx: FEntryContext) -> i32 {
    esp_received(&ctx)
}

/// The event that interrupts each CPU at a fixed period.
#[perf_event]
pub fn overlay_esp_time(ctx: PerfEventContext) -> u32 {
    esp_time::sample(&ctx);
    0
}

/// Exit of `crypto_aead_encrypt`.
#[fexit]
pub fn overlay_encrypted(ctx: FExitContext) -> i32 {
    esp_time::encrypted(Request(ctx.arg::<*const u8>(0) as usize), ctx.arg::<i32>(1));
    0
}

/// Entry of `crypto_aead_decrypt`.
#[fentry]
pub fn overlay_decrypt(ctx: FEntryContext) -> i32 {
    esp_time::decrypt(Request(ctx.arg::<*const u8>(0) as usize));
    0
}

/// `int …(struct sk_buff *skb, int async)`.
#[inline(always)]
fn esp_received(ctx: &FEntryContext) -> i32 {
    let packet = SkBuff(ctx.arg::<*const u8>(0) as usize);
    esp_networks::received(packet, ctx.arg::<i32>(1) != 0);
    0
}

/// `int …(struct xfrm_state *x, struct sk_buff *skb)`, which returns 0 if the packet may be sent.
#[inline(always)]
fn esp_sent(ctx: &FExitContext) -> i32 {
    if ctx.arg::<i32>(2) == 0 {
        esp_networks::sent(
            State(ctx.arg::<*const u8>(0) as usize),
            SkBuff(ctx.arg::<*const u8>(1) as usize),
        );
    }
    0
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: no code of this crate panics, and the verifier would refuse a program that could.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
