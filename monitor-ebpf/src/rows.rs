//! Rows that programs insert into the maps of counts: how many they may have, and which ones are being removed.
//!
//! The agent removes a row without losing a packet in four steps: it lists the row in `LEAVING`, sets [`REMOVING`], waits
//! until every program that may have read 0 there has ended, then reads and deletes the row. Meanwhile packets of the row
//! are counted as "other". So no program adds to a row that is deleted.

use core::ptr::read_volatile;

use monitor_common::key::{Group, NetworkId};
use monitor_common::row_room::RowMap;

use crate::atomic::atomic_add;
use crate::maps::{INSERTED, LEAVING, RETURNED, ROWS_ROOM};
use crate::settings;

/// Not 0 while rows of `LEAVING` are being removed. Written by user space only; in a section of its own, because user
/// space writes the whole section.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.removing")]
static REMOVING: u32 = 0;

/// Whether a row must not be used, because it is being removed. `row` returns its key in `LEAVING`.
#[inline(always)]
pub fn is_leaving(row: impl FnOnce() -> u64) -> bool {
    // SAFETY: a static, always valid. Volatile, because user space changes it.
    if unsafe { read_volatile(&raw const REMOVING) } == 0 {
        return false;
    }
    is_listed(row())
}

#[inline(never)]
fn is_listed(row: u64) -> bool {
    LEAVING.get_ptr_mut(row).is_some()
}

/// Whether programs may insert one more row. Looking for room in a full map would take the locks of all CPUs.
#[inline(always)]
pub fn has_room(map: RowMap, group: impl FnOnce() -> Group) -> bool {
    let (Some(inserted), Some(room)) = (
        INSERTED.get_ptr_mut(map as u32),
        ROWS_ROOM.get_ptr_mut(map as u32),
    ) else {
        return false;
    };
    // SAFETY: aligned words of the maps. They are read one after the other, and may be off by one row per CPU.
    let (live, limit, described) = unsafe {
        (
            (*inserted).saturating_sub((*room).returned),
            (*room).limit,
            (*room).described,
        )
    };
    live < limit || live < described && matches!(group(), Group::Described)
}

/// Counts a row that was inserted.
#[inline(always)]
pub fn inserted(map: RowMap) {
    if let Some(inserted) = INSERTED.get_ptr_mut(map as u32) {
        // SAFETY: an aligned word of the map.
        unsafe { atomic_add(inserted, 1) };
    }
}

/// The group of a network. All are [`Group::Unknown`] where exposure is not counted.
#[inline(always)]
pub fn group(network: NetworkId) -> Group {
    if !settings::exposure_on() {
        return Group::Unknown;
    }
    match RETURNED.get_ptr_mut(network.0) {
        // SAFETY: an element of the map; the agent replaces it whole.
        Some(returned) => Group::from_bit(unsafe { (*returned).group }),
        None => Group::Unknown,
    }
}
