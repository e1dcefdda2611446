//! The maps that count, of this process or of one that left them.

use std::hash::Hash;

use aya::Ebpf;
use monitor_common::count::{Count, EspCarried, EspCount, Total};
use monitor_common::cpu_state::CpuState;
use monitor_common::key::{CounterKey, EspKey, EspNetworkKey, ExposureKey, ReasonKey};
use monitor_common::row_room::RowMap;

use super::known_rows::KnownRows;
use super::size::MapSizes;
use super::table::{Table, map};
use crate::base::failure::Failure;
use crate::base::hash::HashMap;

/// The maps that count packets, but for cleartext where it is forbidden.
pub(super) struct CountTables {
    pub(super) counters: Table<CounterKey, Count>,
    pub(super) esp: Table<EspKey, EspCount>,
    pub(super) esp_networks: Table<EspNetworkKey, EspCarried>,
    pub(super) reasons: Table<ReasonKey, u64>,
    pub(super) exposure: Table<ExposureKey, Count>,
    pub(super) state: Table<u32, CpuState>,
}

/// What is known of the keys of those into which programs insert rows.
pub(super) struct KnownCounts {
    pub(super) counters: KnownRows<CounterKey>,
    pub(super) esp: KnownRows<EspKey>,
    pub(super) esp_networks: KnownRows<EspNetworkKey>,
    pub(super) exposure: KnownRows<ExposureKey>,
}

impl KnownCounts {
    pub(super) fn new(sizes: &MapSizes) -> KnownCounts {
        KnownCounts {
            counters: KnownRows::new(RowMap::Counters, sizes.counters),
            esp: KnownRows::new(RowMap::Esp, sizes.esp),
            esp_networks: KnownRows::new(RowMap::EspNetworks, sizes.esp_networks),
            exposure: KnownRows::new(RowMap::Exposure, sizes.exposure),
        }
    }
}

/// What the maps held at one moment, all CPUs added up.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// `COUNTERS`.
    pub counters: HashMap<CounterKey, Count>,
    /// `ESP`.
    pub esp: HashMap<EspKey, EspCount>,
    /// `ESP_NETWORKS`.
    pub esp_networks: HashMap<EspNetworkKey, EspCarried>,
    /// `REASONS`.
    pub reasons: HashMap<ReasonKey, u64>,
    /// `EXPOSURE`.
    pub exposure: HashMap<ExposureKey, Count>,
    /// `STATE`; [`CpuState::countdown`] is 0.
    pub state: CpuState,
}

impl CountTables {
    pub(super) fn new(ebpf: &Ebpf, cpus: usize) -> Result<CountTables, Failure> {
        Ok(CountTables {
            counters: Table::new(map(ebpf, "COUNTERS")?, "COUNTERS", cpus)?,
            esp: Table::new(map(ebpf, "ESP")?, "ESP", cpus)?,
            esp_networks: Table::new(map(ebpf, "ESP_NETWORKS")?, "ESP_NETWORKS", cpus)?,
            reasons: Table::new(map(ebpf, "REASONS")?, "REASONS", cpus)?,
            exposure: Table::new(map(ebpf, "EXPOSURE")?, "EXPOSURE", cpus)?,
            state: Table::new(map(ebpf, "STATE")?, "STATE", cpus)?,
        })
    }

    /// Walks through all maps.
    pub(super) fn read(&self) -> Result<Reading, Failure> {
        Ok(Reading {
            counters: self.counters.totals()?,
            esp: self.esp.totals()?,
            esp_networks: self.esp_networks.totals()?,
            reasons: self.reasons.totals()?,
            exposure: self.exposure.totals()?,
            state: self.state()?,
        })
    }

    pub(super) fn state(&self) -> Result<CpuState, Failure> {
        let mut total = CpuState::default();
        for state in self.state.get(0)?.unwrap_or_default() {
            total.add(&state);
        }
        Ok(total)
    }
}

impl Reading {
    /// What was counted since another reading of the same maps.
    #[must_use]
    pub fn since(mut self, before: &Reading) -> Reading {
        each_since(&mut self.counters, &before.counters);
        each_since(&mut self.esp, &before.esp);
        each_since(&mut self.esp_networks, &before.esp_networks);
        each_since(&mut self.reasons, &before.reasons);
        each_since(&mut self.exposure, &before.exposure);
        self.state = self.state.since(&before.state);
        self
    }
}

/// Leaves of each row what was counted since `before`, and no row in which nothing was.
fn each_since<K: Eq + Hash, V: Total>(rows: &mut HashMap<K, V>, before: &HashMap<K, V>) {
    rows.retain(|key, count| {
        *count = count.since(before.get(key).copied().unwrap_or_default());
        !count.is_zero()
    });
}
