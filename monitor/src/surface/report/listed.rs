//! Which networks a table lists: all that somebody named, and the busiest of the others.

use std::cmp::Reverse;

use crate::policy::NetworkStatus;

/// Networks that nobody named and that are listed, each on a line: a scan of VNIs fills the map.
const NAMELESS: usize = 20;

/// The networks of a table.
#[derive(Clone, Debug, Default)]
pub struct Listed<'a> {
    /// In the order in which they came.
    pub rows: Vec<&'a NetworkStatus>,
    /// Others, of which nobody knows a name or a policy.
    pub more: usize,
    /// Packets of those, in cleartext.
    pub cleartext: u64,
    /// The same, in ESP.
    pub encrypted: u64,
}

impl<'a> Listed<'a> {
    /// Chooses from these.
    #[must_use]
    pub fn of(all: &[&'a NetworkStatus]) -> Listed<'a> {
        let packets = |status: &NetworkStatus| {
            let seen = &status.seen;
            seen.cleartext_packets()
                .saturating_add(seen.encrypted_packets())
        };
        let mut nameless: Vec<&NetworkStatus> = all
            .iter()
            .copied()
            .filter(|status| status.network.is_none())
            .collect();
        nameless.sort_by_key(|status| (Reverse(packets(status)), status.vni));
        let left = nameless.split_off(nameless.len().min(NAMELESS));
        let last = nameless
            .last()
            .map(|status| (Reverse(packets(status)), status.vni));
        let is_listed = |status: &&&NetworkStatus| {
            status.network.is_some() || Some((Reverse(packets(status)), status.vni)) <= last
        };
        Listed {
            rows: all.iter().filter(is_listed).copied().collect(),
            more: left.len(),
            cleartext: left
                .iter()
                .map(|status| status.seen.cleartext_packets())
                .sum(),
            encrypted: left
                .iter()
                .map(|status| status.seen.encrypted_packets())
                .sum(),
        }
    }

    /// What is said of the others, if there are any.
    #[must_use]
    pub fn rest(&self) -> Option<String> {
        (self.more != 0).then(|| {
            format!(
                "and {} more networks that nobody named: {} packets in cleartext, {} in ESP",
                self.more, self.cleartext, self.encrypted
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Requirement, State};
    use crate::surface::report::tests::audit;

    #[test]
    fn all_that_have_a_name_and_the_busiest_of_the_others() {
        let named = audit(Requirement::Required, State::Cleartext)
            .report
            .networks;
        let nameless = |vni: u32| {
            let mut status = named[0].clone();
            status.vni = vni;
            status.network = None;
            status.seen.cleartext[0].packets = u64::from(vni % 50);
            status
        };
        let scan: Vec<NetworkStatus> = (1000..1050).map(nameless).collect();
        let all: Vec<&NetworkStatus> = scan.iter().chain(&named).collect();
        let listed = Listed::of(&all);
        assert_eq!(listed.rows.len(), NAMELESS + named.len());
        assert_eq!(listed.more, 50 - NAMELESS);
        assert!(
            listed
                .rows
                .windows(2)
                .all(|two| { two[0].vni < two[1].vni || two[1].network.is_some() })
        );
        assert!(listed.rows.iter().any(|status| status.vni == 1049));
        assert_eq!(listed.rows.last().unwrap().vni, named.last().unwrap().vni);
        assert!(listed.rest().unwrap().starts_with("and 30 more networks"));
        assert!(Listed::of(&all[..3]).rest().is_none());
    }
}
