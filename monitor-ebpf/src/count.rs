//! Exact counts. A packet that finds no room is counted as "other", never dropped from the books.
//!
//! Plain additions are exact: the maps are per CPU, and the hooks run with softirqs off, so nothing
//! else of ours runs on this CPU meanwhile.

use core::arch::asm;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use monitor_common::key::{Count, CounterKey, CpuState, EspCount, EspKey, ReasonKey};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;

use crate::maps::{COUNTERS, ESP, REASONS, STATE};
use crate::weight::Weight;

/// Counts packets under their VNI; whether there is room for it, else they are "other".
#[inline(always)]
pub fn packet(
    ifindex: u32,
    direction: Direction,
    encapsulation: Encapsulation,
    vni: u32,
    weight: Weight,
) -> bool {
    let key = CounterKey::new(ifindex, direction, encapsulation, vni);
    match COUNTERS.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot; see the module.
        Some(count) => {
            unsafe { add(count, weight) };
            true
        }
        None => first_packet(&key, weight),
    }
}

#[inline(never)]
fn first_packet(key: &CounterKey, weight: Weight) -> bool {
    let Some(state) = state() else { return false };
    // SAFETY: this CPU's own slot; see the module.
    if may_insert(unsafe { (*state).counters_overflow }) {
        let empty = Count {
            packets: 0,
            bytes: 0,
        };
        // Another CPU may insert the same key meanwhile; then this CPU's slot is there, and is zero.
        let _ = COUNTERS.insert(key, empty, u64::from(BPF_NOEXIST));
        if let Some(count) = COUNTERS.get_ptr_mut(key) {
            // SAFETY: this CPU's own slot; see the module.
            unsafe { add(count, weight) };
            return true;
        }
    }
    let Some(encapsulation) = key.encapsulation() else {
        return false;
    };
    let other = CounterKey::other(key.ifindex, key.direction(), encapsulation);
    if let Some(count) = COUNTERS.get_ptr_mut(other) {
        // SAFETY: this CPU's own slot; see the module.
        unsafe { add(count, weight) };
    }
    // SAFETY: this CPU's own slot; see the module.
    unsafe { (*state).counters_overflow += weight.packets };
    false
}

/// Whether a new key is worth a try, by the packets of this CPU that found no room. Looking for room in
/// a full map takes the locks of all CPUs, so it is tried for one packet in a thousand then.
#[inline(always)]
pub fn may_insert(overflow: u64) -> bool {
    // SAFETY: a helper without arguments.
    overflow == 0 || unsafe { bpf_get_prandom_u32() } & 0x3ff == 0
}

/// Counts packets under their association. `sequence` is 0, which is never sent (RFC 4303, 2.2), where it
/// is not known: in later fragments, of which there are so many among the packets.
#[inline(always)]
pub fn esp(key: &EspKey, sequence: u32, weight: Weight, later_fragments: u64) {
    match ESP.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot; see the module.
        Some(count) => unsafe { add_esp(count, sequence, weight, later_fragments) },
        None => first_esp(key, sequence, weight, later_fragments),
    }
}

#[inline(never)]
fn first_esp(key: &EspKey, sequence: u32, weight: Weight, later_fragments: u64) {
    let Some(state) = state() else { return };
    // SAFETY: this CPU's own slot; see the module.
    if may_insert(unsafe { (*state).esp_overflow }) {
        let empty = EspCount {
            packets: 0,
            bytes: 0,
            sequence_min: 0,
            sequence_max: 0,
            later_fragments: 0,
        };
        let _ = ESP.insert(key, empty, u64::from(BPF_NOEXIST));
        if let Some(count) = ESP.get_ptr_mut(key) {
            // SAFETY: this CPU's own slot; see the module.
            return unsafe { add_esp(count, sequence, weight, later_fragments) };
        }
    }
    let direction = if key.direction == 0 {
        Direction::Rx
    } else {
        Direction::Tx
    };
    if let Some(count) = ESP.get_ptr_mut(EspKey::other(key.ifindex, direction)) {
        // SAFETY: this CPU's own slot; see the module.
        unsafe {
            (*count).packets += weight.packets;
            (*count).bytes += weight.bytes;
            (*count).later_fragments += later_fragments;
        }
    }
    // SAFETY: this CPU's own slot; see the module.
    unsafe { (*state).esp_overflow += weight.packets };
}

/// Counts packets that were not understood.
#[inline(never)]
pub fn reason(ifindex: u32, direction: Direction, reason: Reason, packets: u64) {
    #[cfg(feature = "log")]
    aya_log_ebpf::debug!(
        &(),
        "interface {} direction {}: not understood, reason {}",
        ifindex,
        direction as u8,
        reason as u8
    );
    match REASONS.get_ptr_mut(ReasonKey::new(ifindex, direction, reason)) {
        // SAFETY: this CPU's own slot; see the module.
        Some(count) => unsafe { *count += packets },
        None => {
            if let Some(state) = state() {
                // SAFETY: this CPU's own slot; see the module.
                unsafe { (*state).reasons_overflow += packets };
            }
        }
    }
}

/// This CPU's own state.
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
pub unsafe fn add(count: *mut Count, weight: Weight) {
    // SAFETY: a slot of the map, by contract of the caller.
    unsafe {
        (*count).packets += weight.packets;
        (*count).bytes += weight.bytes;
    }
}

#[inline(always)]
unsafe fn add_esp(count: *mut EspCount, sequence: u32, weight: Weight, later_fragments: u64) {
    // SAFETY: a slot of the map, by contract of the caller.
    unsafe {
        if sequence != 0 && ((*count).sequence_min == 0 || sequence < (*count).sequence_min) {
            (*count).sequence_min = sequence;
        }
        if sequence > (*count).sequence_max {
            (*count).sequence_max = sequence;
        }
        (*count).packets += weight.packets;
        (*count).bytes += weight.bytes;
        // A constant 0 for whole packets, which costs nothing.
        if later_fragments != 0 {
            (*count).later_fragments += later_fragments;
        }
    }
}

/// Adds to a word that other CPUs add to as well. (`core` has no such function for this target; this
/// form of the instruction is in every kernel.)
///
/// # Safety
///
/// `word` must be an aligned word of a map.
#[inline(always)]
pub unsafe fn atomic_add(word: *mut u64, number: u64) {
    // SAFETY: by contract of the caller.
    unsafe {
        asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) word, in(reg) number, options(nostack));
    }
}
