//! What the programs have counted, as typed tables.

use std::collections::HashMap;

use anyhow::anyhow;
use aya::Ebpf;
use aya::maps::Map;
use monitor_common::key::{
    Class, Count, CounterKey, CpuState, EspCount, EspKey, EspNetworkKey, ExposureKey, FlowState,
    NetworkId, ReasonKey,
};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;

use super::peers::Peers;
use super::table::Table;
use crate::base::failure::Failure;

/// The maps that are read or written while the programs run, by whoever holds this.
pub struct Counts {
    counters: Table<{ CounterKey::SIZE }, { Count::SIZE }>,
    esp: Table<{ EspKey::SIZE }, { EspCount::SIZE }>,
    esp_networks: Table<{ EspNetworkKey::SIZE }, { Count::SIZE }>,
    reasons: Table<{ ReasonKey::SIZE }, 8>,
    exposure: Table<{ ExposureKey::SIZE }, { Count::SIZE }>,
    flows: Table<8, { FlowState::SIZE }>,
    verdicts: Table<8, 4>,
    state: Table<4, { CpuState::SIZE }>,
    ipsec: Table<4, 4>,
    /// Cleartext of networks that must be encrypted.
    pub peers: Peers,
}

impl Counts {
    pub(super) fn new(ebpf: &Ebpf, cpus: usize) -> Result<Counts, Failure> {
        let counts = Counts {
            counters: Table::new(map(ebpf, "COUNTERS")?, "COUNTERS", cpus)?,
            esp: Table::new(map(ebpf, "ESP")?, "ESP", cpus)?,
            esp_networks: Table::new(map(ebpf, "ESP_NETWORKS")?, "ESP_NETWORKS", cpus)?,
            reasons: Table::new(map(ebpf, "REASONS")?, "REASONS", cpus)?,
            exposure: Table::new(map(ebpf, "EXPOSURE")?, "EXPOSURE", cpus)?,
            flows: Table::new(map(ebpf, "FLOWS")?, "FLOWS", 1)?,
            verdicts: Table::new(map(ebpf, "VERDICTS")?, "VERDICTS", 1)?,
            state: Table::new(map(ebpf, "STATE")?, "STATE", cpus)?,
            ipsec: Table::new(map(ebpf, "IPSEC")?, "IPSEC", 1)?,
            peers: Peers::new(map(ebpf, "REQUIRED")?, map(ebpf, "PEERS")?)?,
        };
        for direction in Direction::ALL {
            let other = ExposureKey::new(direction, NetworkId::OTHER, Class::UNKNOWN);
            counts
                .exposure
                .ensure(&other.to_bytes(), &[0; Count::SIZE])?;
            let other = EspNetworkKey::other(direction);
            counts
                .esp_networks
                .ensure(&other.to_bytes(), &[0; Count::SIZE])?;
        }
        Ok(counts)
    }
}

fn map<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a Map, Failure> {
    ebpf.map(name)
        .ok_or_else(|| Failure::kernel(anyhow!("the eBPF object has no map {name}: build it anew")))
}

impl Counts {
    /// Makes room for what a packet on this interface must always find: "other", and each reason.
    ///
    /// # Errors
    /// A failure that says which map is full.
    pub fn prepare_interface(&self, ifindex: u32) -> Result<(), Failure> {
        for key in Rows::of(ifindex) {
            match key {
                Row::Counter(key) => self.counters.ensure(&key.to_bytes(), &[0; Count::SIZE])?,
                Row::Esp(key) => self.esp.ensure(&key.to_bytes(), &[0; EspCount::SIZE])?,
                Row::Reason(key) => self.reasons.ensure(&key.to_bytes(), &[0; 8])?,
            }
        }
        Ok(())
    }

    /// Makes the rows of a network that is known on an interface, so that whoever fills the map with others never
    /// takes its place.
    ///
    /// # Errors
    /// A runtime failure, if the map is full.
    pub fn prepare_network(&self, ifindex: u32, vni: u32) -> Result<(), Failure> {
        Direction::ALL.into_iter().try_for_each(|direction| {
            let key = CounterKey::new(ifindex, direction, Encapsulation::Vxlan, vni);
            self.counters.ensure(&key.to_bytes(), &[0; Count::SIZE])
        })
    }

