//! Security associations that are not used any more: every change of keys makes new ones, and the map that
//! counts them would be full after weeks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use monitor_common::key::{EspCount, EspKey};

/// An association that was silent for so long is put away. One that speaks again is counted anew.
const SILENT: Duration = Duration::from_secs(3600);

/// How long associations have been silent.
#[derive(Debug, Default)]
pub(super) struct Quiet(HashMap<EspKey, (u64, Instant)>);

impl Quiet {
    /// Takes the counts of `now` into account, and gives the associations to put away: none as long as less
    /// than half of the map's `capacity` is in use.
    pub(super) fn find(
        &mut self,
        rows: &HashMap<EspKey, EspCount>,
        capacity: u32,
        now: Instant,
    ) -> Vec<EspKey> {
        if rows.len() * 2 < capacity as usize {
            self.0.clear();
            return Vec::new();
        }
        self.0.retain(|key, _| rows.contains_key(key));
        let mut silent = Vec::new();
        for (key, count) in rows {
            // "Other" stays.
            if key.spi == 0 {
                continue;
            }
            let seen = self.0.entry(*key).or_insert((count.packets, now));
            if seen.0 != count.packets {
                *seen = (count.packets, now);
            } else if now.duration_since(seen.1) >= SILENT {
                silent.push(*key);
            }
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::label::{Direction, Encapsulation};
    use monitor_common::walk::Addresses;

    use super::*;

    fn key(spi: u32) -> EspKey {
        let addresses = Addresses::v4(1, 2);
        EspKey::new(2, Direction::Rx, Encapsulation::Esp, spi, &addresses)
    }

    fn rows(packets: &[(u32, u64)]) -> HashMap<EspKey, EspCount> {
        let count = |packets| EspCount {
            packets,
            bytes: 0,
            sequence_min: 1,
            sequence_max: 1,
        };
        let rows = packets.iter().map(|(spi, n)| (key(*spi), count(*n)));
        rows.chain([(EspKey::other(2, Direction::Rx), count(0))])
            .collect()
    }

    #[test]
    fn what_is_silent_for_an_hour_goes_where_room_is_scarce() {
        let start = Instant::now();
        let later = start + SILENT;
        let mut quiet = Quiet::default();
        assert_eq!(quiet.find(&rows(&[(1, 5), (2, 5)]), 4, start), []);
        assert_eq!(quiet.find(&rows(&[(1, 5), (2, 6)]), 4, later), [key(1)]);
        assert_eq!(quiet.find(&rows(&[(2, 6)]), 4, later + SILENT), [key(2)]);
    }

    #[test]
    fn where_there_is_room_nothing_goes() {
        let start = Instant::now();
        let mut quiet = Quiet::default();
        let rows = rows(&[(1, 5)]);
        assert_eq!(quiet.find(&rows, 5, start), []);
        assert_eq!(quiet.find(&rows, 5, start + SILENT), []);
        assert_eq!(quiet.find(&rows, 4, start + SILENT), [], "from now on");
    }
}
