//! The networks that a table lists: all known ones, and the busiest of the others.

use std::cmp::Reverse;

use crate::base::plural::counted;
use crate::policy::NetworkStatus;

/// Unknown networks that are listed, one a line: a scan of VNIs fills the map.
const UNKNOWN: usize = 20;

/// The networks of a table.
#[derive(Clone, Debug, Default)]
pub struct Listed<'a> {
    /// In their original order.
    pub rows: Vec<&'a NetworkStatus>,
    /// Other unknown networks.
    pub more: usize,
    /// Their packets in cleartext.
    pub cleartext: u64,
    /// Their packets in ESP.
    pub encrypted: u64,
}

impl<'a> Listed<'a> {
    /// Selects from all networks.
    #[must_use]
    pub fn of(all: &[&'a NetworkStatus]) -> Listed<'a> {
        let packets = |status: &NetworkStatus| {
            let seen = &status.seen;
            seen.cleartext_packets()
                .saturating_add(seen.encrypted_packets())
        };
        let mut unknown: Vec<&NetworkStatus> = all
            .iter()
            .copied()
            .filter(|status| status.network.is_none())
            .collect();
        unknown.sort_by_key(|status| (Reverse(packets(status)), status.vni));
        let left = unknown.split_off(unknown.len().min(UNKNOWN));
        let last = unknown
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

    /// The line on the networks that are not listed, if there are any.
    #[must_use]
    pub fn rest(&self) -> Option<String> {
        (self.more != 0).then(|| {
            format!(
                "and {}: {} in cleartext, {} in ESP",
                counted(self.more, "more unknown network"),
                counted(self.cleartext, "packet"),
                self.encrypted
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
    fn all_known_networks_and_the_busiest_of_the_others_are_listed() {
        let named = audit(Requirement::Required, State::Cleartext)
            .report
            .networks;
        let unknown = |vni: u32| {
            let mut status = named[0].clone();
            status.vni = vni;
            status.network = None;
            status.seen.cleartext[0].packets = u64::from(vni % 50);
            status
        };
        let scan: Vec<NetworkStatus> = (1000..1050).map(unknown).collect();
        let all: Vec<&NetworkStatus> = scan.iter().chain(&named).collect();
        let listed = Listed::of(&all);
        assert_eq!(listed.rows.len(), UNKNOWN + named.len());
        assert_eq!(listed.more, 50 - UNKNOWN);
        assert!(
            listed
                .rows
                .windows(2)
                .all(|two| { two[0].vni < two[1].vni || two[1].network.is_some() })
        );
        assert!(listed.rows.iter().any(|status| status.vni == 1049));
        assert_eq!(listed.rows.last().unwrap().vni, named.last().unwrap().vni);
        assert!(
            listed
                .rest()
                .unwrap()
                .starts_with("and 30 more unknown networks")
        );
        assert!(Listed::of(&all[..3]).rest().is_none());
    }
}
