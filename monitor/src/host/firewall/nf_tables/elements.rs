//! The elements of a set of nf_tables, as VNIs.

use crate::base::netlink::{attribute, attributes};
use crate::host::firewall::vni_set::VniSet;
use monitor_common::wire::VNI_MAX;

/// `NFTA_LIST_ELEM`.
const LIST_ELEMENT: u16 = 1;
/// `NFTA_SET_ELEM_KEY`, `_FLAGS`, `_KEY_END`, and in a key `NFTA_DATA_VALUE`.
const KEY: u16 = 1;
const FLAGS: u16 = 3;
const KEY_END: u16 = 10;
const DATA_VALUE: u16 = 1;
/// `NFT_SET_ELEM_INTERVAL_END`: the key is the first after an interval.
const INTERVAL_END: u32 = 1;

/// The VNIs of a set, and where its intervals end.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// Key, and whether an interval has ended before it. In this order an end sorts before a beginning at the same key.
    keys: Vec<(u32, bool)>,
    /// Whether it has intervals.
    has_intervals: bool,
    /// Intervals that have both ends in one element.
    closed: VniSet,
}

impl Elements {
    /// Adds a list of elements; those whose key is no VNI are left out.
    pub(super) fn add(&mut self, list: &[u8]) {
        let elements = attributes(list).filter(|(kind, _)| *kind == LIST_ELEMENT);
        for (_, element) in elements {
            let Some(from) = attribute(element, KEY).and_then(key) else {
                continue;
            };
            let flags = attribute(element, FLAGS).and_then(<[u8]>::first_chunk);
            let ends = flags.is_some_and(|flags| u32::from_be_bytes(*flags) & INTERVAL_END != 0);
            if let Some(to) = attribute(element, KEY_END).and_then(key) {
                self.closed.add(from..=to);
            } else {
                self.has_intervals |= ends;
                self.keys.push((from, !ends));
            }
        }
    }

    /// Passes the VNIs on.
    pub(super) fn add_to(mut self, mut add: impl FnMut(&VniSet)) {
        let mut vnis = self.closed;
        self.keys.sort_unstable();
        let mut begun = None;
        for (key, begins) in self.keys {
            match (self.has_intervals, begins) {
                (false, _) => vnis.add(key..=key),
                (true, true) => begun = begun.or(Some(key)),
                (true, false) => {
                    if let (Some(from), Some(to)) = (begun.take(), key.checked_sub(1)) {
                        vnis.add(from..=to);
                    }
                }
            }
        }
        // An interval without an end reaches up to the last VNI.
        if let Some(from) = begun {
            vnis.add(from..=VNI_MAX);
        }
        add(&vnis);
    }
}

/// A key of three bytes, as they are in a packet.
fn key(data: &[u8]) -> Option<u32> {
    vni(attribute(data, DATA_VALUE)?)
}

/// A VNI as it is in a packet.
pub(super) fn vni(value: &[u8]) -> Option<u32> {
    match value {
        [a, b, c] => Some(u32::from_be_bytes([0, *a, *b, *c])),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
