//! Slots: what the programs count without a look-up in a hash map.
//!
//! The agent alone gives slots. It takes one back in steps, so that each packet is in exactly one place: a row, the books
//! here, or the maps. No program uses the row any more; the programs that may have found it before have ended ([`Grace`]);
//! only then what the row holds is booked.
//!
//! [`Grace`]: crate::kernel::grace::Grace

mod esp_slots;
mod flow_slots;
mod mapped;

pub(super) use esp_slots::EspSlots;
pub(super) use flow_slots::FlowSlots;
pub use flow_slots::SlotKey;
