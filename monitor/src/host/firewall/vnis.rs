//! Sets of VNIs that rules name.

use std::ops::RangeInclusive;

use crate::host::network::VNI_MAX;

/// Ranges that are kept; a rule names one VNI, a set of the newest engine all of them.
const RANGES_MAX: usize = 65_536;

/// VNIs that rules are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vnis(Vec<RangeInclusive<u32>>);

impl Vnis {
    /// Adds a range of VNIs; what is none is left out.
    pub(super) fn add(&mut self, range: RangeInclusive<u32>) {
        if *range.end() <= VNI_MAX && self.0.len() < RANGES_MAX {
            self.0.push(range);
        }
    }

    /// Adds another set.
    pub(super) fn extend(&mut self, other: &Vnis) {
        for range in &other.0 {
            self.add(range.clone());
        }
    }

    /// Whether a VNI is in it.
    #[must_use]
    pub fn has(&self, vni: u32) -> bool {
        self.0.iter().any(|range| range.contains(&vni))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
pub(crate) fn of(vnis: &[u32]) -> Vnis {
    let mut set = Vnis::default();
    for vni in vnis {
        set.add(*vni..=*vni);
    }
    set
}
