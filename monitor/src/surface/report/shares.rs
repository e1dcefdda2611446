//! Bytes by exposure.

use crate::agent::snapshot::Snapshot;
use crate::traffic::exposure_class::of_class;
use monitor_classify::Exposure;

/// Bytes by exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Plaintext.
    pub readable: u64,
    /// Encrypted end to end: TLS, SSH, …
    pub encrypted: u64,
    /// Encrypted by the network, in ESP.
    pub in_esp: u64,
    /// Unrecognised.
    pub unknown: u64,
}

impl Shares {
    /// The sum of all parts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.readable + self.encrypted + self.in_esp + self.unknown
    }

    /// Adds other shares.
    pub fn add(&mut self, other: &Shares) {
        self.readable += other.readable;
        self.encrypted += other.encrypted;
        self.in_esp += other.in_esp;
        self.unknown += other.unknown;
    }

    /// Of all networks and of the host's own traffic. Packets without a verdict are in none of them, so that no part ever
    /// decreases.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Shares {
        let mut shares = Shares::default();
        for row in &snapshot.counted.exposure {
            *shares.part(of_class(row.key.class()).1) += row.count.bytes;
        }
        let networks = snapshot
            .counted
            .esp_networks
            .iter()
            .map(|row| row.count.bytes);
        let others = snapshot
            .counted
            .esp_others
            .iter()
            .map(|row| row.count.bytes);
        shares.in_esp = networks.chain(others).sum();
        shares
    }

    /// The part of an exposure.
    pub(super) fn part(&mut self, exposure: Exposure) -> &mut u64 {
        match exposure {
            Exposure::Plaintext => &mut self.readable,
            Exposure::Encrypted => &mut self.encrypted,
            Exposure::Unknown => &mut self.unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::count::EspCarried;
    use monitor_common::direction::Direction;

    use super::*;
    use crate::traffic::counted::{EspNetwork, EspOther};

    #[test]
    fn all_networks_and_both_directions_are_in_the_part_of_esp() {
        let count = |bytes| EspCarried {
            packets: 1,
            bytes,
            overhead: 26,
        };
        let mut snapshot = Snapshot::default();
        for (vni, bytes) in [(4096, 100), (4097, 20)] {
            snapshot.counted.esp_networks.push(EspNetwork {
                direction: Direction::Rx,
                vni,
                peer: "192.168.77.2".parse().unwrap(),
                count: count(bytes),
            });
        }
        for (direction, bytes) in [(Direction::Rx, 3), (Direction::Tx, 4)] {
            let count = count(bytes);
            let other = EspOther { direction, count };
            snapshot.counted.esp_others.push(other);
        }
        let shares = Shares::of(&snapshot);
        assert_eq!((shares.in_esp, shares.total()), (127, 127));
    }
}
