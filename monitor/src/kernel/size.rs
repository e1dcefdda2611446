//! How many entries each map gets on this host: bounded, whatever the traffic and however many CPUs.

use monitor_common::count::{Count, EspCarried, EspCount};
use monitor_common::cpu_state::{Bucket, CpuState};
use monitor_common::direction::Direction;
use monitor_common::esp_slot::{self, EspSlot};
use monitor_common::esp_time::{EspTimes, LOOK_BYTES};
use monitor_common::key::{
    CounterKey, EspKey, EspNetworkKey, ExposureKey, FlowState, FlowVerdict, FragmentState,
    PeerCount, PeerKey, ReasonKey, Returned, Share,
};
use monitor_common::map_size;
use monitor_common::packet_time::PacketTimes;
use monitor_common::slot::{LINES, Line, SlotRow};
use monitor_common::udp_port::PORTS;

use super::options::{Caps, LoadOptions};

/// Memory that all maps together may take, in bytes.
const BUDGET: u64 = 64 << 20;
/// What a hash element takes beside key and value, in bytes (`struct htab_elem`, and its bucket).
const ELEMENT: u64 = 64;
/// Bytes of a number in a map.
const WORD: usize = size_of::<u64>();

/// Bytes of a hash element that all CPUs share.
const fn element(key: usize, value: usize) -> u64 {
    ELEMENT + (key + value) as u64
}

/// Bytes of a hash element with a value for each CPU.
const fn element_per_cpu(key: usize, value: usize, cpus: u64) -> u64 {
    ELEMENT + key as u64 + value as u64 * cpus
}

/// Entries of a map in which nothing is counted: the row "other" of each direction.
const OTHERS: u32 = Direction::ALL.len() as u32;

/// `LEAVING`, `FRAGMENTS`, `REQUIRED`, `PEERS` and the table of ports, in bytes.
const FIXED: u64 = map_size::LEAVING as u64 * element(WORD, WORD)
    + map_size::FRAGMENTS as u64 * element(WORD, FragmentState::SIZE)
    + map_size::REQUIRED_WORDS as u64 * WORD as u64
    + map_size::PEERS as u64 * element(PeerKey::SIZE, PeerCount::SIZE)
    + PORTS as u64;
/// The arrays of one size that each CPU has one of, in bytes: `SCRATCH`, `WALKED`, `NEW_FLOW`, `STATE`,
/// `ESP_TIMES`, `LOOK`, `PACKET_TIMES`.
const PER_CPU: u64 = (WORD
    + map_size::SCRATCH_BYTES
    + map_size::WALKED_BYTES
    + FlowState::SIZE
    + CpuState::SIZE
    + EspTimes::SIZE
    + LOOK_BYTES
    + PacketTimes::SIZE) as u64;

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
    /// `ESP_NETWORKS`.
    pub esp_networks: u32,
    /// `REASONS`.
    pub reasons: u32,
    /// `FLOWS`.
    pub flows: u32,
    /// `SAMPLED`, in place of `FLOWS` if exposure is not counted.
    pub sampled: u32,
    /// `SHARES`.
    pub shares: u32,
    /// `RETURNED`.
    pub returned: u32,
    /// `VERDICTS`.
    pub verdicts: u32,
    /// `EXPOSURE`.
    pub exposure: u32,
    /// Slots: `SLOT_ROWS` has two for each CPU. 0 if exposure is not counted.
    pub slots: u32,
    /// Places of associations: `ESP_SLOTS` has two for each CPU. A power of two.
    pub esp_places: u32,
    /// Elements of `BUCKETS` for described networks. A power of two.
    pub described_buckets: u32,
    /// `SAMPLES`, in bytes.
    pub ring_bytes: u32,
    /// `REQUIRED`.
    pub required: u32,
    /// `PEERS`.
    pub peers: u32,
}

