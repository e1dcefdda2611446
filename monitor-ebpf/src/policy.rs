//! Cleartext of networks that must be encrypted: counted a second time, by the other node, with the time of the first
//! and the last packet. The path is rare, so reading the clock is affordable.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use monitor_common::address::{Addresses, NO_ADDRESS};
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::key::{Group, PeerCount, PeerKey, required_bit};
use monitor_common::row_room::{RowKey, RowMap};

use crate::maps::{PEERS, REQUIRED};
use crate::{atomic, count, rows, settings};

/// Whether a network must be encrypted. A look-up in an array is a few instructions and no call.
#[inline(always)]
pub fn is_required(vni: u32) -> bool {
    if !settings::policy_on() {
        return false;
    }
    let (word, bit) = required_bit(vni);
    match REQUIRED.get_ptr_mut(word) {
        // SAFETY: an aligned word of the map, written whole.
        Some(word) => unsafe { *word & bit != 0 },
        None => false,
    }
}

/// Counts cleartext packets of a network that must be encrypted.
#[inline(always)]
pub fn cleartext(direction: Direction, vni: u32, addresses: &Addresses, counted: Count) {
    let node = match direction {
        Direction::Rx => addresses.source,
        Direction::Tx => addresses.destination,
    };
    peer(&PeerKey::new(direction, vni, node), counted);
}

#[inline(never)]
fn peer(key: &PeerKey, counted: Count) {
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let is_leaving = rows::is_leaving(|| key.leaving());
    if !is_leaving && let Some(count) = PEERS.get_ptr_mut(key) {
        // SAFETY: an element of the map.
        return unsafe { add(count, counted, now) };
    }
    let Some(state) = count::state() else { return };
    if !is_leaving && rows::has_room(RowMap::Peers, || Group::Described) {
        let empty = PeerCount {
            packets: 0,
            bytes: 0,
            first_ns: now,
            last_ns: now,
        };
        // Another CPU may have inserted it meanwhile.
        if PEERS.insert(key, empty, u64::from(BPF_NOEXIST)).is_ok() {
            rows::inserted(RowMap::Peers);
        }
        if let Some(count) = PEERS.get_ptr_mut(key) {
            // SAFETY: an element of the map.
            return unsafe { add(count, counted, now) };
        }
    }
    let other = PeerKey {
        node: NO_ADDRESS,
        ..*key
    };
    if let Some(count) = PEERS.get_ptr_mut(other) {
        // SAFETY: an element of the map.
        unsafe { add(count, counted, now) };
    }
    if !is_leaving {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).peers_overflow += counted.packets };
    }
}

/// Adds to a row that all CPUs share.
///
/// # Safety
///
/// `count` must be an element of the map.
#[inline(always)]
unsafe fn add(count: *mut PeerCount, counted: Count, now: u64) {
    // SAFETY: by contract of the caller. Times are written whole; it does not matter which CPU's stays.
    unsafe {
        if (*count).first_ns == 0 {
            (*count).first_ns = now;
        }
        (*count).last_ns = now;
        atomic::atomic_add(&raw mut (*count).bytes, counted.bytes);
        atomic::atomic_add(&raw mut (*count).packets, counted.packets);
    }
}
