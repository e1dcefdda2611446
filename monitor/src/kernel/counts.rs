//! What the programs have counted, as typed tables.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aya::Ebpf;
use monitor_common::count::{Count, EspCarried, EspCount, Total};
use monitor_common::cpu_state::CpuState;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::esp_time::{EspTimeCounts, EspTimes};
use monitor_common::key::{
    Class, CounterKey, EspKey, EspNetworkKey, ExposureKey, FlowVerdict, NetworkId, ReasonKey,
};
use monitor_common::packet_time::PacketTimes;
use monitor_common::row_room::RowMap;

use super::count_tables::{CountTables, KnownCounts};
use super::flows::Flows;
use super::interface_rows::{self, Row};
use super::peers::Peers;
use super::rows::Rows;
use super::size::MapSizes;
use super::slots::{EspSlots, FlowSlots, SlotKey};
use super::table::{Table, map, total};
use crate::base::failure::Failure;
use crate::base::hash::HashMap;

/// The maps that are read or written while the programs run.
pub struct Counts {
    pub(super) tables: CountTables,
    pub(super) known: KnownCounts,
    pub(super) rows: Arc<Rows>,
    verdicts: Table<u64, FlowVerdict>,
    verdict_capacity: u32,
    /// Verdicts that this process removed or replaced.
    verdicts_changed: AtomicU64,
    ipsec: Table<u32, u32>,
    esp_times: Table<u32, EspTimes>,
    packet_times: Table<u32, PacketTimes>,
    /// What is counted without a look-up in a hash map; `None` if exposure is not counted.
    pub(super) slots: Option<FlowSlots>,
    pub(super) esp_slots: EspSlots,
    /// Flows without a verdict.
    pub flows: Flows,
    /// Cleartext of networks that must be encrypted.
    pub peers: Peers,
}

impl Counts {
    pub(super) fn new(
        ebpf: &Ebpf,
        cpus: usize,
        sizes: &MapSizes,
        seed: [u64; 4],
    ) -> Result<Counts, Failure> {
        let rows = Arc::new(Rows::new(ebpf, sizes)?);
        let counts = Counts {
            tables: CountTables::new(ebpf, cpus)?,
            known: KnownCounts::new(sizes),
            verdicts: Table::new(map(ebpf, "VERDICTS")?, "VERDICTS", 1)?,
            verdict_capacity: sizes.verdicts,
            verdicts_changed: AtomicU64::new(0),
            ipsec: Table::new(map(ebpf, "IPSEC")?, "IPSEC", 1)?,
            esp_times: Table::new(map(ebpf, "ESP_TIMES")?, "ESP_TIMES", cpus)?,
            packet_times: Table::new(map(ebpf, "PACKET_TIMES")?, "PACKET_TIMES", cpus)?,
            slots: match sizes.slots {
                0 => None,
                slots => Some(FlowSlots::new(ebpf, cpus, slots)?),
            },
            esp_slots: EspSlots::new(ebpf, cpus, sizes.esp_places, seed)?,
            flows: Flows::new(ebpf, sizes.flows, sizes.shares)?,
            peers: Peers::new(
                map(ebpf, "REQUIRED")?,
                map(ebpf, "PEERS")?,
                sizes,
                Arc::clone(&rows),
            )?,
            rows,
        };
        for direction in Direction::ALL {
            let other = ExposureKey::new(direction, NetworkId::OTHER, Class::UNKNOWN);
            counts
                .rows
                .ensure(RowMap::Exposure, &counts.tables.exposure, other)?;
            let other = EspNetworkKey::other(direction);
            counts
                .rows
                .ensure(RowMap::EspNetworks, &counts.tables.esp_networks, other)?;
        }
        Ok(counts)
    }
}

impl Counts {
    /// Inserts the rows that a packet on this interface must always find: "other", and each reason.
    ///
    /// # Errors
    /// A failure that says which map is full.
    pub fn prepare_interface(&self, ifindex: u32) -> Result<(), Failure> {
        for key in interface_rows::of(ifindex) {
            match key {
                Row::Counter(key) => {
                    self.rows
                        .ensure(RowMap::Counters, &self.tables.counters, key)?
                }
                Row::Esp(key) => self.rows.ensure(RowMap::Esp, &self.tables.esp, key)?,
                Row::Reason(key) => self.tables.reasons.ensure(key, 0)?,
            }
        }
        Ok(())
    }

