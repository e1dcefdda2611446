//! Later fragments have no transport header: they are attributed to what their first fragment was.

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use monitor_common::key::{FragmentState, flow_hash};

use crate::maps::FRAGMENTS;
use crate::settings;
use crate::walked::Walked;

/// How long fragments are attributed to a first one: as long as Linux waits for them (`IP_FRAG_TIME`,
/// `include/net/ip.h`).
const LIFETIME_NS: u64 = 30_000_000_000;

/// Key of a packet in `FRAGMENTS`.
#[inline(always)]
fn key(walked: &Walked) -> u64 {
    let (hash, forward) = flow_hash(
        &settings::seed(),
        walked.fragment_id,
        // No protocol: in IPv6 only the first fragment is sure to name it.
        0,
        &walked.addresses(),
        (0, 0),
    );
    hash ^ u64::from(forward)
}

/// Notes what the first fragment of a packet was. `id` is what names it among its kind: VNI, SPI or, of the host's own
/// traffic, both ports.
#[inline(always)]
pub fn note(walked: &Walked, id: u32) {
    let state = FragmentState {
        time_ns: now(),
        packed: (walked.kind & 0xff) | ((walked.encapsulation & 0xff) << 8),
        id,
    };
    let _ = FRAGMENTS.insert(key(walked), state, u64::from(BPF_ANY));
}

/// Sets what a later fragment is to what its first one was. Returns whether that was seen.
#[inline(always)]
pub fn attribute(walked: &mut Walked) -> bool {
    let Some(state) = FRAGMENTS.get_ptr_mut(key(walked)) else {
        return false;
    };
    // SAFETY: an element of the map; a torn read would mix two first fragments of the same addresses
    // and identification.
    let state = unsafe { *state };
    if now() - state.time_ns > LIFETIME_NS {
        return false;
    }
    walked.kind = state.packed & 0xff;
    walked.encapsulation = (state.packed >> 8) & 0xff;
    walked.vni = state.id;
    walked.spi = state.id;
    walked.ports = state.id;
    true
}

/// `CLOCK_MONOTONIC` in nanoseconds.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}
