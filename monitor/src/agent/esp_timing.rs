//! The time of encryptions and decryptions: when it is sampled, and what the samples add up to; and the
//! times of single packets.
//!
//! Samples are taken while ESP carries packets of overlays, and for some seconds after. Packets count as timed only meanwhile,
//! so that time and packets belong together.

use std::sync::Arc;

use monitor_common::count::Total;
use monitor_common::esp_time::{EspTimeCounts, PLACES, of_place};
use monitor_common::packet_time::PacketTimes;

use crate::base::failure::Failure;
use crate::kernel::{EspTimer, PacketTimer};
use crate::traffic::counted::EspTime;

/// Samples are taken until so many readings, one after the other, have found no packet.
const SILENT_READINGS: u32 = 10;

/// What to do with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Start,
    Stop,
}

/// What was timed, and whether samples are taken.
#[derive(Debug, Default)]
struct Timed {
    /// What was counted until samples were last stopped.
    before: EspTimeCounts,
    /// The counts from which on samples are taken; `None` while none are.
    since: Option<EspTimeCounts>,
    /// Packets at the last reading.
    packets: u64,
    /// Readings without a packet, one after the other.
    silent: u32,
}

impl Timed {
    /// What a reading of the packets so far asks for.
    fn turn(&mut self, packets: u64) -> Option<Turn> {
        let is_silent = packets == self.packets;
        self.packets = packets;
        self.silent = if is_silent { self.silent + 1 } else { 0 };
        match self.since {
            None if !is_silent => Some(Turn::Start),
            Some(_) if self.silent >= SILENT_READINGS => Some(Turn::Stop),
            _ => None,
        }
    }

    /// Samples are taken from these counts on.
    fn started(&mut self, now: EspTimeCounts) {
        self.since = Some(now);
    }

    /// No samples are taken after these counts.
    fn stopped(&mut self, now: EspTimeCounts) {
        self.before = self.counts(now);
        self.since = None;
    }

    /// What was timed, where the kernel has counted this so far.
    fn counts(&self, now: EspTimeCounts) -> EspTimeCounts {
        let mut counts = self.before;
        if let Some(since) = self.since {
            counts.add(now.since(since));
        }
        counts
    }
}

/// The events, and what was timed.
pub(super) struct EspTiming {
    timer: EspTimer,
    timed: Timed,
    /// Times single packets; `None` where the kernel does not permit that.
    packets: Option<Arc<PacketTimer>>,
    /// What the process before this one had timed.
    inherited: Vec<LeftTime>,
    /// The same of single packets.
    inherited_packets: PacketTimes,
}

/// What one process leaves to the next: a place, packets, samples, and nanoseconds.
pub(in crate::agent) type LeftTime = (usize, u64, u64, u64);

impl EspTiming {
    pub(super) fn new(timer: EspTimer, packets: Option<PacketTimer>) -> EspTiming {
        EspTiming {
            timer,
            timed: Timed::default(),
            packets: packets.map(Arc::new),
            inherited: Vec::new(),
            inherited_packets: PacketTimes::default(),
        }
    }

    /// What times single packets, while ESP carries packets of overlays.
    pub(super) fn packet_timer(&self) -> Option<Arc<PacketTimer>> {
        self.timed.since.and(self.packets.clone())
    }

    /// The times of single packets in all, where the kernel has counted this so far.
    pub(super) fn of_packets(&self, now: PacketTimes) -> PacketTimes {
        let mut all = self.inherited_packets;
        all.add(now);
        all
    }

    /// Starts or stops to take samples, as the packets in ESP ask for.
    ///
    /// # Errors
    /// A runtime failure, if the map cannot be read or the kernel refuses.
    pub(super) fn update(
        &mut self,
        counts: impl Fn() -> Result<EspTimeCounts, Failure>,
    ) -> Result<(), Failure> {
        match self.timed.turn(counts()?.all_packets()) {
            None => Ok(()),
            Some(Turn::Start) => {
                self.timer.start().map_err(Failure::runtime)?;
                self.timed.started(counts()?);
                Ok(())
            }
            Some(Turn::Stop) => self.stop(counts),
        }
    }