    /// Inserts the rows of a known network on an interface, so that forged VNIs, which may fill the map, cannot displace
    /// it.
    ///
    /// # Errors
    /// A runtime failure, if the map is full.
    pub fn prepare_network(&self, ifindex: u32, vni: u32) -> Result<(), Failure> {
        Direction::ALL.into_iter().try_for_each(|direction| {
            let key = CounterKey::new(ifindex, direction, Encapsulation::Vxlan, vni);
            self.rows
                .ensure(RowMap::Counters, &self.tables.counters, key)
        })
    }

    /// Removes rows in which no program counts any more.
    ///
    /// # Errors
    /// A runtime failure, if a map refuses.
    pub fn forget(
        &self,
        counters: impl Iterator<Item = CounterKey>,
        esp: impl Iterator<Item = EspKey>,
        mut reasons: impl Iterator<Item = ReasonKey>,
    ) -> Result<(), Failure> {
        let counters: Vec<CounterKey> = counters.collect();
        if let Some(slots) = &self.slots {
            slots.take_counters(&counters)?;
        }
        self.rows.remove(
            RowMap::Counters,
            &self.tables.counters,
            counters.into_iter(),
        )?;
        let esp: Vec<EspKey> = esp.collect();
        self.esp_slots.take(&esp)?;
        self.rows
            .remove(RowMap::Esp, &self.tables.esp, esp.into_iter())?;
        reasons.try_for_each(|key| self.tables.reasons.remove(key).map(drop))
    }

