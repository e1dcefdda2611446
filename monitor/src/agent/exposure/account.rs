//! The books of exposure: what the kernel counts, and what was pending and is credited.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::key::{Class, ExposureKey, FlowState, NetworkId};

use super::judge::Judge;
use super::judged::Judged;
use crate::base::clock::monotonic_ns;
use crate::base::failure::Failure;
use crate::kernel::Counts;
use crate::traffic::counted::{Exposed, Pending};

/// A flow is credited when its last packet without a verdict is so long ago that no program can be
/// about to add one; in units of [`FlowState::last`].
const SETTLED: u32 = 2;
/// A flow without a verdict is given up on when it was silent for so long (a minute); same units.
const IDLE: u32 = 56;

/// Verdicts that wait for their flow to be credited.
const JUDGED: usize = 65_536;
/// A program that was about to add to a flow when the verdict came has done so by then.
const RUNNING_NS: u64 = 50_000_000;

/// What was pending and is not any more.
pub struct Account {
    counts: Arc<Counts>,
    /// By class: what belongs to the rows that the kernel counts.
    credited: HashMap<ExposureKey, Count>,
    /// By direction and network, all classes together; keys have the class [`Class::PENDING`].
    settled: HashMap<ExposureKey, Count>,
    /// Packets whose flow gave its room to others before a verdict came: they are credited as unknown.
    evicted: u64,
    /// Packets of flows that the programs found no room for, when all flows were looked at last.
    refused: u64,
    judged: Receiver<Judged>,
    /// The first of them, not yet old enough.
    next: Option<Judged>,
    judge: SyncSender<Judged>,
}

impl Account {
    /// Books that are closed with these maps.
    #[must_use]
    pub fn new(counts: Arc<Counts>) -> Account {
        let (judge, judged) = sync_channel(JUDGED);
        Account {
            counts,
            credited: HashMap::new(),
            settled: HashMap::new(),
            evicted: 0,
            refused: 0,
            judged,
            next: None,
            judge,
        }
    }

    /// Who judges the flows of these books.
    #[must_use]
    pub fn judge(&self) -> Judge {
        Judge::new(Arc::clone(&self.counts), self.judge.clone())
    }

    /// Credits the flows that got their verdict a moment ago, and makes their room free.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed.
    pub fn settle_judged(&mut self) -> Result<(), Failure> {
        let old = monotonic_ns().saturating_sub(RUNNING_NS);
        while let Some(judged) = self.next.take().or_else(|| self.judged.try_recv().ok()) {
            if judged.time_ns > old {
                self.next = Some(judged);
                break;
            }
            // A new connection between the same ports takes the verdict back, and is none of it.
            if self.counts.verdict(judged.flow)? != Some(judged.class) {
                continue;
            }
            if let Some(state) = self.counts.flows.take(judged.flow)? {
                self.credit(&state, judged.class);
            }
        }
        self.counts.flows.publish()
    }

    /// Credits the flows that have a verdict, or never will. `now` in units of [`FlowState::last`].
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn settle(&mut self, now: u32) -> Result<(), Failure> {
        // In this order: the sums first, so that what is missing in the flows is truly gone.
        let sums = self.counts.exposure()?;
        let flows = self.counts.flows.all()?;
        self.note_lost(&sums, &flows);
        let refused = self.counts.state()?.flows_refused;
        let crowded = if refused == self.refused {
            HashSet::new()
        } else {
            self.counts.flows.crowded(&flows)
        };
        self.refused = refused;
        for (flow, state) in flows {
            let silent = now.saturating_sub(state.last);
            if silent < SETTLED {
                continue;
            }
            let mut given_up = false;
            let class = match self.counts.verdict(flow)? {
                Some(class) => class,
                None if silent >= IDLE => Class::UNKNOWN,
                // Its network has its share, and the next flow is more likely to be judged.
                None if crowded.contains(&state.network()) => {
                    given_up = true;
                    Class::UNKNOWN
                }
                None => continue,
            };
            if let Some(state) = self.counts.flows.take(flow)? {
                self.credit(&state, class);
                if given_up {
                    self.evicted += state.rx_packets + state.tx_packets;
                }
            }
        }
        self.counts.flows.publish()?;
        self.counts.flows.forget_quiet(Instant::now())
    }

