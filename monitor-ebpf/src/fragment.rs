//! Later fragments have no header that would tell what they are; their first one had.

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use monitor_common::key::{FragmentState, flow_hash};

use crate::maps::FRAGMENTS;
use crate::settings;
use crate::walked::Walked;

/// Fragments belong together for so long: what Linux gives them (`IP_FRAG_TIME`, `include/net/ip.h`).
const LIFETIME_NS: u64 = 30_000_000_000;

#[inline(always)]
fn key(walked: &Walked) -> u64 {
    let (hash, forward) = flow_hash(
        &settings::seed(),
        walked.fragment_id,
        // Of IPv6 the first fragment alone names the protocol for sure.
        0,
        &walked.addresses(),
        (0, 0),
    );
    hash ^ u64::from(forward)
}

/// Remembers what the first fragment of a packet was.
#[inline(always)]
pub fn note(walked: &Walked) {
    let state = FragmentState {
        time_ns: now(),
        what: (walked.kind & 0xff) | ((walked.encapsulation & 0xff) << 8),
        id: walked.vni | walked.spi,
    };
    let _ = FRAGMENTS.insert(key(walked), state, u64::from(BPF_ANY));
}

/// Makes of a later fragment what its first one was; whether that was seen.
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
    walked.kind = state.what & 0xff;
    walked.encapsulation = (state.what >> 8) & 0xff;
    walked.vni = state.id;
    walked.spi = state.id;
    true
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}
