//! What the cost of the programs is compared with. Empty programs measure the test run itself. Programs with one
//! look-up measure the least that counting takes on this machine, as long as no memory has to be waited for.

use aya_ebpf::bindings::{TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::btf_maps::PerCpuHashMap;
use aya_ebpf::macros::{btf_map, classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};

/// Floor of the XDP programs.
#[xdp]
pub fn floor_xdp(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Floor of the XDP programs with frags: an array of programs does not mix them with those without.
#[xdp(frags)]
pub fn floor_xdp_frags(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Floor of the TC programs.
#[classifier]
pub fn floor_tc(_ctx: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// One element, put there by the first packet.
#[btf_map]
static REFERENCE: PerCpuHashMap<u64, u64, 1024> = PerCpuHashMap::new();

/// One look-up in a per-CPU hash of 8-byte keys, and one addition, at XDP.
#[xdp]
pub fn reference_xdp(_ctx: XdpContext) -> u32 {
    look_up();
    xdp_action::XDP_PASS
}

/// As [`reference_xdp`], with frags.
#[xdp(frags)]
pub fn reference_xdp_frags(_ctx: XdpContext) -> u32 {
    look_up();
    xdp_action::XDP_PASS
}

/// As [`reference_xdp`], at TC.
#[classifier]
pub fn reference_tc(_ctx: TcContext) -> i32 {
    look_up();
    TC_ACT_UNSPEC
}

#[inline(always)]
fn look_up() {
    let key = 4096u64;
    match REFERENCE.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot.
        Some(count) => unsafe { *count += 1 },
        None => {
            let _ = REFERENCE.insert(key, 0, 0);
        }
    }
}
