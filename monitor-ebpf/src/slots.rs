//! Counting in slots: see [`monitor_common::slot`].
//!
//! A row is added to by its CPU only, with softirqs off, as in [`crate::count`]. A program that has read a way may be about to
//! add to its row when the agent takes the way out: the agent waits for it (an RCU grace period) before it reads the
//! row for the last time.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::slot::{Line, WAYS, is_of, lines, row, slot};

use crate::maps::{SLOT_LINES, SLOT_ROWS};
use crate::settings;

/// Counts a packet of a flow in the flow's slot; whether it has one, for this interface and VNI.
#[inline(always)]
pub fn count(flow: u64, ifindex: u32, direction: Direction, vni: u32, counted: Count) -> bool {
    let slots = settings::slots();
    if slots == 0 {
        return false;
    }
    let Some(slot) = slot_of(flow) else {
        return false;
    };
    // SAFETY: a helper without arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(row) = SLOT_ROWS.get_ptr_mut(row(cpu, direction as u32, slots, slot)) else {
        return false;
    };
    // SAFETY: this CPU's own row. The agent writes the key of a row only while no way leads to it.
    unsafe {
        // Two flows may have the same tag: whatever the hash does, no packet is counted under another network.
        if (*row).ifindex != ifindex || (*row).vni != vni {
            return false;
        }
        (*row).packets += counted.packets;
        (*row).bytes += counted.bytes;
    }
    true
}

#[inline(always)]
fn slot_of(flow: u64) -> Option<u32> {
    let [first, second] = lines(flow);
    let way = match find(SLOT_LINES.get_ptr_mut(first)?, flow) {
        Some(way) => way,
        None => find(SLOT_LINES.get_ptr_mut(second)?, flow)?,
    };
    Some(slot(way))
}

/// The way of a flow in a line, which is marked as used.
#[inline(always)]
fn find(line: *mut Line, flow: u64) -> Option<u64> {
    macro_rules! try_ways {
        ($($at:literal)+) => {
            $({
                // SAFETY: a word of an element of the map. A mark that is lost only decides what is removed first.
                unsafe {
                    let way = read_volatile(&raw const (*line).ways[$at]);
                    if is_of(way, flow) {
                        if (*line).used[$at] == 0 {
                            (*line).used[$at] = 1;
                        }
                        return Some(way);
                    }
                }
            })+
        };
    }
    const { assert!(WAYS == 7) };
    try_ways!(0 1 2 3 4 5 6);
    None
}

/// Takes the way of a flow out. The agent may put another flow's there at the same moment, which is taken out then: it is
/// counted without a slot until it gets a new one.
#[inline(always)]
pub fn forget(flow: u64) {
    if settings::slots() == 0 {
        return;
    }
    for index in lines(flow) {
        if let Some(line) = SLOT_LINES.get_ptr_mut(index) {
            for at in 0..WAYS {
                // SAFETY: a word of an element of the map, written whole.
                unsafe {
                    let way = &raw mut (*line).ways[at];
                    if is_of(read_volatile(way), flow) {
                        write_volatile(way, 0);
                    }
                }
            }
        }
    }
}
