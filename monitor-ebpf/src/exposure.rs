//! Exact exposure: packets of flows that were judged, by the verdict; of the others, until they are.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::key::{Class, ExposureKey, FlowState, NetworkId};

use crate::count;
use crate::maps::{EXPOSURE, FLOWS, VERDICTS};

/// The verdict on a flow, if there is one.
#[inline(always)]
pub fn verdict(flow: u64) -> Option<Class> {
    // SAFETY: an aligned word of the map, written whole.
    VERDICTS
        .get_ptr_mut(flow)
        .map(|class| Class(unsafe { *class }))
}

/// Takes back the verdict on a flow.
#[inline(always)]
pub fn forget(flow: u64) {
    let _ = VERDICTS.remove(flow);
}

/// Counts packets of a network under a class.
#[inline(always)]
pub fn count(direction: Direction, network: NetworkId, class: Class, counted: Count) {
    match row(direction, network, class) {
        // SAFETY: this CPU's own slot.
        Some(count) => unsafe { count::add(count, counted) },
        None => overflow(direction, counted),
    }
}

#[inline(always)]
fn row(direction: Direction, network: NetworkId, class: Class) -> Option<*mut Count> {
    let key = ExposureKey::new(direction, network, class);
    match EXPOSURE.get_ptr_mut(key) {
        Some(count) => Some(count),
        None => first_packet(&key),
    }
}

#[inline(never)]
fn first_packet(key: &ExposureKey) -> Option<*mut Count> {
    let state = count::state()?;
    // SAFETY: this CPU's own slot.
    if !count::may_insert(unsafe { (*state).exposure_overflow }) {
        return None;
    }
    let _ = EXPOSURE.insert(key, Count::ZERO, u64::from(BPF_NOEXIST));
    EXPOSURE.get_ptr_mut(key)
}

#[inline(never)]
fn overflow(direction: Direction, counted: Count) {
    let key = ExposureKey::new(direction, NetworkId::OTHER, Class::UNKNOWN);
    if let Some(count) = EXPOSURE.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot.
        unsafe { count::add(count, counted) };
    }
    if let Some(state) = count::state() {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).exposure_overflow += counted.packets };
    }
}

/// Counts packets of a flow that was not judged yet. Returns the flow, to note samples in.
///
/// The network's sum of such packets comes with it, so that what the map forgets can be told.
#[inline(always)]
pub fn pending(
    direction: Direction,
    network: NetworkId,
    flow: u64,
    counted: Count,
) -> Option<*mut FlowState> {
    let Some(sum) = row(direction, network, Class::PENDING) else {
        overflow(direction, counted);
        return None;
    };
    let Some(state) = state_of(flow, network) else {
        // No room was made for it in this moment.
        count(direction, network, Class::UNKNOWN, counted);
        return None;
    };
    // SAFETY: an element of the map, shared by all CPUs: hence atomic. One that is evicted at this very
    // moment may be another flow's already; the sum tells.
    unsafe {
        let (packets, bytes) = match direction {
            Direction::Rx => (&raw mut (*state).rx_packets, &raw mut (*state).rx_bytes),
            Direction::Tx => (&raw mut (*state).tx_packets, &raw mut (*state).tx_bytes),
        };
        count::atomic_add(packets, counted.packets);
        count::atomic_add(bytes, counted.bytes);
        (*state).last = (bpf_ktime_get_ns() >> 30) as u32;
        count::add(sum, counted);
    }
    Some(state)
}

/// The state of a flow, made if there is none.
#[inline(always)]
pub fn state_of(flow: u64, network: NetworkId) -> Option<*mut FlowState> {
    if let Some(state) = FLOWS.get_ptr_mut(flow) {
        // Also here: another CPU may have made it this moment. SAFETY: see below.
        unsafe { (*state).network = network.0 };
        return Some(state);
    }
    #[expect(
        clippy::needless_borrows_for_generic_args,
        reason = "a copy would be made on the stack, see NO_FLOW"
    )]
    // Another CPU may have made it meanwhile.
    let _ = FLOWS.insert(flow, &NO_FLOW, u64::from(BPF_NOEXIST));
    let state = FLOWS.get_ptr_mut(flow)?;
    // SAFETY: an element of the map; whoever made it writes the same.
    unsafe { (*state).network = network.0 };
    Some(state)
}

/// A flow of which nothing was seen. Not on the stack, where the compiler would join its fields at
/// offsets that the verifier does not take.
static NO_FLOW: FlowState = FlowState {
    rx_packets: 0,
    rx_bytes: 0,
    tx_packets: 0,
    tx_bytes: 0,
    network: 0,
    forward: 0,
    reverse: 0,
    // Later than now, whenever that is, until its first packet says when.
    last: u32::MAX,
};
