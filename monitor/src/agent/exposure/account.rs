//! The account of exposure: what the kernel counts, and what was pending and is credited.

use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use monitor_common::count::{Count, Total};
use monitor_common::direction::Direction;
use monitor_common::key::{Class, ExposureKey, FlowState, Group, NetworkId};

use super::super::exported::Exported;
use super::super::idle_rows::IdleRows;
use super::new_verdict::NewVerdict;
use super::verdict_changes::VerdictChanges;
use super::verdicts::Verdicts;
use crate::base::clock::monotonic_ns;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::base::memory;
use crate::kernel::Counts;
use crate::traffic::counted::{Exposed, Pending};
use crate::traffic::credential_flows::{CredentialFlows, CredentialRow};
use monitor_classify::CredentialKind;

/// A flow is credited this long after its last packet without a verdict: no program can be about to add one
/// then. In units of [`FlowState::last`].
const SETTLED: u32 = 2;
/// A flow without a verdict is credited as unknown after this much silence (a minute); same units.
const IDLE: u32 = 56;

/// New verdicts whose flows wait to be credited.
const NEW_VERDICTS: usize = 65_536;
/// Flows that are credited in one go.
const AT_ONCE: usize = 512;
/// A program that was about to add to a flow when the verdict came has finished by then.
const RUNNING_NS: u64 = 50_000_000;

/// Packets by class: those that the kernel counts under one, and those that were pending until they were credited.
pub struct Account {
    counts: Arc<Counts>,
    /// By class: what belongs to the rows that the kernel counts.
    credited: HashMap<ExposureKey, Count>,
    /// By direction and network, all classes together; keys have the class [`Class::PENDING`].
    settled: HashMap<ExposureKey, Count>,
    /// Packets whose flow was removed for others before a verdict came: they are credited as unknown.
    evicted: u64,
    /// Packets of flows without room in the map, when all flows were last looked at.
    refused: u64,
    new_verdicts: Receiver<NewVerdict>,
    /// The first of them, not yet old enough.
    next: Option<NewVerdict>,
    verdict_changes: VerdictChanges,
    sender: SyncSender<NewVerdict>,
    credential_flows: Arc<Mutex<CredentialFlows>>,
    /// Packets of forgotten networks that were pending and in a flow: part of the sums of the map.
    carried: HashMap<ExposureKey, Count>,
    /// Networks are forgotten, if they are at all.
    silence: Option<Silence>,
    /// The maps are another process's: nothing is changed in them any more.
    is_left: bool,
}

/// Which networks are forgotten.
struct Silence {
    /// Those that nothing describes are, after this time without a packet.
    forget_after: Duration,
    exported: Arc<Mutex<Exported>>,
    networks: IdleRows<NetworkId>,
}

impl Account {
    /// An empty account over these maps.
    #[must_use]
    pub fn new(counts: Arc<Counts>) -> Account {
        let (sender, new_verdicts) = sync_channel(NEW_VERDICTS);
        Account {
            counts,
            credited: HashMap::default(),
            settled: HashMap::default(),
            evicted: 0,
            refused: 0,
            new_verdicts,
            next: None,
            verdict_changes: VerdictChanges::default(),
            sender,
            credential_flows: Arc::default(),
            carried: HashMap::default(),
            silence: None,
            is_left: false,
        }
    }

    /// The same, where networks that nothing describes are forgotten after this time without a packet.
    #[must_use]
    pub(in super::super) fn forgetting_after(
        self,
        forget_after: Duration,
        exported: Arc<Mutex<Exported>>,
    ) -> Account {
        Account {
            silence: Some(Silence {
                forget_after,
                exported,
                networks: IdleRows::default(),
            }),
            ..self
        }
    }

