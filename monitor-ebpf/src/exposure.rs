//! Exact exposure: packets of a flow are counted under its verdict, and until that comes as pending.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::key::{
    Class, ExposureKey, FlowState, Group, NetworkId, Share, flow_share, flows_held,
};
use monitor_common::recent::Recent;
use monitor_common::row_room::{RowKey, RowMap};

use crate::maps::{EXPOSURE, FLOWS, MADE, NEW_FLOW, RETURNED, ROOM, SAMPLED, SHARES, VERDICTS};
use crate::{atomic, count, rows, settings, slots};

/// The verdict on a flow, if there is one.
#[inline(always)]
pub fn verdict(flow: u64) -> Option<Class> {
    let verdict = VERDICTS.get_ptr_mut(flow)?;
    // SAFETY: aligned words of the map, written whole. If the verdict is replaced at the same moment the mark is lost, or
    // set on another flow's: it only decides which of the unused ones is removed first.
    unsafe {
        if (*verdict).used == 0 {
            (*verdict).used = 1;
        }
        Some(Class((*verdict).class))
    }
}

/// Removes the verdict on a flow, and counts it if there was one: the agent need not look for verdicts while none goes.
#[inline(always)]
pub fn forget(flow: u64) {
    slots::forget(flow);
    if VERDICTS.remove(flow).is_ok()
        && let Some(state) = count::state()
    {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).verdicts_forgotten += 1 };
    }
}

/// Counts packets of a network under a class.
#[inline(always)]
pub fn count(direction: Direction, network: NetworkId, class: Class, counted: Count) {
    match row(direction, network, class) {
        // SAFETY: this CPU's own slot.
        Some(count) => unsafe { count::add(count, counted) },
        None => overflow(direction, network, class, counted),
    }
}

/// The row of a class, inserted if there is room for it.
#[inline(always)]
fn row(direction: Direction, network: NetworkId, class: Class) -> Option<*mut Count> {
    let key = ExposureKey::new(direction, network, class);
    match EXPOSURE.get_ptr_mut(key) {
        Some(count) if !rows::is_leaving(|| key.leaving()) => Some(count),
        Some(_) | None => first_packet(&key),
    }
}

#[inline(never)]
fn first_packet(key: &ExposureKey) -> Option<*mut Count> {
    if rows::is_leaving(|| key.leaving())
        || !rows::has_room(RowMap::Exposure, || rows::group(key.network()))
    {
        return None;
    }
    if EXPOSURE
        .insert(key, &count::NO_COUNT, u64::from(BPF_NOEXIST))
        .is_ok()
    {
        rows::inserted(RowMap::Exposure);
    }
    EXPOSURE.get_ptr_mut(key)
}

/// Counts packets that found no row.
#[inline(never)]
fn overflow(direction: Direction, network: NetworkId, class: Class, counted: Count) {
    let key = ExposureKey::new(direction, NetworkId::OTHER, Class::UNKNOWN);
    if let Some(count) = EXPOSURE.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot.
        unsafe { count::add(count, counted) };
    }
    let own = ExposureKey::new(direction, network, class);
    if !rows::is_leaving(|| own.leaving())
        && let Some(state) = count::state()
    {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).exposure_overflow += counted.packets };
    }
}

/// Counts packets of a flow without a verdict. Returns the flow, to note samples in.
///
/// The same packets are counted in the network's sum of pending ones, so that packets of a flow that was removed are not
/// lost.
#[inline(always)]
pub fn pending(
    direction: Direction,
    network: NetworkId,
    flow: u64,
    counted: Count,
) -> Option<*mut FlowState> {
    let Some(sum) = row(direction, network, Class::PENDING) else {
        overflow(direction, network, Class::PENDING, counted);
        return None;
    };
    let Some(state) = state_of(flow, network) else {
        // The network has its share of the map.
        count(direction, network, Class::UNKNOWN, counted);
        if let Some(state) = count::state() {
            // SAFETY: this CPU's own slot.
            unsafe { (*state).flows_refused += counted.packets };
        }
        return None;
    };
    // SAFETY: an element of the map, shared by all CPUs: hence atomic. One that the agent removes at the same moment may
    // be another flow's already; the sum shows that.
    unsafe {
        let (packets, bytes) = match direction {
            Direction::Rx => (&raw mut (*state).rx_packets, &raw mut (*state).rx_bytes),
            Direction::Tx => (&raw mut (*state).tx_packets, &raw mut (*state).tx_bytes),
        };
        atomic::atomic_add(packets, counted.packets);
        atomic::atomic_add(bytes, counted.bytes);
        (*state).last = (bpf_ktime_get_ns() >> 30) as u32;
        count::add(sum, counted);
    }
    Some(state)
}

