//! A restart that loses no packet: the programs of one process stay attached, and count, until those of the next one take their
//! places; the next process goes on from the counts of the first.
//!
//! [`Agent::leave`](super::Agent::leave) makes a [`Legacy`]: a record of what was counted, the maps, and what keeps the
//! programs attached. The service manager keeps it between the two processes, which never run at the same time. A
//! [`Predecessor`] is the same on the other side.
//!
//! **Each packet is in exactly one place.** (1) *The record*: what the last page would have shown, made of one reading of the
//! maps, which is in the record too. Before it the slots are emptied, so that from then on programs count in the maps alone.
//! (2) *The old maps*: what they hold beyond that reading when no program counts in them any more: ours took the place of
//! each in one step ([`Owners::left`](crate::kernel::attach::Owners::left)), and those that ran then have ended. (3) *The new
//! maps*. Where the hook of an interface changes there is no such step: packets of that moment are missed or counted twice.

mod inherit;
mod leave;
mod record;
mod shown;

pub use inherit::{Predecessor, detach_left};
pub use leave::Legacy;

/// Start of the name of a map's descriptor; the map's name follows.
const MAP: &str = "map.";
/// Start of the name of a link's descriptor; its [`Place`](crate::kernel::attach::Place) follows.
const LINK: &str = "link.";
/// Name of the record's descriptor.
const RECORD: &str = "record";
