//! Exact counts of outer packets: by VNI, association and reason. A packet that finds no room is counted as "other".
//!
//! Plain additions are exact: the maps are per CPU, and the hooks run with softirqs off, so no other program of ours
//! runs on this CPU meanwhile. "This CPU's own slot" below means this.

use aya_ebpf::bindings::BPF_NOEXIST;
use monitor_common::count::{Count, EspCount, Total};
use monitor_common::cpu_state::CpuState;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{CounterKey, EspKey, Group, NetworkId, ReasonKey};
use monitor_common::reason::Reason;
use monitor_common::row_room::{RowKey, RowMap};

use crate::maps::{COUNTERS, ESP, REASONS, STATE};
use crate::rows;

/// A row in which nothing is counted. A static, because the compiler fills a value on the stack byte by byte in a loop,
/// which the verifier follows.
pub static NO_COUNT: Count = Count::ZERO;
static NO_ESP_COUNT: EspCount = EspCount {
    packets: 0,
    bytes: 0,
    sequence_min: 0,
    sequence_max: 0,
    later_fragments: 0,
};

/// Counts packets under their VNI, or as "other" if there is no room. Returns whether there is.
#[inline(always)]
pub fn packet(
    ifindex: u32,
    direction: Direction,
    encapsulation: Encapsulation,
    vni: u32,
    counted: Count,
) -> bool {
    let key = CounterKey::new(ifindex, direction, encapsulation, vni);
    match COUNTERS.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot.
        Some(count) if !rows::is_leaving(|| key.leaving()) => {
            unsafe { add(count, counted) };
            true
        }
        Some(_) | None => first_packet(&key, counted),
    }
}

#[inline(never)]
fn first_packet(key: &CounterKey, counted: Count) -> bool {
    let Some(state) = state() else { return false };
    let is_leaving = rows::is_leaving(|| key.leaving());
    let group = || rows::group(NetworkId::vni(key.packed));
    if !is_leaving && rows::has_room(RowMap::Counters, group) {
        // If another CPU inserts the same key meanwhile, this CPU's slot exists and is zero.
        if COUNTERS
            .insert(key, &NO_COUNT, u64::from(BPF_NOEXIST))
            .is_ok()
        {
            rows::inserted(RowMap::Counters);
        }
        if let Some(count) = COUNTERS.get_ptr_mut(key) {
            // SAFETY: this CPU's own slot.
            unsafe { add(count, counted) };
            return true;
        }
    }
    let Some(encapsulation) = key.encapsulation() else {
        return false;
    };
    let other = CounterKey::other(key.ifindex, key.direction(), encapsulation);
    if let Some(count) = COUNTERS.get_ptr_mut(other) {
        // SAFETY: this CPU's own slot.
        unsafe { add(count, counted) };
    }
    if !is_leaving {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).counters_overflow += counted.packets };
    }
    false
}

/// Counts packets under their association. `sequence` is 0, which is never sent (RFC 4303, 2.2), if it is unknown, as in
/// later fragments. `later_fragments` is how many of the packets are such.
#[inline(always)]
pub fn esp(key: &EspKey, sequence: u32, counted: Count, later_fragments: u64) {
    match ESP.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot.
        Some(count) if !rows::is_leaving(|| key.leaving()) => unsafe {
            add_esp(count, sequence, counted, later_fragments)
        },
        Some(_) | None => first_esp(key, sequence, counted, later_fragments),
    }
}

#[inline(never)]
fn first_esp(key: &EspKey, sequence: u32, counted: Count, later_fragments: u64) {
    let Some(state) = state() else { return };
    let is_leaving = rows::is_leaving(|| key.leaving());
    if !is_leaving && rows::has_room(RowMap::Esp, || Group::Unknown) {
        if ESP
            .insert(key, &NO_ESP_COUNT, u64::from(BPF_NOEXIST))
            .is_ok()
        {
            rows::inserted(RowMap::Esp);
        }
        if let Some(count) = ESP.get_ptr_mut(key) {
            // SAFETY: this CPU's own slot.
            return unsafe { add_esp(count, sequence, counted, later_fragments) };
        }
    }
    let Some(encapsulation) = key.encapsulation() else {
        return;
    };
    if let Some(count) = ESP.get_ptr_mut(EspKey::other(key.ifindex, key.direction(), encapsulation))
    {
        // SAFETY: this CPU's own slot.
        unsafe {
            (*count).packets += counted.packets;
            (*count).bytes += counted.bytes;
            (*count).later_fragments += later_fragments;
        }
    }
    if !is_leaving {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).esp_overflow += counted.packets };
    }
}

/// Counts packets that were not parsed.
#[inline(never)]
pub fn reason(ifindex: u32, direction: Direction, reason: Reason, packets: u64) {
    #[cfg(feature = "log")]
    aya_log_ebpf::debug!(
        &(),
        "interface {} direction {}: not parsed, reason {}",
        ifindex,
        direction as u8,
        reason as u8
    );
    match REASONS.get_ptr_mut(ReasonKey::new(ifindex, direction, reason)) {
        // SAFETY: this CPU's own slot.
        Some(count) => unsafe { *count += packets },
        None => {
            if let Some(state) = state() {
                // SAFETY: this CPU's own slot.
                unsafe { (*state).reasons_overflow += packets };
            }
        }
    }
}

/// This CPU's slot of `STATE`.
#[inline(always)]
pub fn state() -> Option<*mut CpuState> {
    STATE.get_ptr_mut(0)
}

/// Adds to a row.
///
/// # Safety
///
/// `count` must be this CPU's slot of a map.
#[inline(always)]
pub unsafe fn add(count: *mut Count, counted: Count) {
    // SAFETY: a slot of the map, by contract of the caller.
    unsafe { (*count).add(counted) };
}

#[inline(always)]
unsafe fn add_esp(count: *mut EspCount, sequence: u32, counted: Count, later_fragments: u64) {
    // SAFETY: a slot of the map, by contract of the caller.
    unsafe {
        widen(
            &raw mut (*count).sequence_min,
            &raw mut (*count).sequence_max,
            sequence,
        );
        (*count).packets += counted.packets;
        (*count).bytes += counted.bytes;
        // A constant 0 for whole packets: then the compiler removes this.
        if later_fragments != 0 {
            (*count).later_fragments += later_fragments;
        }
    }
}

/// Notes a sequence number, unless it is 0, as the lowest and the highest one if it is.
///
/// # Safety
///
/// Both must be words of this CPU's row of a map.
#[inline(always)]
pub unsafe fn widen(lowest: *mut u32, highest: *mut u32, sequence: u32) {
    // SAFETY: words of the map, by contract of the caller.
    unsafe {
        if sequence != 0 && (*lowest == 0 || sequence < *lowest) {
            *lowest = sequence;
        }
        if sequence > *highest {
            *highest = sequence;
        }
    }
}