    /// Whether the programs have refused flows since all were looked at.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn is_crowded(&self) -> Result<bool, Failure> {
        Ok(self.counts.state()?.flows_refused != self.refused)
    }

    fn credit(&mut self, state: &FlowState, class: Class) {
        for direction in Direction::ALL {
            let network = state.network();
            self.add(direction, network, class, state.count(direction));
        }
    }

    fn add(&mut self, direction: Direction, network: NetworkId, class: Class, count: Count) {
        if count.packets == 0 {
            return;
        }
        let pending = ExposureKey::new(direction, network, Class::PENDING);
        for (map, key) in [
            (&mut self.settled, pending),
            (
                &mut self.credited,
                ExposureKey::new(direction, network, class),
            ),
        ] {
            let total = map.entry(key).or_default();
            total.packets += count.packets;
            total.bytes += count.bytes;
        }
    }

    /// What was counted as pending, is not credited, and is in no flow: a program added it to a flow in the moment
    /// when that was taken out.
    fn note_lost(&mut self, sums: &HashMap<ExposureKey, Count>, flows: &[(u64, FlowState)]) {
        let mut waiting: HashMap<ExposureKey, Count> = HashMap::new();
        for (_, state) in flows {
            for direction in Direction::ALL {
                let network = state.network();
                let key = ExposureKey::new(direction, network, Class::PENDING);
                let total = waiting.entry(key).or_default();
                total.packets += state.count(direction).packets;
                total.bytes += state.count(direction).bytes;
            }
        }
        for (key, sum) in sums {
            if key.class() != Class::PENDING {
                continue;
            }
            let known =
                |map: &HashMap<ExposureKey, Count>| map.get(key).copied().unwrap_or_default();
            let (settled, waiting) = (known(&self.settled), known(&waiting));
            let gone = Count {
                packets: sum
                    .packets
                    .saturating_sub(settled.packets + waiting.packets),
                bytes: sum.bytes.saturating_sub(settled.bytes + waiting.bytes),
            };
            self.evicted += gone.packets;
            self.add(key.direction(), key.network(), Class::UNKNOWN, gone);
        }
    }

    /// Packets that were credited as unknown because their flow gave its room to others.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The books as they stand: under each class, and pending.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn read(&self) -> Result<(Vec<Exposed>, Vec<Pending>, usize), Failure> {
        let sums = self.counts.exposure()?;
        let entries = sums.len();
        let mut exposed: BTreeMap<(u32, u32), Count> = BTreeMap::new();
        let mut pending: BTreeMap<NetworkId, Count> = BTreeMap::new();
        for (key, count) in &sums {
            if key.class() == Class::PENDING {
                let settled = self.settled.get(key).copied().unwrap_or_default();
                let waiting = pending.entry(key.network()).or_default();
                waiting.packets += count.packets.saturating_sub(settled.packets);
                waiting.bytes += count.bytes.saturating_sub(settled.bytes);
                continue;
            }
            exposed.insert((key.network, key.class), *count);
        }
        for (key, count) in &self.credited {
            let total = exposed.entry((key.network, key.class)).or_default();
            total.packets += count.packets;
            total.bytes += count.bytes;
        }
        let exposed = exposed
            .into_iter()
            .map(|((network, class), count)| Exposed {
                key: ExposureKey { network, class },
                count,
            })
            .collect();
        let pending = pending
            .into_iter()
            .map(|(network, count)| Pending {
                network,
                packets: count.packets,
                bytes: count.bytes,
            })
            .collect();
        Ok((exposed, pending, entries))
    }
}

/// Now, in units of [`FlowState::last`].
#[must_use]
pub fn now() -> u32 {
    (monotonic_ns() >> 30) as u32
}