    /// Removes rows that nothing counts in any more.
    ///
    /// # Errors
    /// A runtime failure, if a map refuses.
    pub fn forget(
        &self,
        mut counters: impl Iterator<Item = CounterKey>,
        mut esp: impl Iterator<Item = EspKey>,
        mut reasons: impl Iterator<Item = ReasonKey>,
    ) -> Result<(), Failure> {
        counters.try_for_each(|key| self.counters.remove(&key.to_bytes()))?;
        esp.try_for_each(|key| self.esp.remove(&key.to_bytes()))?;
        reasons.try_for_each(|key| self.reasons.remove(&key.to_bytes()))
    }

    /// Packets and bytes per interface, direction, encapsulation and VNI, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn counters(&self) -> Result<HashMap<CounterKey, Count>, Failure> {
        let mut all = HashMap::new();
        self.counters.each(|key, values| {
            all.insert(CounterKey::from_bytes(key), sum(values));
        })?;
        Ok(all)
    }

    /// Packets, bytes and sequence range per security association, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn esp(&self) -> Result<HashMap<EspKey, EspCount>, Failure> {
        let mut all = HashMap::new();
        self.esp.each(|key, values| {
            all.insert(EspKey::from_bytes(key), sum_esp(values));
        })?;
        Ok(all)
    }

    /// Removes an association; what it had counted at the end. `None` if it was not there.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn take_esp(&self, key: &EspKey) -> Result<Option<EspCount>, Failure> {
        let values = self.esp.take(&key.to_bytes())?;
        Ok(values.map(|values| sum_esp(&mut values.iter())))
    }

    /// Packets and bytes inside ESP per direction, VNI and remote node, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn esp_networks(&self) -> Result<HashMap<EspNetworkKey, Count>, Failure> {
        let mut all = HashMap::new();
        self.esp_networks.each(|key, values| {
            all.insert(EspNetworkKey::from_bytes(key), sum(values));
        })?;
        Ok(all)
    }

    /// Removes a network's packets to or from a node; what was counted at the end. `None` if it was not there.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn take_esp_network(&self, key: &EspNetworkKey) -> Result<Option<Count>, Failure> {
        let values = self.esp_networks.take(&key.to_bytes())?;
        Ok(values.map(|values| sum(&mut values.iter())))
    }

    /// Makes room for a network that is known, so that what is counted of it in ESP is never "other", however many
    /// nodes there are.
    ///
    /// # Errors
    /// A runtime failure, if the map is full.
    pub fn know_network(&self, vni: u32) -> Result<(), Failure> {
        Direction::ALL.into_iter().try_for_each(|direction| {
            let key = EspNetworkKey::of_network(direction, vni);
            self.esp_networks.ensure(&key.to_bytes(), &[0; Count::SIZE])
        })
    }

    /// Packets not understood, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn reasons(&self) -> Result<HashMap<ReasonKey, u64>, Failure> {
        let mut all = HashMap::new();
        self.reasons.each(|key, values| {
            let total = values.map(|value| u64::from_ne_bytes(*value)).sum();
            all.insert(ReasonKey::from_bytes(key), total);
        })?;
        Ok(all)
    }

    /// Packets and bytes per direction, network and class of what can be read, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn exposure(&self) -> Result<HashMap<ExposureKey, Count>, Failure> {
        let mut all = HashMap::new();
        self.exposure.each(|key, values| {
            all.insert(ExposureKey::from_bytes(key), sum(values));
        })?;
        Ok(all)
    }

    /// Flows that have no verdict, or had none.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn flows(&self) -> Result<Vec<(u64, FlowState)>, Failure> {
        let mut all = Vec::new();
        self.flows.each(|key, values| {
            if let Some(value) = values.next() {
                all.push((u64::from_ne_bytes(*key), FlowState::from_bytes(value)));
            }
        })?;
        Ok(all)
    }

    /// Removes a flow; what it had counted at the end. `None` if it was evicted meanwhile.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn take_flow(&self, flow: u64) -> Result<Option<FlowState>, Failure> {
        let value = self.flows.take(&flow.to_ne_bytes())?;
        Ok(value
            .and_then(|value| value.first().copied())
            .map(|value| FlowState::from_bytes(&value)))
    }

    /// The verdict on a flow, as the programs have it.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub fn verdict(&self, flow: u64) -> Result<Option<Class>, Failure> {
        let value = self.verdicts.get(&flow.to_ne_bytes())?;
        Ok(value
            .and_then(|value| value.first().copied())
            .map(|value| Class(u32::from_ne_bytes(value))))
    }

    /// Sets the verdict on a flow: from now on its packets are counted under it.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn set_verdict(&self, flow: u64, class: Class) -> Result<(), Failure> {
        self.verdicts
            .set(&flow.to_ne_bytes(), &class.0.to_ne_bytes())
    }

    /// Tells the programs whether a packet may be one that this host has decrypted.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be changed.
    pub fn set_ipsec(&self, in_use: bool) -> Result<(), Failure> {
        self.ipsec.set(&[0; 4], &u32::from(in_use).to_ne_bytes())
    }

    /// Samples and overflows, all CPUs added up. `countdown` is meaningless in a sum, and 0.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn state(&self) -> Result<CpuState, Failure> {
        let mut total = CpuState::default();
        for value in self.state.get(&[0; 4])?.unwrap_or_default() {
            let value = CpuState::from_bytes(&value);
            total.sent += value.sent;
            total.ring_full += value.ring_full;
            total.counters_overflow += value.counters_overflow;
            total.esp_overflow += value.esp_overflow;
            total.reasons_overflow += value.reasons_overflow;
            total.capped += value.capped;
            total.exposure_overflow += value.exposure_overflow;
            total.decrypted += value.decrypted;
            total.peers_overflow += value.peers_overflow;
            total.esp_networks_overflow += value.esp_networks_overflow;
        }
        Ok(total)
    }
}

