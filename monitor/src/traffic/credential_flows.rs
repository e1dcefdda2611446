//! Flows that showed credentials, counted by network and kind.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use monitor_classify::CredentialKind;
use monitor_common::key::{Group, NetworkId};

/// Flows and kinds of one generation that were counted; two are kept, so that a flow is counted once.
const GENERATION: usize = 32_768;
/// Rows of networks that nothing describes, whose VNIs may be forged. Further ones are counted as `other`.
const UNDESCRIBED: usize = 1024;
/// A row that has not grown for so long makes room: its count moves to `other`, so no sum goes down.
const IDLE: Duration = Duration::from_secs(3600);
/// The rows are searched for idle ones at most this often.
const SEARCH: Duration = Duration::from_secs(10);

type Row = (NetworkId, CredentialKind);

/// Flows of a network that showed credentials of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialRow {
    /// The network.
    pub network: NetworkId,
    /// What they showed.
    pub kind: CredentialKind,
    /// Whether anything describes the network.
    pub group: Group,
    /// How many.
    pub flows: u64,
}

/// The counts since the start.
#[derive(Debug, Default)]
pub struct CredentialFlows {
    young: HashSet<(u64, CredentialKind)>,
    old: HashSet<(u64, CredentialKind)>,
    rows: BTreeMap<Row, Counted>,
    undescribed: usize,
    searched: Option<Instant>,
}

#[derive(Debug)]
struct Counted {
    flows: u64,
    group: Group,
    last: Instant,
}

impl CredentialFlows {
    /// Forgets the flows that were counted before this was called last: one that is seen again is counted again.
    pub fn forget_old(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }

    /// Counts a flow of a network under each of these kinds, once.
    pub fn note(
        &mut self,
        flow: u64,
        network: NetworkId,
        group: Group,
        kinds: &[CredentialKind],
        now: Instant,
    ) {
        for kind in kinds {
            let seen = (flow, *kind);
            if self.young.contains(&seen) {
                continue;
            }
            let is_new = !self.old.remove(&seen);
            self.young.insert(seen);
            if self.young.len() >= GENERATION {
                self.old = std::mem::take(&mut self.young);
            }
            if is_new {
                self.count((network, *kind), group, 1, now);
            }
        }
    }

    fn count(&mut self, (network, kind): Row, group: Group, flows: u64, now: Instant) {
        // Traffic outside any overlay, and the sum of the others, are one row for each kind.
        let group = match network {
            NetworkId::HOST | NetworkId::OTHER => Group::Described,
            _ => group,
        };
        let is_known = self.rows.contains_key(&(network, kind));
        if !is_known && group == Group::Unknown && !self.has_room(now) {
            return self.count((NetworkId::OTHER, kind), Group::Described, flows, now);
        }
        self.undescribed += usize::from(!is_known && group == Group::Unknown);
        let row = self.rows.entry((network, kind)).or_insert(Counted {
            flows: 0,
            group,
            last: now,
        });
        row.flows += flows;
        row.last = now;
    }

    /// Each row, for another process.
    pub fn rows(&self) -> impl Iterator<Item = CredentialRow> {
        let rows = self.rows.iter();
        rows.map(|((network, kind), counted)| CredentialRow {
            network: *network,
            kind: *kind,
            group: counted.group,
            flows: counted.flows,
        })
    }

    /// Adds the rows of another process.
    pub fn inherit(&mut self, rows: impl Iterator<Item = CredentialRow>, now: Instant) {
        for row in rows {
            self.count((row.network, row.kind), row.group, row.flows, now);
        }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let is_due = self
            .searched
            .is_none_or(|at| now.duration_since(at) >= SEARCH);
        if self.undescribed >= UNDESCRIBED && is_due {
            self.searched = Some(now);
            self.fold_idle(now);
        }
        self.undescribed < UNDESCRIBED
    }

    fn fold_idle(&mut self, now: Instant) {
        let is_idle = |counted: &Counted| {
            counted.group == Group::Unknown && now.duration_since(counted.last) >= IDLE
        };
        let idle: Vec<Row> = self
            .rows
            .iter()
            .filter(|(_, counted)| is_idle(counted))
            .map(|(row, _)| *row)
            .collect();
        for row in idle {
            if let Some(counted) = self.rows.remove(&row) {
                self.undescribed -= 1;
                let other = self.rows.entry((NetworkId::OTHER, row.1));
                other
                    .or_insert(Counted {
                        flows: 0,
                        group: Group::Described,
                        last: now,
                    })
                    .flows += counted.flows;
            }
        }
    }

    /// Flows by network and kind.
    #[must_use]
    pub fn all(&self) -> BTreeMap<(NetworkId, CredentialKind), u64> {
        self.rows
            .iter()
            .map(|(row, counted)| (*row, counted.flows))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: &[CredentialKind] = &[CredentialKind::Cookie];
    const BOTH: &[CredentialKind] = &[CredentialKind::Cookie, CredentialKind::HttpBasic];

    #[test]
    fn a_flow_is_counted_once_for_each_kind() {
        let now = Instant::now();
        let mut flows = CredentialFlows::default();
        let network = NetworkId::vni(4096);
        flows.note(1, network, Group::Described, COOKIE, now);
        flows.note(1, network, Group::Described, BOTH, now);
        flows.note(2, network, Group::Described, COOKIE, now);
        flows.note(3, NetworkId::HOST, Group::Unknown, COOKIE, now);
        let expected = [
            ((network, CredentialKind::Cookie), 2),
            ((network, CredentialKind::HttpBasic), 1),
            ((NetworkId::HOST, CredentialKind::Cookie), 1),
        ];
        assert_eq!(flows.all(), BTreeMap::from(expected));
    }

    #[test]
    fn forged_networks_take_no_room_from_described_ones_and_none_for_ever() {
        let start = Instant::now();
        let mut flows = CredentialFlows::default();
        let forge = |flows: &mut CredentialFlows, vnis: std::ops::Range<u32>, now| {
            for vni in vnis {
                let network = NetworkId::vni(vni);
                flows.note(vni.into(), network, Group::Unknown, COOKIE, now);
            }
        };
        let of = |flows: &CredentialFlows, network| {
            flows.all().get(&(network, CredentialKind::Cookie)).copied()
        };
        forge(&mut flows, 0..100_000, start);
        assert_eq!(flows.all().len(), UNDESCRIBED + 1);
        assert_eq!(
            of(&flows, NetworkId::OTHER),
            Some(100_000 - UNDESCRIBED as u64)
        );
        flows.note(
            u64::MAX,
            NetworkId::vni(200_000),
            Group::Described,
            COOKIE,
            start,
        );
        assert_eq!(of(&flows, NetworkId::vni(200_000)), Some(1));
        assert!(flows.young.len() + flows.old.len() <= 2 * GENERATION);
        // An hour later the room is free again, and the sum is what it was.
        let before: u64 = flows.all().values().sum();
        forge(&mut flows, 300_000..300_001, start + IDLE);
        assert_eq!(of(&flows, NetworkId::vni(300_000)), Some(1));
        assert_eq!(of(&flows, NetworkId::vni(200_000)), Some(1));
        assert_eq!(flows.all().values().sum::<u64>(), before + 1);
    }
}
