//! Recognises what IPsec has decrypted: a capture on the receiving node has each ESP packet, and then the packet inside it.
//!
//! Nothing in such a copy differs from a packet in the clear. It follows an ESP packet between the same nodes whose length
//! fits, and nothing of its network goes the other way in the clear: what the node sends is encrypted before the capture.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::walk::{self, OuterKind};

use crate::traffic::layers::Opened;

/// Most pairs of nodes.
const PAIRS: usize = 2048;
/// ESP packets of one pair and direction that wait for their copy.
const WAITING: usize = 32;
/// Networks of one pair; those beyond are taken for cleartext.
const NETWORKS: usize = 64;
/// A copy follows this soon.
const SOON_NS: i64 = 100_000_000;
/// What ESP adds to an IP packet (RFC 4303, 2): SPI and sequence number, padding length and next header, and a check value of
/// 8 to 32 bytes; an initialisation vector of up to 16; padding of up to 15; and, in UDP, its header.
const ADDED: std::ops::RangeInclusive<usize> = 18..=81;

/// Addresses of two nodes, the lower one first.
type Pair = [[u64; 2]; 2];

/// What is remembered of two nodes.
#[derive(Debug, Default)]
struct Between {
    /// Lengths and times of ESP packets, by direction.
    esp: [VecDeque<(usize, i64)>; 2],
    /// In which directions packets of a network were seen in the clear.
    clear: Vec<(u32, [bool; 2])>,
}

/// The pairs of nodes between which ESP was seen.
#[derive(Default)]
pub(super) struct Decrypted {
    pairs: HashMap<Pair, Between, RandomState>,
    order: VecDeque<Pair>,
}

impl Decrypted {
    /// Whether a packet is a decrypted copy. Stores ESP packets.
    #[inline]
    pub(super) fn note(
        &mut self,
        opened: &Opened<'_>,
        direction: Option<Direction>,
        now: i64,
    ) -> bool {
        let outer = &opened.outer;
        let is_esp = outer.kind == OuterKind::Association && outer.encapsulation.is_esp();
        let may_be_copy = !self.pairs.is_empty()
            && outer.kind == OuterKind::Overlay
            && outer.encapsulation != Encapsulation::EspNull;
        if !is_esp && !may_be_copy {
            return false;
        }
        let Some(addresses) = walk::addresses(&opened.packet, &outer.network) else {
            return false;
        };
        let (source, destination) = (addresses.source, addresses.destination);
        let is_from_high = source > destination;
        let pair = if is_from_high {
            [destination, source]
        } else {
            [source, destination]
        };
        let from = usize::from(is_from_high);
        let length = outer.network.end.saturating_sub(outer.network.l3);
        if is_esp {
            let waiting = &mut self.between(pair).esp[from];
            waiting.push_back((length, now));
            if waiting.len() > WAITING {
                waiting.pop_front();
            }
            return false;
        }
        let Some(between) = self.pairs.get_mut(&pair) else {
            return false;
        };
        let is_one_way = between.goes_one_way(outer.vni, from);
        direction != Some(Direction::Tx) && between.take(from, length, now) && is_one_way
    }

    /// What is remembered of this pair.
    fn between(&mut self, pair: Pair) -> &mut Between {
        if !self.pairs.contains_key(&pair) {
            if self.pairs.len() >= PAIRS
                && let Some(oldest) = self.order.pop_front()
            {
                self.pairs.remove(&oldest);
            }
            self.order.push_back(pair);
        }
        self.pairs.entry(pair).or_default()
    }
}

impl Between {
    /// Stores that a packet of a network went this way in the clear; whether none went the other way.
    fn goes_one_way(&mut self, vni: u32, from: usize) -> bool {
        if let Some((_, ways)) = self.clear.iter_mut().find(|(known, _)| *known == vni) {
            ways[from] = true;
            return !ways[1 - from];
        }
        if self.clear.len() >= NETWORKS {
            return false;
        }
        let mut ways = [false; 2];
        ways[from] = true;
        self.clear.push((vni, ways));
        true
    }

