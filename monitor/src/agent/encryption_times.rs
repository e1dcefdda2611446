//! What the agent has timed of encryptions and decryptions.

use std::sync::Arc;

use monitor_common::packet_time::PacketTimes;

use super::esp_timing::{LeftTime, row};
use super::node_agent::Agent;
use crate::base::failure::Failure;
use crate::kernel::PacketTimer;
use crate::traffic::counted::EspTime;

impl Agent {
    /// Whether encryptions and decryptions are timed.
    #[must_use]
    pub fn times_esp(&self) -> bool {
        self.esp_timing.is_some()
    }

    /// Starts or stops to take samples of encryptions, as the packets in ESP ask for. To be called every second.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read or the kernel refuses.
    pub fn update_esp_timing(&mut self) -> Result<(), Failure> {
        let counts = || self.kernel.esp_times();
        self.esp_timing
            .as_mut()
            .map_or(Ok(()), |timing| timing.update(counts))
    }

    /// What times single packets, while ESP carries packets of overlays.
    #[must_use]
    pub fn packet_timer(&self) -> Option<Arc<PacketTimer>> {
        self.esp_timing.as_ref()?.packet_timer()
    }

    /// The times of single packets.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub(super) fn packet_times(&self) -> Result<PacketTimes, Failure> {
        match &self.esp_timing {
            Some(timing) => Ok(timing.of_packets(self.kernel.packet_times()?)),
            None => Ok(PacketTimes::default()),
        }
    }

    /// What was timed, by direction and size.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read.
    pub(super) fn esp_timed(&self) -> Result<Vec<EspTime>, Failure> {
        Ok(self.esp_times_left()?.into_iter().map(row).collect())
    }

    /// The same, as the next process takes it.
    ///
    /// # Errors
    /// See [`Agent::esp_timed`].
    pub(super) fn esp_times_left(&self) -> Result<Vec<LeftTime>, Failure> {
        match &self.esp_timing {
            Some(timing) => Ok(timing.totals(self.kernel.esp_times()?)),
            None => Ok(Vec::new()),
        }
    }

    /// Adds what another process had timed.
    pub(super) fn inherit_esp_times(&mut self, left: &[LeftTime], packets: PacketTimes) {
        if let Some(timing) = &mut self.esp_timing {
            timing.inherit(left, packets);
        }
    }
}