impl MapSizes {
    /// The sizes for a host with this many possible CPUs: per-CPU maps multiply by it.
    #[must_use]
    pub fn for_cpus(cpus: usize, ring_bytes: u32) -> MapSizes {
        let full = MapSizes {
            counters: map_size::COUNTERS,
            esp: map_size::ESP,
            esp_networks: map_size::ESP_NETWORKS,
            reasons: map_size::REASONS,
            flows: map_size::FLOWS,
            sampled: 1,
            shares: map_size::SHARES,
            returned: map_size::SHARES,
            verdicts: map_size::VERDICTS,
            exposure: map_size::EXPOSURE,
            slots: map_size::SLOTS,
            esp_places: esp_slot::PLACES,
            described_buckets: map_size::DESCRIBED_BUCKETS,
            ring_bytes,
            required: map_size::REQUIRED_WORDS,
            peers: map_size::PEERS,
        };
        let mut sizes = full;
        while sizes.bytes(cpus) > BUDGET && sizes.counters > 1_024 {
            // The largest map is halved first, the networks themselves last.
            let [counters, esp, esp_networks, reasons, flows, exposure] = sizes.parts(cpus as u64);
            let counters = counters / 2;
            let most = counters.max(exposure).max(flows);
            if sizes.slot_bytes(cpus as u64) > most {
                sizes.slots /= 2;
                continue;
            }
            if sizes.esp_slot_bytes(cpus as u64) > most / 8 && sizes.esp_places > 16 {
                sizes.esp_places /= 2;
            }
            if sizes.bucket_bytes(cpus as u64) > most && sizes.described_buckets > 64 {
                sizes.described_buckets /= 2;
            }
            if esp.max(reasons) > most / 4 {
                sizes.esp /= 2;
                sizes.reasons = (sizes.reasons / 2).max(1_024);
            }
            if esp_networks > most / 8 * 3 {
                sizes.esp_networks = (sizes.esp_networks / 2).max(1_024);
            }
            if exposure == most {
                sizes.exposure /= 2;
            } else if counters == most {
                sizes.counters /= 2;
            } else {
                sizes.flows /= 2;
                sizes.shares /= 2;
                sizes.returned /= 2;
                sizes.verdicts /= 2;
            }
        }
        if sizes != full {
            tracing::warn!(
                cpus,
                networks = sizes.counters / 2,
                exposures = sizes.exposure,
                associations = sizes.esp,
                encrypted = sizes.esp_networks,
                flows = sizes.flows,
                slots = sizes.slots,
                "many CPUs: maps made smaller, to stay within {} MiB of kernel memory",
                BUDGET >> 20
            );
        }
        sizes
    }

    /// The same without room for what these options switch off.
    #[must_use]
    pub(super) fn of_what_is_used(mut self, options: &LoadOptions) -> MapSizes {
        if !options.policy {
            (self.required, self.peers) = (1, 1);
        }
        if !options.exposure {
            // Flows are kept only to sample their first packets.
            self.sampled = if options.flow_samples == 0 {
                1
            } else {
                self.flows
            };
            (self.flows, self.shares, self.verdicts, self.slots) = (1, 1, 1, 0);
            // Samples that are capped are shared out by the group of a network, which stands there.
            self.returned = if options.caps == Caps::NONE {
                1
            } else {
                self.returned.min(map_size::DESCRIBED)
            };
            self.exposure = OTHERS;
        }
        if !options.esp_networks {
            self.esp_networks = OTHERS;
        }
        self
    }

    /// Kernel memory of all maps, in bytes: keys, values and about 64 bytes for each hash element.
    #[must_use]
    pub fn bytes(&self, cpus: usize) -> u64 {
        let cpus = cpus as u64;
        self.parts(cpus).iter().sum::<u64>()
            + u64::from(self.ring_bytes)
            + FIXED
            + PER_CPU * cpus
            + self.slot_bytes(cpus)
            + self.esp_slot_bytes(cpus)
            + self.bucket_bytes(cpus)
    }

