//! A set of VNIs, as firewall rules name them.

use std::ops::RangeInclusive;

use monitor_common::wire::VNI_MAX;

/// Most ranges kept. A rule names one VNI; a set of the newest Docker engine names all of them.
const RANGES_MAX: usize = 65_536;

/// The VNIs that rules match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VniSet(Vec<RangeInclusive<u32>>);

impl VniSet {
    /// Adds a range; one that is empty or exceeds 24 bits is ignored.
    pub(super) fn add(&mut self, range: RangeInclusive<u32>) {
        if !range.is_empty() && *range.end() <= VNI_MAX && self.0.len() < RANGES_MAX {
            self.0.push(range);
        }
    }

    /// Adds the VNIs of another set.
    pub(super) fn extend(&mut self, other: &VniSet) {
        for range in &other.0 {
            self.add(range.clone());
        }
    }

    /// Whether the set contains a VNI.
    #[must_use]
    pub fn has(&self, vni: u32) -> bool {
        self.0.iter().any(|range| range.contains(&vni))
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
pub(crate) fn of(vnis: &[u32]) -> VniSet {
    let mut set = VniSet::default();
    for vni in vnis {
        set.add(*vni..=*vni);
    }
    set
}
