//! How large the maps are: bounded, whatever the traffic and however many CPUs.

use monitor_common::key::CpuState;

/// Memory that all maps together may take, in bytes.
const BUDGET: u64 = 64 << 20;

/// How full a map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapUse {
    /// Name of the map, in lower case.
    pub map: &'static str,
    /// Entries in it.
    pub entries: u64,
    /// Entries that it has room for.
    pub capacity: u64,
    /// Packets that found no entry of their own, and were counted as "other".
    pub overflow_packets: u64,
}

/// Entries of each map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSizes {
    /// `COUNTERS`.
    pub counters: u32,
    /// `ESP`.
    pub esp: u32,
    /// `REASONS`.
    pub reasons: u32,
    /// `FLOWS`.
    pub flows: u32,
    /// `SAMPLES`, in bytes.
    pub ring_bytes: u32,
}

impl MapSizes {
    /// The sizes for a host with this many possible CPUs: per-CPU maps multiply by it.
    #[must_use]
    pub fn for_cpus(cpus: usize, ring_bytes: u32) -> MapSizes {
        let mut sizes = MapSizes {
            counters: 36_864,
            esp: 4_096,
            // 128 interfaces: 64 that are watched, and as many that are gone and not yet put away.
            reasons: 4_096,
            flows: 131_072,
            ring_bytes,
        };
        while sizes.bytes(cpus) > BUDGET && sizes.counters > 1_024 {
            sizes.counters /= 2;
            sizes.esp /= 2;
            sizes.flows /= 2;
        }
        if sizes.counters < 36_864 {
            tracing::warn!(
                cpus,
                networks = sizes.counters,
                associations = sizes.esp,
                flows = sizes.flows,
                "many CPUs: maps made smaller, to stay within {} MiB of kernel memory",
                BUDGET >> 20
            );
        }
        sizes
    }

    /// Kernel memory of all maps, in bytes: keys, values and about 64 bytes for each hash element.
    #[must_use]
    pub fn bytes(&self, cpus: usize) -> u64 {
        let cpus = cpus as u64;
        let element = 64;
        u64::from(self.counters) * (element + 8 + 16 * cpus)
            + u64::from(self.esp) * (element + 48 + 24 * cpus)
            + u64::from(self.reasons) * (element + 8 + 8 * cpus)
            + u64::from(self.flows) * (element + 16)
            + u64::from(self.ring_bytes)
    }

    /// How full the maps are that can overflow.
    #[must_use]
    pub(crate) fn in_use(
        &self,
        counters: usize,
        esp: usize,
        reasons: usize,
        state: &CpuState,
    ) -> Vec<MapUse> {
        let row = |map, entries: usize, capacity: u32, overflow_packets| MapUse {
            map,
            entries: entries as u64,
            capacity: u64::from(capacity),
            overflow_packets,
        };
        vec![
            row("counters", counters, self.counters, state.counters_overflow),
            row("esp", esp, self.esp, state.esp_overflow),
            row("reasons", reasons, self.reasons, state.reasons_overflow),
        ]
    }

    /// Name of each map in the object, and its size.
    pub(super) fn entries(&self) -> [(&'static str, u32); 5] {
        [
            ("COUNTERS", self.counters),
            ("ESP", self.esp),
            ("REASONS", self.reasons),
            ("FLOWS", self.flows),
            ("SAMPLES", self.ring_bytes),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_holds_on_any_host() {
        for cpus in [1, 2, 16, 64, 128, 512, 4096] {
            let sizes = MapSizes::for_cpus(cpus, 1 << 20);
            assert!(
                sizes.bytes(cpus) <= BUDGET || sizes.counters <= 1_152,
                "{cpus} CPUs: {sizes:?}"
            );
        }
        assert_eq!(
            MapSizes::for_cpus(64, 1 << 20).counters,
            36_864,
            "64 CPUs fit without scaling"
        );
        assert!(MapSizes::for_cpus(64, 1 << 20).bytes(64) <= BUDGET);
    }
}
