//! Exact counts. A packet that finds no room is counted as "other", never dropped from the books.
//!
//! Plain additions are exact: the maps are per CPU, and the hooks run with softirqs off, so nothing
//! else of ours runs on this CPU meanwhile.

use aya_ebpf::bindings::BPF_NOEXIST;
use monitor_common::key::{Count, CounterKey, CpuState, EspCount, EspKey, ReasonKey};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;

use crate::maps::{COUNTERS, ESP, REASONS, STATE};

/// Counts a packet of `bytes` bytes under its VNI.
#[inline(always)]
pub fn packet(
    ifindex: u32,
    direction: Direction,
    encapsulation: Encapsulation,
    vni: u32,
    bytes: u64,
) {
    let key = CounterKey::new(ifindex, direction, encapsulation, vni);
    match COUNTERS.get_ptr_mut(&key) {
        // SAFETY: this CPU's own slot; see the module.
        Some(count) => unsafe { add(count, bytes) },
        None => first_packet(&key, bytes),
    }
}

#[inline(never)]
fn first_packet(key: &CounterKey, bytes: u64) {
    // Another CPU may insert the same key meanwhile; then this CPU's slot is there, and is zero.
    let _ = COUNTERS.insert(
        key,
        Count {
            packets: 0,
            bytes: 0,
        },
        u64::from(BPF_NOEXIST),
    );
    if let Some(count) = COUNTERS.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot; see the module.
        return unsafe { add(count, bytes) };
    }
    let Some(encapsulation) = key.encapsulation() else {
        return;
    };
    let other = CounterKey::other(key.ifindex, key.direction(), encapsulation);
    if let Some(count) = COUNTERS.get_ptr_mut(&other) {
        // SAFETY: this CPU's own slot; see the module.
        unsafe { add(count, bytes) };
    }
    if let Some(state) = state() {
        // SAFETY: this CPU's own slot; see the module.
        unsafe { (*state).counters_overflow += 1 };
    }
}

/// Counts an ESP packet of `bytes` bytes under its association.
#[inline(always)]
pub fn esp(key: &EspKey, sequence: u32, bytes: u64) {
    match ESP.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot; see the module.
        Some(count) => unsafe { add_esp(count, sequence, bytes) },
        None => first_esp(key, sequence, bytes),
    }
}

#[inline(never)]
fn first_esp(key: &EspKey, sequence: u32, bytes: u64) {
    let empty = EspCount {
        packets: 0,
        bytes: 0,
        sequence_min: 0,
        sequence_max: 0,
    };
    let _ = ESP.insert(key, empty, u64::from(BPF_NOEXIST));
    if let Some(count) = ESP.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot; see the module.
        return unsafe { add_esp(count, sequence, bytes) };
    }
    let direction = if key.direction == 0 {
        Direction::Rx
    } else {
        Direction::Tx
    };
    if let Some(count) = ESP.get_ptr_mut(&EspKey::other(key.ifindex, direction)) {
        // SAFETY: this CPU's own slot; see the module.
        unsafe {
            (*count).packets += 1;
            (*count).bytes += bytes;
        }
    }
    if let Some(state) = state() {
        // SAFETY: this CPU's own slot; see the module.
        unsafe { (*state).esp_overflow += 1 };
    }
}

/// Counts a packet that was not understood.
#[inline(never)]
pub fn reason(ifindex: u32, direction: Direction, reason: Reason) {
    #[cfg(feature = "log")]
    aya_log_ebpf::debug!(
        &(),
        "interface {} direction {}: not understood, reason {}",
        ifindex,
        direction as u8,
        reason as u8
    );
    match REASONS.get_ptr_mut(&ReasonKey::new(ifindex, direction, reason)) {
        // SAFETY: this CPU's own slot; see the module.
        Some(count) => unsafe { *count += 1 },
        None => {
            if let Some(state) = state() {
                // SAFETY: this CPU's own slot; see the module.
                unsafe { (*state).reasons_overflow += 1 };
            }
        }
    }
}

/// This CPU's own state.
#[inline(always)]
pub fn state() -> Option<*mut CpuState> {
    STATE.get_ptr_mut(0)
}

#[inline(always)]
unsafe fn add(count: *mut Count, bytes: u64) {
    // SAFETY: a slot of the map, by contract of the caller.
    unsafe {
        (*count).packets += 1;
        (*count).bytes += bytes;
    }
}

#[inline(always)]
unsafe fn add_esp(count: *mut EspCount, sequence: u32, bytes: u64) {
    // SAFETY: a slot of the map, by contract of the caller.
    unsafe {
        if (*count).packets == 0 || sequence < (*count).sequence_min {
            (*count).sequence_min = sequence;
        }
        if sequence > (*count).sequence_max {
            (*count).sequence_max = sequence;
        }
        (*count).packets += 1;
        (*count).bytes += bytes;
    }
}
