//! Which security associations are in use, the rate of their packets, and how many sequence numbers are missing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use monitor_common::direction::Direction;

use super::counted_association::CountedAssociation;
use crate::base::memory;

/// After so long without a packet an association is not in use any more. Its count remains: after a change of keys the
/// old association stays in the map.
pub const IN_USE: Duration = Duration::from_secs(60);
/// Shortest time over which a rate is measured.
const RATE_OVER: Duration = Duration::from_secs(1);

/// An association in use, all interfaces together.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Received or sent.
    pub direction: Direction,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Security Parameters Index.
    pub spi: u32,
    /// Packets so far.
    pub packets: u64,
    /// Packets per second.
    pub rate: f64,
    /// Highest sequence number seen.
    pub sequence: u32,
    /// Sequence numbers between the lowest and the highest seen that did not arrive.
    pub missing: u64,
    /// How many of the packets are later fragments of a packet.
    pub later_fragments: u64,
    /// How long it has been in use.
    pub age: Duration,
}

impl Activity {
    /// The address of the other node.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        match self.direction {
            Direction::Rx => self.source,
            Direction::Tx => self.destination,
        }
    }

    /// The share of its 2^32 sequence numbers that is used up, 0 to 1 (RFC 4303, section 2.2).
    #[must_use]
    pub fn used(&self) -> f64 {
        f64::from(self.sequence) / f64::from(u32::MAX)
    }

    /// Time until they are used up at this rate; `None` if the rate is 0.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let seconds = f64::from(u32::MAX - self.sequence) / self.rate;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// The counts of associations over time, from which activity is derived.
#[derive(Debug, Default)]
pub struct Trend(HashMap<Key, Row>);

type Key = (Direction, IpAddr, IpAddr, u32);

#[derive(Debug)]
struct Row {
    packets: u64,
    first: Instant,
    changed: Instant,
    /// When the rate was measured, and the count of packets at that time.
    at: Instant,
    counted: u64,
    rate: f64,
}

impl Trend {
    /// Takes the current counts, and returns the associations in use, ordered by direction, addresses and SPI. Keeps as
    /// many entries as there are counted associations.
    pub fn observe(&mut self, counted: &[CountedAssociation], now: Instant) -> Vec<Activity> {
        let mut sums = HashMap::<Key, Sum>::new();
        for row in counted {
            // AH has sequence numbers too, but does not encrypt.
            let is_esp = row.encapsulation.is_esp();
            // SPI 0 is the sum of idle associations that were removed from the map.
            let Some((source, destination)) = row.addresses.filter(|_| is_esp && row.spi != 0)
            else {
                continue;
            };
            // Packets of one association can arrive on several interfaces.
            let key = (row.direction, source, destination, row.spi);
            let sum = sums.entry(key).or_insert(Sum {
                packets: 0,
                later_fragments: 0,
                lowest: u32::MAX,
                highest: 0,
            });
            sum.packets += row.count.packets;
            sum.later_fragments += row.count.later_fragments;
            sum.lowest = sum.lowest.min(row.count.sequence_min);
            sum.highest = sum.highest.max(row.count.sequence_max);
        }
        self.0.retain(|key, _| sums.contains_key(key));
        memory::shrink(&mut self.0);
        let mut active = Vec::new();
        for (key, sum) in sums {
            let row = self.0.entry(key).or_insert(Row {
                packets: sum.packets,
                first: now,
                changed: now,
                at: now,
                counted: sum.packets,
                rate: 0.0,
            });
            if sum.packets != row.packets {
                if now.duration_since(row.changed) >= IN_USE {
                    row.first = now;
                }
                row.packets = sum.packets;
                row.changed = now;
            }
            let since = now.duration_since(row.at);
            if since >= RATE_OVER {
                let packets = sum.packets.saturating_sub(row.counted);
                row.rate = packets as f64 / since.as_secs_f64();
                row.at = now;
                row.counted = sum.packets;
            }
            if now.duration_since(row.changed) < IN_USE {
                active.push(sum.activity(key, row, now));
            }
        }
        active.sort_by_key(|row| (row.direction, row.source, row.destination, row.spi));
        active
    }
}