    /// Packets and bytes per interface, direction, encapsulation and VNI, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn counters(&self) -> Result<HashMap<CounterKey, Count>, Failure> {
        let mut rows = self
            .known
            .counters
            .totals(&self.rows, &self.tables.counters)?;
        if let Some(slots) = &self.slots {
            slots.add_counters(&mut rows);
        }
        Ok(rows)
    }

    /// Packets, bytes and sequence range per security association, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn esp(&self) -> Result<HashMap<EspKey, EspCount>, Failure> {
        let mut rows = self.known.esp.totals(&self.rows, &self.tables.esp)?;
        self.esp_slots.add(&mut rows);
        Ok(rows)
    }

    /// Counts the busiest associations without a look-up in a hash map from now on. To be called every few seconds, with
    /// what [`Counts::esp`] returned.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs. Nothing that was counted is lost.
    pub fn place_associations(&self, rows: &HashMap<EspKey, EspCount>) -> Result<(), Failure> {
        self.esp_slots.place(rows)
    }

    /// What is counted of an association without a look-up in a hash map; `None` if it has no place for that.
    #[must_use]
    pub fn esp_slot(&self, key: &EspKey) -> Option<EspCount> {
        self.esp_slots.of(key)
    }

    /// Removes rows of `COUNTERS` without losing a packet, and passes the last count of each to `taken`. It blocks until
    /// the programs that run now have ended.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed. What was removed before was passed on all the same.
    pub fn take_counters(
        &self,
        keys: &[CounterKey],
        mut taken: impl FnMut(CounterKey, Count),
    ) -> Result<(), Failure> {
        let mut sums = HashMap::default();
        let removed = self.rows.take(
            RowMap::Counters,
            &self.tables.counters,
            keys,
            |key, values| {
                sums.insert(key, total(values.into_iter()));
            },
        );
        // A flow that counts in a slot meanwhile is as exact there.
        let in_slots = self
            .slots
            .as_ref()
            .map_or_else(|| Ok(HashMap::default()), |slots| slots.take_counters(keys));
        let result = with_slots(&mut sums, in_slots);
        // Also after a failure: what was removed is nowhere else.
        sums.into_iter().for_each(|(key, count)| taken(key, count));
        removed.and(result)
    }

    /// As [`Counts::take_counters`], associations.
    ///
    /// # Errors
    /// See [`Counts::take_counters`].
    pub fn take_esp(
        &self,
        keys: &[EspKey],
        mut taken: impl FnMut(EspKey, EspCount),
    ) -> Result<(), Failure> {
        let mut sums = HashMap::default();
        let removed = self
            .rows
            .take(RowMap::Esp, &self.tables.esp, keys, |key, values| {
                sums.insert(key, total(values.into_iter()));
            });
        let result = with_slots(&mut sums, self.esp_slots.take(keys));
        // Also after a failure: what was removed is nowhere else.
        sums.into_iter().for_each(|(key, count)| taken(key, count));
        removed.and(result)
    }

    /// Packets, bytes inside ESP and bytes that ESP added, per direction, VNI and remote node, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn esp_networks(&self) -> Result<HashMap<EspNetworkKey, EspCarried>, Failure> {
        let known = &self.known.esp_networks;
        known.totals(&self.rows, &self.tables.esp_networks)
    }

    /// Packets in ESP, and samples of their encryption and decryption, by direction and size, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn esp_times(&self) -> Result<EspTimeCounts, Failure> {
        let each = self.esp_times.get(0)?.unwrap_or_default();
        Ok(total(each.iter().map(EspTimes::counts)))
    }

    /// Times of single packets in ESP, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn packet_times(&self) -> Result<PacketTimes, Failure> {
        let each = self.packet_times.get(0)?.unwrap_or_default();
        Ok(total(each.into_iter()))
    }

    /// As [`Counts::take_counters`], networks and nodes in ESP.
    ///
    /// # Errors
    /// See [`Counts::take_counters`].
    pub fn take_esp_networks(
        &self,
        keys: &[EspNetworkKey],
        mut taken: impl FnMut(EspNetworkKey, EspCarried),
    ) -> Result<(), Failure> {
        let table = &self.tables.esp_networks;
        self.rows
            .take(RowMap::EspNetworks, table, keys, |key, values| {
                taken(key, total(values.into_iter()));
            })
    }

    /// Inserts the rows of a known network, so that its packets in ESP are never counted as "other", however many nodes
    /// there are.
    ///
    /// # Errors
    /// A runtime failure, if the map is full.
    pub fn know_network(&self, vni: u32) -> Result<(), Failure> {
        Direction::ALL.into_iter().try_for_each(|direction| {
            let key = EspNetworkKey::of_network(direction, vni);
            self.rows
                .ensure(RowMap::EspNetworks, &self.tables.esp_networks, key)
        })
    }

    /// Packets that were not parsed, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn reasons(&self) -> Result<HashMap<ReasonKey, u64>, Failure> {
        self.tables.reasons.totals()
    }

    /// Packets and bytes per direction, network and verdict, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn exposure(&self) -> Result<HashMap<ExposureKey, Count>, Failure> {
        let mut rows = self
            .known
            .exposure
            .totals(&self.rows, &self.tables.exposure)?;
        if let Some(slots) = &self.slots {
            slots.add_exposure(&mut rows);
        }
        Ok(rows)
    }

    /// As [`Counts::take_counters`], rows of `EXPOSURE`.
    ///
    /// # Errors
    /// See [`Counts::take_counters`].
    pub fn take_exposure(
        &self,
        keys: &[ExposureKey],
        mut taken: impl FnMut(ExposureKey, Count),
    ) -> Result<(), Failure> {
        let mut sums = HashMap::default();
        let removed = self.rows.take(
            RowMap::Exposure,
            &self.tables.exposure,
            keys,
            |key, values| {
                sums.insert(key, total(values.into_iter()));
            },
        );
        // A flow that counts in a slot meanwhile is as exact there.
        let in_slots = self
            .slots
            .as_ref()
            .map_or_else(|| Ok(HashMap::default()), |slots| slots.take_exposure(keys));
        let result = with_slots(&mut sums, in_slots);
        // Also after a failure: what was removed is nowhere else.
        sums.into_iter().for_each(|(key, count)| taken(key, count));
        removed.and(result)
    }

    /// The verdict on a flow, as the programs have it.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn verdict(&self, flow: u64) -> Result<Option<Class>, Failure> {
        Ok(self.verdict_in_use(flow)?.map(|(class, _)| class))
    }

    /// How many verdicts there is room for.
    #[must_use]
    pub fn verdict_capacity(&self) -> u32 {
        self.verdict_capacity
    }

    /// The verdict on a flow, and whether packets were counted under it since it was set or rested.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn verdict_in_use(&self, flow: u64) -> Result<Option<(Class, bool)>, Failure> {
        let verdict = self.verdicts.get_one(flow)?;
        Ok(verdict.map(|verdict| {
            let in_slot = || self.slots.as_ref().and_then(|slots| slots.is_used(flow));
            let used = verdict.used != 0 || in_slot() == Some(true);
            (Class(verdict.class), used)
        }))
    }

    /// Sets the verdict on a flow: from now on its packets are counted under it.
    ///
    /// # Errors
    /// A runtime failure, if the map is full or cannot be changed.
    pub fn set_verdict(&self, flow: u64, class: Class) -> Result<(), Failure> {
        if let Some(slots) = &self.slots {
            slots.take(flow);
        }
        self.verdicts.set(flow, unused(class))
    }

    /// The same of a flow that has had one.
    ///
    /// # Errors
    /// See [`Counts::set_verdict`].
    pub fn replace_verdict(&self, flow: u64, class: Class) -> Result<(), Failure> {
        self.verdicts_changed.fetch_add(1, Ordering::Release);
        self.set_verdict(flow, class)
    }

    /// How many verdicts were removed or replaced so far, by this process or by the programs.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn verdict_changes(&self) -> Result<u64, Failure> {
        let changed = self.verdicts_changed.load(Ordering::Acquire);
        Ok(changed + self.state()?.verdicts_forgotten)
    }

    /// Counts the packets of a flow, on which there is a verdict, without a look-up in a hash map from now on, if there
    /// is room. `place` says what they are: VXLAN packets of this VNI on this interface, under the flow's verdict.
    pub fn give_slot(&self, flow: u64, place: SlotKey) {
        if let Some(slots) = &self.slots {
            slots.put(flow, place, self.flows.group(NetworkId::vni(place.vni)));
        }
    }

    /// Whether a flow is counted without a look-up in a hash map.
    #[must_use]
    pub fn has_slot(&self, flow: u64) -> bool {
        let slots = self.slots.as_ref();
        slots.is_some_and(|slots| slots.is_used(flow).is_some())
    }

    /// Counts flows in the maps again, instead of in the slots of these keys. What the slots hold is booked.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs. Then these slots stay given.
    pub fn reclaim_slots(&self, which: impl Fn(&SlotKey) -> bool) -> Result<(), Failure> {
        self.slots
            .as_ref()
            .map_or(Ok(()), |slots| slots.reclaim(which))
    }

    /// Where slots run out, reclaims those of flows that have ended.
    ///
    /// # Errors
    /// A runtime failure, if the kernel refuses to wait for its programs.
    pub fn tidy_slots(&self, now: Instant) -> Result<(), Failure> {
        self.slots.as_ref().map_or(Ok(()), |slots| slots.tidy(now))
    }

    /// Marks a verdict as unused until the next packet is counted under it. Does nothing if a program has removed it.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn rest_verdict(&self, flow: u64, class: Class) -> Result<(), Failure> {
        if let Some(slots) = &self.slots {
            slots.rest(flow);
        }
        self.verdicts.replace(flow, unused(class))
    }

    /// Removes the verdict on a flow: its packets are pending from now on.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn remove_verdict(&self, flow: u64) -> Result<(), Failure> {
        self.verdicts_changed.fetch_add(1, Ordering::Release);
        if let Some(slots) = &self.slots {
            slots.take(flow);
        }
        self.verdicts.remove(flow).map(drop)
    }

    /// Sets whether a packet may be one that this host's IPsec has decrypted, so that the programs must ask.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn set_ipsec(&self, in_use: bool) -> Result<(), Failure> {
        self.ipsec.set(0, u32::from(in_use))
    }

    /// Samples and overflows, all CPUs added up; [`CpuState::countdown`] is 0.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn state(&self) -> Result<CpuState, Failure> {
        self.tables.state()
    }
}

/// Adds what slots had counted to what the maps had.
fn with_slots<K: Eq + Hash, V: Total>(
    sums: &mut HashMap<K, V>,
    in_slots: Result<HashMap<K, V>, Failure>,
) -> Result<(), Failure> {
    for (key, count) in in_slots? {
        sums.entry(key).or_default().add(count);
    }
    Ok(())
}

/// A verdict under which no packet was counted yet.
fn unused(class: Class) -> FlowVerdict {
    FlowVerdict {
        class: class.0,
        used: 0,
    }
}