    /// What was timed in all, where the kernel has counted this so far.
    pub(super) fn totals(&self, now: EspTimeCounts) -> Vec<LeftTime> {
        totals(
            &self.timed.counts(now),
            self.timer.period(),
            &self.inherited,
        )
    }

    /// Adds what another process had timed.
    pub(super) fn inherit(&mut self, left: &[LeftTime], packets: PacketTimes) {
        self.inherited = left.to_vec();
        self.inherited_packets = packets;
    }

    fn stop(&mut self, counts: impl Fn() -> Result<EspTimeCounts, Failure>) -> Result<(), Failure> {
        self.timer.stop().map_err(Failure::runtime)?;
        self.timed.stopped(counts()?);
        Ok(())
    }
}

/// The places in which something was counted.
fn totals(counts: &EspTimeCounts, period: u64, inherited: &[LeftTime]) -> Vec<LeftTime> {
    let own = (0..PLACES).zip(counts.packets.iter().zip(&counts.samples));
    let all = own.map(|(place, (packets, samples))| {
        let mut total = (place, *packets, *samples, samples.saturating_mul(period));
        for (_, packets, samples, time) in inherited.iter().filter(|row| row.0 == place) {
            total.1 = total.1.saturating_add(*packets);
            total.2 = total.2.saturating_add(*samples);
            total.3 = total.3.saturating_add(*time);
        }
        total
    });
    all.filter(|(_, packets, samples, _)| packets | samples != 0)
        .collect()
}

pub(super) fn row((place, packets, samples, nanoseconds): LeftTime) -> EspTime {
    let (direction, size_limit) = of_place(place);
    EspTime {
        direction,
        size_limit,
        packets,
        samples,
        nanoseconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_common::direction::Direction;

    fn counts(packets: u64, samples: u64) -> EspTimeCounts {
        let mut counts = EspTimeCounts::default();
        (counts.packets[2], counts.samples[2]) = (packets, samples);
        counts
    }

    #[test]
    fn samples_are_taken_while_there_are_packets_and_for_a_while_after() {
        let mut timed = Timed::default();
        assert_eq!(timed.turn(0), None);
        assert_eq!(timed.turn(5), Some(Turn::Start));
        timed.started(counts(6, 0));
        assert_eq!(timed.turn(9), None);
        for _ in 1..SILENT_READINGS {
            assert_eq!(timed.turn(9), None);
        }
        // A single packet begins the silence anew.
        assert_eq!(timed.turn(10), None);
        for _ in 1..SILENT_READINGS {
            assert_eq!(timed.turn(10), None);
        }
        assert_eq!(timed.turn(10), Some(Turn::Stop));
        timed.stopped(counts(10, 3));
        assert_eq!(timed.turn(10), None);
        assert_eq!(timed.turn(11), Some(Turn::Start));
    }

    #[test]
    fn a_start_that_failed_is_tried_again() {
        let mut timed = Timed::default();
        assert_eq!(timed.turn(5), Some(Turn::Start));
        assert_eq!(timed.turn(6), Some(Turn::Start));
    }

    #[test]
    fn only_packets_that_were_timed_count() {
        let mut timed = Timed::default();
        assert_eq!(timed.counts(counts(5, 0)), counts(0, 0));
        timed.started(counts(6, 1));
        assert_eq!(timed.counts(counts(9, 3)), counts(3, 2));
        timed.stopped(counts(10, 3));
        assert_eq!(timed.counts(counts(50, 3)), counts(4, 2));
        timed.started(counts(60, 3));
        assert_eq!(timed.counts(counts(61, 4)), counts(5, 3));
    }

    #[test]
    fn a_sample_stands_for_its_period_beside_what_was_handed_over() {
        let left = totals(&counts(7, 3), 10_000_000, &[]);
        assert_eq!(left, [(2, 7, 3, 30_000_000)]);
        let other_place = (11, 1, 1, 5);
        let all = totals(&counts(1, 1), 40_000_000, &[left[0], other_place]);
        assert_eq!(all, [(2, 8, 4, 70_000_000), other_place]);
        let rows: Vec<_> = all.into_iter().map(row).collect();
        let of = |row: &EspTime| (row.direction, row.size_limit);
        assert_eq!(of(&rows[0]), (Direction::ALL[0], Some(512)));
        assert_eq!(of(&rows[1]), (Direction::ALL[1], None));
    }
}