/// One association on all interfaces.
struct Sum {
    packets: u64,
    later_fragments: u64,
    lowest: u32,
    highest: u32,
}

impl Sum {
    fn activity(
        &self,
        (direction, source, destination, spi): Key,
        row: &Row,
        now: Instant,
    ) -> Activity {
        let span = u64::from(self.highest.saturating_sub(self.lowest)) + 1;
        Activity {
            direction,
            source,
            destination,
            spi,
            packets: self.packets,
            rate: row.rate,
            sequence: self.highest,
            // Only the first fragment of a packet has a sequence number.
            missing: span.saturating_sub(self.packets.saturating_sub(self.later_fragments)),
            later_fragments: self.later_fragments,
            age: now.duration_since(row.first),
        }
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::count::EspCount;

    use monitor_common::encapsulation::Encapsulation;

    use super::*;

    fn association(
        interface: &str,
        spi: u32,
        packets: u64,
        lowest: u32,
        highest: u32,
    ) -> CountedAssociation {
        CountedAssociation {
            interface: interface.into(),
            direction: Direction::Rx,
            encapsulation: Encapsulation::Esp,
            addresses: Some(("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap())),
            spi,
            count: EspCount {
                packets,
                bytes: 100 * packets,
                sequence_min: lowest,
                sequence_max: highest,
                later_fragments: 0,
            },
        }
    }

    #[test]
    fn rates_and_gaps_sum_all_interfaces() {
        let mut trend = Trend::default();
        let start = Instant::now();
        let first = [
            association("a", 7, 10, 101, 119),
            association("b", 7, 8, 102, 120),
        ];
        let found = trend.observe(&first, start);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].packets, found[0].missing), (18, 2));
        assert_eq!(found[0].peer(), "10.0.0.2".parse::<IpAddr>().unwrap());
        let later = [
            association("a", 7, 10, 101, 119),
            association("b", 7, 1008, 102, 1120),
        ];
        let found = trend.observe(&later, start + Duration::from_secs(10));
        assert!((found[0].rate - 100.0).abs() < 0.01, "{found:?}");
        assert_eq!(found[0].missing, 2);
        let left = found[0].left().unwrap();
        assert_eq!(left.as_secs(), u64::from(u32::MAX - 1120) / 100);
    }

    #[test]
    fn associations_of_old_keys_are_not_in_use() {
        let mut trend = Trend::default();
        let start = Instant::now();
        trend.observe(&[association("a", 7, 10, 1, 10)], start);
        let both = [association("a", 7, 10, 1, 10), association("a", 8, 5, 1, 5)];
        let spis = |found: &[Activity]| found.iter().map(|row| row.spi).collect::<Vec<_>>();
        assert_eq!(spis(&trend.observe(&both, start + IN_USE / 2)), [7, 8]);
        assert_eq!(spis(&trend.observe(&both, start + IN_USE)), [8]);
        // Once removed from the map it is removed here too.
        trend.observe(&both[1..], start + IN_USE);
        assert_eq!(trend.0.len(), 1);
    }

    #[test]
    fn later_fragments_do_not_reduce_missing_numbers() {
        let mut row = association("a", 7, 20, 1, 10);
        row.count.later_fragments = 12;
        let found = Trend::default().observe(&[row], Instant::now());
        assert_eq!((found[0].later_fragments, found[0].missing), (12, 2));
    }

    #[test]
    fn sums_of_removed_associations_are_not_in_use() {
        let mut row = association("a", 0, 10, 1, 10);
        assert_eq!(Trend::default().observe(&[row.clone()], Instant::now()), []);
        row.spi = 1;
        row.addresses = None;
        assert_eq!(Trend::default().observe(&[row], Instant::now()), []);
    }
}