    /// Kernel memory of `COUNTERS`, `ESP`, `ESP_NETWORKS`, `REASONS`, `FLOWS` with its
    /// shares and `VERDICTS`, and `EXPOSURE`.
    fn parts(&self, cpus: u64) -> [u64; 6] {
        let counts =
            |entries: u32, key| u64::from(entries) * element_per_cpu(key, Count::SIZE, cpus);
        [
            counts(self.counters, CounterKey::SIZE),
            u64::from(self.esp) * element_per_cpu(EspKey::SIZE, EspCount::SIZE, cpus),
            u64::from(self.esp_networks)
                * element_per_cpu(EspNetworkKey::SIZE, EspCarried::SIZE, cpus),
            u64::from(self.reasons) * element_per_cpu(ReasonKey::SIZE, WORD, cpus),
            u64::from(self.flows + self.sampled) * element(WORD, FlowState::SIZE)
                + u64::from(self.shares) * element(WORD, Share::SIZE)
                + u64::from(self.returned) * element(WORD, Returned::SIZE)
                + u64::from(self.verdicts) * element(WORD, FlowVerdict::SIZE),
            counts(self.exposure, ExposureKey::SIZE),
        ]
    }

    /// Kernel memory of `SLOT_ROWS` and `SLOT_LINES`.
    fn slot_bytes(&self, cpus: u64) -> u64 {
        if self.slots == 0 {
            return 0;
        }
        u64::from(self.slots) * 2 * cpus * SlotRow::SIZE as u64
            + u64::from(LINES) * Line::SIZE as u64
    }

    /// Kernel memory of `ESP_SLOTS`.
    fn esp_slot_bytes(&self, cpus: u64) -> u64 {
        u64::from(self.esp_places) * 2 * cpus * EspSlot::SIZE as u64
    }

    /// Kernel memory of `BUCKETS`.
    fn bucket_bytes(&self, cpus: u64) -> u64 {
        let element = Bucket::SIZE.next_multiple_of(WORD) as u64;
        u64::from(map_size::buckets(self.described_buckets)) * element * cpus
    }

    /// How full the maps are that can overflow.
    #[must_use]
    #[expect(
        clippy::too_many_arguments,
        reason = "one number for each map, named at its one caller"
    )]
    pub(crate) fn in_use(
        &self,
        counters: usize,
        esp: usize,
        esp_networks: usize,
        reasons: usize,
        exposure: usize,
        peers: usize,
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
            row(
                "esp_networks",
                esp_networks,
                self.esp_networks,
                state.esp_networks_overflow,
            ),
            row("reasons", reasons, self.reasons, state.reasons_overflow),
            row("exposure", exposure, self.exposure, state.exposure_overflow),
            row("peers", peers, self.peers, state.peers_overflow),
        ]
    }

    /// Name of each map in the object, and its size.
    pub(super) fn entries(&self, cpus: usize) -> [(&'static str, u32); 17] {
        let for_cpus =
            |rows: u32| u32::try_from(u64::from(rows) * 2 * cpus as u64).unwrap_or(u32::MAX);
        [
            ("COUNTERS", self.counters),
            ("ESP", self.esp),
            ("ESP_NETWORKS", self.esp_networks),
            ("REASONS", self.reasons),
            ("FLOWS", self.flows),
            ("SAMPLED", self.sampled),
            ("SHARES", self.shares),
            ("RETURNED", self.returned),
            ("VERDICTS", self.verdicts),
            ("EXPOSURE", self.exposure),
            ("SAMPLES", self.ring_bytes),
            ("REQUIRED", self.required),
            ("PEERS", self.peers),
            ("SLOT_ROWS", for_cpus(self.slots).max(1)),
            ("SLOT_LINES", if self.slots == 0 { 1 } else { LINES }),
            ("ESP_SLOTS", for_cpus(self.esp_places)),
            ("BUCKETS", map_size::buckets(self.described_buckets)),
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
                sizes.bytes(cpus) <= BUDGET || cpus > 512,
                "{cpus} CPUs: {sizes:?}"
            );
        }
        let networks = |cpus| MapSizes::for_cpus(cpus, 1 << 20).counters / 2;
        assert!(networks(16) > 16_000, "16,000 networks fit without scaling");
        assert!(networks(64) > 8_000);
        // The maps that share the room for flows out were paid for by smaller `FLOWS` and `VERDICTS`.
        assert!(MapSizes::for_cpus(2, 1 << 20).bytes(2) < 38_000_000);
        assert!(MapSizes::for_cpus(64, 1 << 20).bytes(64) <= BUDGET);
    }
}