    /// The verdicts on flows, each of which this account learns of.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        Verdicts::new(
            Arc::clone(&self.counts),
            self.sender.clone(),
            Arc::clone(&self.credential_flows),
        )
    }

    /// Flows that showed credentials, by network and kind.
    #[must_use]
    pub fn credential_flows(&self) -> BTreeMap<(NetworkId, CredentialKind), u64> {
        lock(&self.credential_flows).all()
    }

    /// Credits some of the flows with a new verdict, and frees their room. Returns whether there are more: a scrape can take
    /// the account between two calls.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed.
    pub fn settle_classified(&mut self) -> Result<bool, Failure> {
        if self.is_left {
            return Ok(false);
        }
        let changes = self.counts.verdict_changes()?;
        let now = monotonic_ns();
        self.verdict_changes.note(changes, now);
        let old = now.saturating_sub(RUNNING_NS);
        let mut is_more = true;
        for _ in 0..AT_ONCE {
            let next = self.next.take();
            let Some(new) = next.or_else(|| self.new_verdicts.try_recv().ok()) else {
                is_more = false;
                break;
            };
            if new.time_ns > old {
                self.next = Some(new);
                is_more = false;
                break;
            }
            // A SYN has removed the verdict: the flow is a new connection between the same ports.
            if self.verdict_changes.any_since(new.begun_ns)
                && self.counts.verdict(new.flow)? != Some(new.class)
            {
                continue;
            }
            if let Some(state) = self.counts.flows.take(new.flow)? {
                self.credit(&state, new.class);
            }
        }
        self.counts.flows.publish().map(|()| is_more)
    }

    /// Whether [`Account::settle_classified`] has anything to do, now or soon.
    pub fn has_new_verdict(&mut self) -> bool {
        self.next = self
            .next
            .take()
            .or_else(|| self.new_verdicts.try_recv().ok());
        self.next.is_some()
    }

    /// Looks at all flows, and credits those that have a verdict or will not get one. `now` in units of
    /// [`FlowState::last`].
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn settle(&mut self, now: u32) -> Result<(), Failure> {
        if self.is_left {
            return Ok(());
        }
        // The sums are read first, so that what is missing in the flows is truly gone.
        let sums = self.sums()?;
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
                // Its network has its share, and the next flow is more likely to get a verdict.
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
        // Where one of them fails, the others may make the room that it lacks.
        let published = self.counts.flows.publish();
        let tidied = self.counts.tidy_slots(Instant::now());
        let forgotten = self.counts.flows.forget_quiet(Instant::now());
        let silent = self.forget_silent(&sums);
        published.and(tidied).and(forgotten).and(silent)
    }

    /// Removes the rows of networks that nothing describes after their silence.
    fn forget_silent(&mut self, sums: &HashMap<ExposureKey, Count>) -> Result<(), Failure> {
        let Some(silence) = &mut self.silence else {
            return Ok(());
        };
        let mut packets = HashMap::<NetworkId, u64>::default();
        for (key, count) in sums.iter().chain(&self.credited) {
            let network = key.network();
            let is_unknown = network.vni_number().is_some()
                && self.counts.flows.group(network) == Group::Unknown;
            if is_unknown {
                *packets.entry(network).or_default() += count.packets;
            }
        }
        let forget_after = silence.forget_after;
        let idle = silence
            .networks
            .find(packets.into_iter(), forget_after, Instant::now());
        if idle.is_empty() {
            return Ok(());
        }
        let idle: HashSet<NetworkId> = idle.into_iter().collect();
        let keys: Vec<ExposureKey> = sums
            .keys()
            .filter(|key| idle.contains(&key.network()))
            .copied()
            .collect();
        // What is removed is carried, so that nothing is lost if a part cannot be removed.
        let carried = &mut self.carried;
        self.counts
            .take_exposure(&keys, |key, last| carried.entry(key).or_default().add(last))?;

        let mut gone = HashMap::<ExposureKey, Count>::default();
        self.carried.retain(|key, last| {
            if !idle.contains(&key.network()) {
                return true;
            }
            if key.class() == Class::PENDING {
                // The rest is in flows, and will be credited.
                *last = last.since(self.settled.remove(key).unwrap_or_default());
                return !last.is_zero();
            }
            gone.entry(*key).or_default().add(*last);
            false
        });
        self.settled.retain(|key, _| !idle.contains(&key.network()));
        self.credited.retain(|key, count| {
            let is_kept = !idle.contains(&key.network());
            if !is_kept {
                gone.entry(*key).or_default().add(*count);
            }
            is_kept
        });
        memory::shrink(&mut self.carried);
        memory::shrink(&mut self.settled);
        memory::shrink(&mut self.credited);
        let mut exported = silence
            .exported
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (key, last) in gone {
            exported.networks.exposure_left(key, last);
        }
        Ok(())
    }

    /// What was counted under each class, and as pending.
    fn sums(&self) -> Result<HashMap<ExposureKey, Count>, Failure> {
        Ok(self.with_carried(self.counts.exposure()?))
    }

    /// The same of a reading of the map.
    fn with_carried(&self, mut sums: HashMap<ExposureKey, Count>) -> HashMap<ExposureKey, Count> {
        for (key, count) in &self.carried {
            sums.entry(*key).or_default().add(*count);
        }
        sums
    }

    /// Whether the programs have refused flows since all were last looked at.
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
            map.entry(key).or_default().add(count);
        }
    }

    /// Credits as unknown what was counted as pending, is not credited, and is in no flow: a program added it to a
    /// flow while that was being taken out.
    fn note_lost(&mut self, sums: &HashMap<ExposureKey, Count>, flows: &[(u64, FlowState)]) {
        let mut waiting: HashMap<ExposureKey, Count> = HashMap::default();
        for (_, state) in flows {
            for direction in Direction::ALL {
                let network = state.network();
                let key = ExposureKey::new(direction, network, Class::PENDING);
                waiting.entry(key).or_default().add(state.count(direction));
            }
        }
        for (key, sum) in sums {
            if key.class() != Class::PENDING {
                continue;
            }
            let known =
                |map: &HashMap<ExposureKey, Count>| map.get(key).copied().unwrap_or_default();
            let gone = sum.since(known(&self.settled)).since(known(&waiting));
            self.evicted += gone.packets;
            self.add(key.direction(), key.network(), Class::UNKNOWN, gone);
        }
    }

    /// Packets that were credited as unknown because their flow was removed for others.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Takes over what another process had counted, and how many packets of it were evicted. What was pending there is unknown: its
    /// flows are others here.
    pub fn inherit(&mut self, rows: &HashMap<ExposureKey, Count>, evicted: u64) {
        for (key, count) in rows.iter().filter(|(_, count)| !count.is_zero()) {
            let key = match key.class() {
                Class::PENDING => ExposureKey::new(key.direction(), key.network(), Class::UNKNOWN),
                _ => *key,
            };
            self.credited.entry(key).or_default().add(*count);
        }
        self.evicted += evicted;
    }

    /// The maps are another process's from now on.
    pub(in super::super) fn leave(&mut self) {
        self.is_left = true;
    }

    /// What waits for a verdict, in a reading of the map.
    pub(in super::super) fn waiting(
        &self,
        exposure: HashMap<ExposureKey, Count>,
    ) -> HashMap<ExposureKey, Count> {
        let mut waiting = self.with_carried(exposure);
        waiting.retain(|key, count| {
            *count = count.since(self.settled.get(key).copied().unwrap_or_default());
            key.class() == Class::PENDING && !count.is_zero()
        });
        waiting
    }

    /// Flows that showed credentials, for another process.
    pub(in super::super) fn all_credential_flows(&self) -> Vec<CredentialRow> {
        lock(&self.credential_flows).rows().collect()
    }

    /// Takes over the flows that another process had seen to show credentials.
    pub(in super::super) fn inherit_credential_flows(
        &mut self,
        rows: impl Iterator<Item = CredentialRow>,
    ) {
        lock(&self.credential_flows).inherit(rows, Instant::now());
    }

    /// Packets under each class, and pending ones, by network, and how many rows the map has.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn read(&self) -> Result<(Vec<Exposed>, Vec<Pending>, usize), Failure> {
        Ok(self.read_of(self.counts.exposure()?))
    }

    /// The same in a reading of the map.
    #[must_use]
    pub fn read_of(
        &self,
        exposure: HashMap<ExposureKey, Count>,
    ) -> (Vec<Exposed>, Vec<Pending>, usize) {
        let mut sums = self.with_carried(exposure);
        let entries = sums.len();
        for (key, count) in &self.credited {
            sums.entry(*key).or_default().add(*count);
        }
        let mut exposed = Vec::with_capacity(sums.len());
        let mut pending: HashMap<NetworkId, Count> = HashMap::default();
        // A network has a class, too.
        pending.reserve(entries / 2);
        for (key, count) in sums {
            if key.class() == Class::PENDING {
                let settled = self.settled.get(&key).copied().unwrap_or_default();
                pending
                    .entry(key.network())
                    .or_default()
                    .add(count.since(settled));
            } else {
                exposed.push(Exposed { key, count });
            }
        }
        let pending = pending
            .into_iter()
            .map(|(network, count)| Pending {
                network,
                packets: count.packets,
                bytes: count.bytes,
            })
            .collect();
        (exposed, pending, entries)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Now, in units of [`FlowState::last`].
#[must_use]
pub fn now() -> u32 {
    (monotonic_ns() >> 30) as u32
}
