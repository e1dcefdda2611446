//! Counting ESP associations in slots: see [`monitor_common::esp_slot`].
//!
//! A row is added to by its CPU only, with softirqs off, as in [`crate::count`]. A program that has compared the key of a
//! row may be about to add to it when the agent takes the place back: the agent waits for it (an RCU grace period) before it
//! reads the row for the last time.

use core::ptr::read_volatile;

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use monitor_common::address::Addresses;
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::esp_slot::{EspSlot, index, places};

use crate::count::widen;
use crate::maps::ESP_SLOTS;
use crate::settings;

/// Counts a packet of an association in its slot; whether it has one.
#[inline(always)]
pub fn count(
    ifindex: u32,
    direction: Direction,
    (spi, sequence): (u32, u32),
    addresses: &Addresses,
    counted: Count,
) -> bool {
    let all = settings::esp_places();
    let between = (addresses.source, addresses.destination);
    let [first, second] = places(&settings::seed(), ifindex, spi, between, all);
    // SAFETY: a helper without arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    macro_rules! try_place {
        ($place:expr) => {
            let Some(row) = ESP_SLOTS.get_ptr_mut(index(cpu, direction as u32, all, $place)) else {
                return false;
            };
            // SAFETY: this CPU's own row. The agent writes a key only to a free row.
            unsafe {
                if is_of(row, ifindex, spi, addresses) {
                    add(row, sequence, counted);
                    return true;
                }
            }
        };
    }
    try_place!(first);
    try_place!(second);
    false
}

/// Whether a row is that of an association.
///
/// # Safety
///
/// `row` must be an element of the map.
#[inline(always)]
unsafe fn is_of(row: *const EspSlot, ifindex: u32, spi: u32, addresses: &Addresses) -> bool {
    // SAFETY: aligned words of the element, by contract of the caller. Volatile, because user space writes them.
    unsafe {
        read_volatile(&raw const (*row).ifindex) == ifindex
            && read_volatile(&raw const (*row).spi) == spi
            && read_volatile(&raw const (*row).source[1]) == addresses.source[1]
            && read_volatile(&raw const (*row).destination[1]) == addresses.destination[1]
            && read_volatile(&raw const (*row).source[0]) == addresses.source[0]
            && read_volatile(&raw const (*row).destination[0]) == addresses.destination[0]
    }
}

/// Adds a packet to a row.
///
/// # Safety
///
/// `row` must be this CPU's row of the association.
#[inline(always)]
unsafe fn add(row: *mut EspSlot, sequence: u32, counted: Count) {
    // SAFETY: an element of the map, by contract of the caller.
    unsafe {
        widen(
            &raw mut (*row).sequence_min,
            &raw mut (*row).sequence_max,
            sequence,
        );
        (*row).packets += counted.packets;
        (*row).bytes += counted.bytes;
    }
}
