//! A set of VNIs, as firewall rules name them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use monitor_common::wire::VNI_MAX;

/// Most ranges kept. A rule names one VNI; a set of the newest Docker engine names all of them.
const RANGES_MAX: usize = 65_536;

/// The VNIs that rules match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VniSet {
    /// Last VNI of each range by its first one. Ranges neither overlap nor touch.
    ranges: BTreeMap<u32, u32>,
    is_cut: bool,
}

impl VniSet {
    /// Adds a range; one that is empty or exceeds 24 bits is ignored.
    pub(super) fn add(&mut self, range: RangeInclusive<u32>) {
        let (mut from, mut to) = range.into_inner();
        if from > to || to > VNI_MAX {
            return;
        }
        // The one before, and all that begin in it or right behind it, become one with it.
        while let Some((&first, &last)) = self.ranges.range(..=to + 1).next_back()
            && last + 1 >= from
        {
            self.ranges.remove(&first);
            (from, to) = (from.min(first), to.max(last));
        }
        if self.ranges.len() < RANGES_MAX {
            self.ranges.insert(from, to);
        } else {
            self.is_cut = true;
        }
    }

    /// Adds the VNIs of another set.
    pub(super) fn extend(&mut self, other: &VniSet) {
        for (from, to) in &other.ranges {
            self.add(*from..=*to);
        }
        self.is_cut |= other.is_cut;
    }

    /// Whether the set contains a VNI.
    #[must_use]
    pub fn has(&self, vni: u32) -> bool {
        let before = self.ranges.range(..=vni).next_back();
        before.is_some_and(|(_, last)| vni <= *last)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether a range was left out for lack of room.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_merged_and_contain_what_was_added(
            ranges in prop::collection::vec((0_u32..60, 0_u32..12), 0..12)
        ) {
            let (mut set, mut model) = (VniSet::default(), BTreeSet::new());
            for (from, more) in ranges {
                set.add(from..=from + more);
                model.extend(from..=from + more);
            }
            for vni in 0..80 {
                prop_assert_eq!(set.has(vni), model.contains(&vni));
            }
            let ranges: Vec<_> = set.ranges.into_iter().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", ranges);
        }
    }

    #[test]
    fn many_rules_of_the_same_networks_take_no_more_room_and_too_many_are_noted() {
        let mut set = VniSet::default();
        for _ in 0..3 {
            for vni in 0..33_000 {
                set.add(vni * 2..=vni * 2);
            }
        }
        assert!(!set.is_cut() && set.has(65_998) && !set.has(65_999));
        for vni in 33_000..70_000 {
            set.add(vni * 2..=vni * 2);
        }
        assert!(set.is_cut());
        assert!(!set.has(VNI_MAX));
        set.add(VNI_MAX..=VNI_MAX + 1);
        assert!(!set.has(VNI_MAX));
    }
}