fn sum(values: &mut dyn Iterator<Item = &[u8; Count::SIZE]>) -> Count {
    let mut total = Count::default();
    for value in values {
        let value = Count::from_bytes(value);
        total.packets += value.packets;
        total.bytes += value.bytes;
    }
    total
}

fn sum_esp(values: &mut dyn Iterator<Item = &[u8; EspCount::SIZE]>) -> EspCount {
    let mut total = EspCount::default();
    for value in values {
        let value = EspCount::from_bytes(value);
        total.packets += value.packets;
        total.bytes += value.bytes;
        total.later_fragments += value.later_fragments;
        total.sequence_max = total.sequence_max.max(value.sequence_max);
        // 0: this CPU has seen none.
        if value.sequence_min != 0
            && (total.sequence_min == 0 || value.sequence_min < total.sequence_min)
        {
            total.sequence_min = value.sequence_min;
        }
    }
    total
}

/// The rows that an interface has from the start.
struct Rows;

enum Row {
    Counter(CounterKey),
    Esp(EspKey),
    Reason(ReasonKey),
}

impl Rows {
    fn of(ifindex: u32) -> impl Iterator<Item = Row> {
        Direction::ALL.into_iter().flat_map(move |direction| {
            let counters = Encapsulation::ALL
                .into_iter()
                .filter(|encapsulation| encapsulation.has_vni())
                .map(move |encapsulation| {
                    Row::Counter(CounterKey::other(ifindex, direction, encapsulation))
                });
            let without_vni = Encapsulation::ALL
                .into_iter()
                .filter(|encapsulation| !encapsulation.has_vni() && !encapsulation.has_spi())
                .map(move |encapsulation| {
                    Row::Counter(CounterKey::new(ifindex, direction, encapsulation, 0))
                });
            let reasons = Reason::ALL
                .iter()
                .map(move |reason| Row::Reason(ReasonKey::new(ifindex, direction, *reason)));
            let esp = std::iter::once(Row::Esp(EspKey::other(ifindex, direction)));
            counters.chain(without_vni).chain(reasons).chain(esp)
        })
    }
}
