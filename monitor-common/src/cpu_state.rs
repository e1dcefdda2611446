//! What each CPU keeps for itself: elements of `STATE` and `BUCKETS`.

use crate::count::Total;
use crate::shared::shared;

shared! {
    /// Element of `STATE`.
    #[derive(Default)]
    pub struct CpuState {
        /// Packets until the next periodic sample.
        pub countdown: u64,
        /// Samples put into the ring.
        pub sent: u64,
        /// Samples lost, because the ring was full.
        pub ring_full: u64,
        /// Packets counted as "other", because `COUNTERS` was full.
        pub counters_overflow: u64,
        /// Packets counted as "other", because `ESP` was full.
        pub esp_overflow: u64,
        /// Packets whose reason could not be counted, because their interface was not prepared.
        pub reasons_overflow: u64,
        /// Samples not taken, because the CPU or the network had reached its cap.
        pub capped: u64,
        /// Packets whose exposure was counted as "other", because `EXPOSURE` was full.
        pub exposure_overflow: u64,
        /// Packets that were not counted, because IPsec had decrypted them and passed them to the interface a
        /// second time.
        pub decrypted: u64,
        /// Cleartext packets of networks that must be encrypted whose node was counted as "other", because `PEERS`
        /// was full.
        pub peers_overflow: u64,
        /// Packets in ESP counted under their network alone or as "other", because `ESP_NETWORKS` was full.
        pub esp_networks_overflow: u64,
        /// Packets counted as unknown, because their network had its share of `FLOWS`.
        pub flows_refused: u64,
        /// Verdicts that were removed because a new connection began between the same ports.
        pub verdicts_forgotten: u64,
        /// When `SHARES` was last found full: `CLOCK_MONOTONIC` in units of 2^30 ns, plus 1; 0 if it never was.
        pub shares_full: u64,
    }
}

impl CpuState {
    /// Adds what another CPU has counted. The countdown and the time, which have no sum, become 0.
    pub fn add(&mut self, more: &CpuState) {
        let CpuState {
            countdown: _,
            sent,
            ring_full,
            counters_overflow,
            esp_overflow,
            reasons_overflow,
            capped,
            exposure_overflow,
            decrypted,
            peers_overflow,
            esp_networks_overflow,
            flows_refused,
            verdicts_forgotten,
            shares_full: _,
        } = *more;
        (self.countdown, self.shares_full) = (0, 0);
        for (total, more) in [
            (&mut self.sent, sent),
            (&mut self.ring_full, ring_full),
            (&mut self.counters_overflow, counters_overflow),
            (&mut self.esp_overflow, esp_overflow),
            (&mut self.reasons_overflow, reasons_overflow),
            (&mut self.capped, capped),
            (&mut self.exposure_overflow, exposure_overflow),
            (&mut self.decrypted, decrypted),
            (&mut self.peers_overflow, peers_overflow),
            (&mut self.esp_networks_overflow, esp_networks_overflow),
            (&mut self.flows_refused, flows_refused),
            (&mut self.verdicts_forgotten, verdicts_forgotten),
        ] {
            total.add(more);
        }
    }

    /// What was counted since a state of the same CPUs. The countdown and the time become 0.
    #[must_use]
    pub fn since(&self, before: &CpuState) -> CpuState {
        CpuState {
            countdown: 0,
            sent: self.sent.since(before.sent),
            ring_full: self.ring_full.since(before.ring_full),
            counters_overflow: self.counters_overflow.since(before.counters_overflow),
            esp_overflow: self.esp_overflow.since(before.esp_overflow),
            reasons_overflow: self.reasons_overflow.since(before.reasons_overflow),
            capped: self.capped.since(before.capped),
            exposure_overflow: self.exposure_overflow.since(before.exposure_overflow),
            decrypted: self.decrypted.since(before.decrypted),
            peers_overflow: self.peers_overflow.since(before.peers_overflow),
            esp_networks_overflow: self
                .esp_networks_overflow
                .since(before.esp_networks_overflow),
            flows_refused: self.flows_refused.since(before.flows_refused),
            verdicts_forgotten: self.verdicts_forgotten.since(before.verdicts_forgotten),
            shares_full: 0,
        }
    }
}

shared! {
    /// Element of `BUCKETS`: samples taken in a span of time, of a network or of the CPU.
    #[derive(Default)]
    pub struct Bucket {
        /// Low bits of the number of the span; see [`crate::config::SPAN_SHIFT`].
        pub span: u32,
        /// The [`crate::key::NetworkId`] that has the bucket in this span; 0 in the CPU's own buckets.
        pub network: u32,
        /// Samples taken in it.
        pub taken: u64,
    }
}