/// The state of a flow, inserted if there is none and its network has room.
#[inline(always)]
fn state_of(flow: u64, network: NetworkId) -> Option<*mut FlowState> {
    match FLOWS.get_ptr_mut(flow) {
        Some(state) => Some(state),
        None => insert(flow, network),
    }
}

/// Inserts the state of a flow, if its network has room for one.
#[inline(never)]
fn insert(flow: u64, network: NetworkId) -> Option<*mut FlowState> {
    // SAFETY: a helper without arguments.
    let time_ns = unsafe { bpf_ktime_get_ns() };
    let share = share_of(network, time_ns)?;
    // SAFETY: an aligned word of the map, written whole. Of two flows that two CPUs insert at once one may be lost in it,
    // which is harmless.
    let recent = Recent(unsafe { read_volatile(&raw const (*share).flows) });
    let group = admit(network, share, recent.at(time_ns))?;
    let made = MADE.get_ptr_mut(group as u32)?;
    // Not on the stack, where the compiler would join its fields at offsets that the verifier refuses.
    let new = NEW_FLOW.get_ptr_mut(0)?;
    // SAFETY: this CPU's own slot, and words of maps that all CPUs add to.
    unsafe {
        // Every other field is zero, and stays so: this is the only place that writes here.
        let FlowState { network, last, .. } = FlowState::new(network, group);
        ((*new).network, (*new).last) = (network, last);
        // Of several CPUs that insert the same flow one succeeds, and counts it.
        if FLOWS.insert(flow, &*new, u64::from(BPF_NOEXIST)).is_ok() {
            atomic::atomic_add(&raw mut (*share).made, 1);
            write_volatile(&raw mut (*share).flows, recent.add(time_ns).0);
            atomic::atomic_add(made, 1);
        }
    }
    FLOWS.get_ptr_mut(flow)
}

/// The number of flows that a network has inserted. `None` if it is new and there is no room for one more network.
#[inline(always)]
fn share_of(network: NetworkId, time_ns: u64) -> Option<*mut Share> {
    if let Some(share) = SHARES.get_ptr_mut(network.0) {
        return Some(share);
    }
    let state = count::state()?;
    let second = 1 + (time_ns >> 30);
    // SAFETY: this CPU's own slot. Looking for room in a full map takes the locks of all CPUs.
    if unsafe { (*state).shares_full } == second {
        return None;
    }
    let _ = SHARES.insert(network.0, &NO_SHARE, u64::from(BPF_NOEXIST));
    let share = SHARES.get_ptr_mut(network.0);
    if share.is_none() {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).shares_full = second };
    }
    share
}

/// The group that a network counts in, if it may insert one more flow. `lately` is how many it has inserted lately.
#[inline(always)]
fn admit(network: NetworkId, share: *mut Share, lately: u64) -> Option<Group> {
    let (returned, group) = match RETURNED.get_ptr_mut(network.0) {
        // SAFETY: an element of the map; the agent replaces it whole.
        Some(returned) => unsafe { ((*returned).flows, Group::from_bit((*returned).group)) },
        None => (0, Group::Unknown),
    };
    let mut live = [0; 2];
    let mut limit = 0;
    for each in Group::ALL {
        let made = MADE.get_ptr_mut(each as u32)?;
        let room = ROOM.get_ptr_mut(each as u32)?;
        // SAFETY: aligned words of the maps. They are read one after the other, and may be off by one flow per CPU.
        unsafe {
            live[each as usize] = (*made).saturating_sub((*room).returned);
            if each as u32 == group as u32 {
                limit = (*room).limit;
            }
        }
    }
    // SAFETY: an aligned word of the map.
    let held = unsafe { (*share).made }.saturating_sub(returned);
    if flows_held(held, lately, limit) < flow_share(settings::flows(), live, group, limit) {
        Some(group)
    } else {
        None
    }
}

/// The state of a flow if exposure is not counted, inserted if there is none.
#[inline(always)]
pub fn sampled(flow: u64) -> Option<*mut FlowState> {
    if let Some(state) = SAMPLED.get_ptr_mut(flow) {
        return Some(state);
    }
    // Another CPU may have inserted it meanwhile.
    #[expect(
        clippy::needless_borrows_for_generic_args,
        reason = "a copy would be made on the stack"
    )]
    let _ = SAMPLED.insert(flow, &NO_FLOW, u64::from(BPF_NOEXIST));
    SAMPLED.get_ptr_mut(flow)
}

/// The share of a network that is new.
static NO_SHARE: Share = Share {
    made: 0,
    flows: 0,
    samples: 0,
};

/// A flow of which no packet was seen. Not on the stack, see [`insert`].
static NO_FLOW: FlowState = FlowState::new(NetworkId::OTHER, Group::Unknown);
