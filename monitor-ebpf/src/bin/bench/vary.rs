//! Programs that write another flow and another VNI into the packet at each call, and hand it on: to the program under
//! test by a tail call, or to an interface.
//!
//! The floor contains the cost of varying and of the tail call too: it is measured with an empty program at the other
//! end.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::btf_maps::{PerCpuArray, ProgramArray};
use aya_ebpf::helpers::generated::bpf_redirect;
use aya_ebpf::macros::{btf_map, classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};

use monitor_common::bench::Varied;

/// One element: what to write.
#[btf_map]
pub static VARIED: PerCpuArray<Varied, 1> = PerCpuArray::new();

// One array for each type of program: an array takes only one type.

/// The program that [`vary_xdp`] goes on to.
#[btf_map]
static NEXT_XDP: ProgramArray<1> = ProgramArray::new();

/// The program that [`vary_xdp_frags`] goes on to.
#[btf_map]
static NEXT_XDP_FRAGS: ProgramArray<1> = ProgramArray::new();

/// The program that [`vary_tc`] goes on to.
#[btf_map]
static NEXT_TC: ProgramArray<1> = ProgramArray::new();

/// Varies, then calls an XDP program.
#[xdp]
pub fn vary_xdp(ctx: XdpContext) -> u32 {
    vary(ctx.data(), ctx.data_end());
    next(&NEXT_XDP, &ctx);
    xdp_action::XDP_ABORTED
}

/// Varies, then calls an XDP program with frags.
#[xdp(frags)]
pub fn vary_xdp_frags(ctx: XdpContext) -> u32 {
    vary(ctx.data(), ctx.data_end());
    next(&NEXT_XDP_FRAGS, &ctx);
    xdp_action::XDP_ABORTED
}

/// Varies, then calls a TC program.
#[classifier]
pub fn vary_tc(ctx: TcContext) -> i32 {
    vary(ctx.data(), ctx.data_end());
    next(&NEXT_TC, &ctx);
    TC_ACT_UNSPEC
}

/// Varies, then sends the frame by an interface: with live frames, a fast generator of packets.
#[xdp]
pub fn send_xdp(ctx: XdpContext) -> u32 {
    vary(ctx.data(), ctx.data_end());
    let Some(varied) = VARIED.get(0) else {
        return xdp_action::XDP_ABORTED;
    };
    // SAFETY: a helper that takes two numbers.
    unsafe { bpf_redirect(varied.ifindex, 0) as u32 }
}

/// Returns only if there is no such program.
#[inline(always)]
fn next(programs: &ProgramArray<1>, ctx: &impl EbpfContext) {
    // SAFETY: no value of this function has a destructor. With a constant index the kernel compiles a direct jump,
    // which costs the same on machines with and without mitigations.
    unsafe { programs.tail_call(ctx, 0) };
}

#[inline(always)]
fn vary(start: usize, end: usize) {
    let Some(varied) = VARIED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this CPU's own element; no other program uses it while this one runs.
    let varied = unsafe { &mut *varied };
    if varied.left == 0 {
        let mut random = varied.random;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        varied.random = random;
        varied.flow = (((random >> 32) * u64::from(varied.flows)) >> 32) as u32;
        varied.left = varied.burst;
    }
    varied.left = varied.left.wrapping_sub(1);
    let flow = varied.flow;
    let vni = varied.vni_base + (flow & varied.vni_mask);
    put(start, end, varied.vni_at, vni << 8);
    // 10.0.0.0/8: as many flows as the benchmark asks for.
    put(start, end, varied.flow_at, 0x0a00_0000 | flow);
}

#[inline(always)]
fn put(start: usize, end: usize, at: u32, word: u32) {
    let place = start + (at & 0xff) as usize;
    if place + size_of::<u32>() > end {
        return;
    }
    // SAFETY: within the packet, as was just checked.
    unsafe { (place as *mut u32).write_unaligned(word.to_be()) };
}