    /// Takes the ESP packet out that this IP packet fits into; whether there is one.
    fn take(&mut self, from: usize, length: usize, now: i64) -> bool {
        let waiting = &mut self.esp[from];
        let fits = |(esp, time): &(usize, i64)| {
            (0..=SOON_NS).contains(&now.saturating_sub(*time))
                && esp
                    .checked_sub(length)
                    .is_some_and(|added| ADDED.contains(&added))
        };
        let place = waiting.iter().position(fits);
        place.and_then(|place| waiting.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::link::Link;
    use monitor_common::load::Captured;

    use super::*;
    use crate::base::udp_ports::UdpPorts;
    use crate::traffic::layers::open;
    use crate::traffic::test_frames::*;

    fn note(state: &mut Decrypted, frame: &[u8], direction: Option<Direction>, now: i64) -> bool {
        let packet = Captured {
            bytes: frame,
            frame_len: frame.len(),
        };
        let opened = open(&packet, Link::Ethernet, &UdpPorts::default());
        state.note(&opened, direction, now)
    }

    fn esp(ends: ([u8; 4], [u8; 4]), length: usize) -> Vec<u8> {
        let packet = [&[0, 0, 1, 0, 0, 0, 0, 5][..], &vec![0x5a; length - 28]].concat();
        ethernet(&ipv4(50, ends, 0, 0, &packet))
    }

    /// A frame of the overlay whose IP packet has 90 bytes, and an ESP packet that it fits into.
    fn copy() -> Vec<u8> {
        segment(true, 80, 1, ACK, b"")
    }

    #[test]
    fn a_copy_follows_an_esp_packet_that_it_fits_into_once() {
        let mut state = Decrypted::default();
        assert!(!note(&mut state, &copy(), None, 0), "nothing was encrypted");
        assert!(!note(&mut state, &esp(NODES, 90 + 34), None, 1));
        assert!(note(&mut state, &copy(), None, 2));
        assert!(!note(&mut state, &copy(), None, 3), "one copy for each");
        for (length, now) in [
            (90, 10),
            (90 + 17, 10),
            (90 + 82, 10),
            (90 + 34, SOON_NS + 11),
        ] {
            note(&mut state, &esp(NODES, length), None, 10);
            assert!(!note(&mut state, &copy(), None, now), "{length}");
        }
        let mut state = Decrypted::default();
        note(&mut state, &esp((NODES.1, NODES.0), 90 + 34), None, 0);
        assert!(
            !note(&mut state, &copy(), None, 1),
            "of the other direction"
        );
        note(&mut state, &esp(NODES, 90 + 34), None, 2);
        assert!(!note(&mut state, &copy(), Some(Direction::Tx), 3), "sent");
    }

    #[test]
    fn a_network_that_goes_both_ways_in_the_clear_is_cleartext() {
        let mut state = Decrypted::default();
        note(&mut state, &esp(NODES, 90 + 34), None, 0);
        let datagram = ipv4(17, (NODES.1, NODES.0), 0, 0, &copy()[34..]);
        assert!(!note(&mut state, &ethernet(&datagram), None, 1));
        assert!(!note(&mut state, &copy(), None, 2));
    }

    #[test]
    fn forged_nodes_and_networks_are_bounded() {
        let mut state = Decrypted::default();
        for n in 0..5000_u16 {
            let [a, b] = n.to_be_bytes();
            note(&mut state, &esp(([10, 9, a, b], NODES.1), 200), None, 0);
            note(&mut state, &esp(NODES, 200), None, 0);
            note(&mut state, &overlay(n.into(), &[0; 60]), None, 0);
        }
        assert!(state.pairs.len() <= PAIRS && state.order.len() == state.pairs.len());
        for between in state.pairs.values() {
            assert!(between.clear.len() <= NETWORKS);
            assert!(between.esp.iter().all(|waiting| waiting.len() <= WAITING));
        }
    }
}
