//! Recognises the same packet on several devices of one host, as `tcpdump -i any` records it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use monitor_common::address::Version;
use monitor_common::key::NetworkId;
use monitor_common::load::Load;
use monitor_common::walk::{self, InnerKind, OuterKind};
use monitor_common::wire::{tcp, udp};

use crate::traffic::capture::{Device, Packet};
use crate::traffic::layers::Opened;

/// Most packets that are remembered.
const LIMIT: usize = 8192;
/// Networks and devices of one packet.
const PLACES: usize = 4;
/// A packet is on all its devices within this time.
const SOON_NS: i64 = 1_000_000_000;
/// The same where the capture does not have the device and the packet has no identification: a segment that is sent again is
/// later than that.
const AT_ONCE_NS: i64 = 5_000_000;
/// Bytes of the transport header, or of what begins there, that are compared.
const COMPARED: usize = 20;

/// How a packet relates to the same one on other devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::traffic) struct Repeat {
    /// It was seen before in the same network, on another device.
    pub(in crate::traffic) is_repeated: bool,
    /// VNI of an overlay in which it was seen before, if this one is outside any.
    pub(in crate::traffic) inside: Option<u32>,
    /// It was seen before outside any overlay, and this one is in an overlay.
    pub(in crate::traffic) was_outside: bool,
}

/// Where a packet was seen.
#[derive(Debug, Default)]
struct Places {
    time_ns: i64,
    all: Vec<(NetworkId, Device)>,
}

/// The last packets of captures of several devices.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    known: HashMap<u64, Places, RandomState>,
    order: VecDeque<u64>,
}

impl Repeats {
    /// Compares a packet with those of other devices, and stores it.
    #[inline]
    pub(super) fn note(&mut self, opened: &Opened<'_>, packet: &Packet<'_>) -> Repeat {
        match packet.device() {
            Device::Only => Repeat::default(),
            device => self.compare(opened, device, packet.time_ns),
        }
    }

    fn compare(&mut self, opened: &Opened<'_>, device: Device, now: i64) -> Repeat {
        let network = match opened.outer.kind {
            OuterKind::Overlay => NetworkId::vni(opened.outer.vni),
            OuterKind::Host | OuterKind::Association | OuterKind::Tunnel => NetworkId::HOST,
            OuterKind::NotIp | OuterKind::LaterFragment | OuterKind::Unparsed => {
                return Repeat::default();
            }
        };
        let Some((hash, is_identified)) = self.hash(opened) else {
            return Repeat::default();
        };
        let soon = match device {
            Device::Unknown if !is_identified => AT_ONCE_NS,
            _ => SOON_NS,
        };
        let is_new = match self.known.get(&hash) {
            None => true,
            Some(places) => !(0..=soon).contains(&now.saturating_sub(places.time_ns)),
        };
        if is_new {
            self.insert(hash, (network, device), now);
            return Repeat::default();
        }
        let Some(places) = self.known.get_mut(&hash) else {
            return Repeat::default();
        };
        let in_network = |place: &&(NetworkId, Device)| place.0 == network;
        let first = places.all.iter().find(in_network);
        let repeat = Repeat {
            is_repeated: first.is_some_and(|(_, on)| *on != device || device == Device::Unknown),
            inside: if network == NetworkId::HOST {
                places.all.iter().find_map(|(other, _)| other.vni_number())
            } else {
                None
            },
            was_outside: network != NetworkId::HOST
                && places
                    .all
                    .iter()
                    .any(|(other, _)| *other == NetworkId::HOST),
        };
        if first.is_none() && places.all.len() < PLACES {
            places.all.push((network, device));
        }
        repeat
    }

    /// What is the same of the innermost packet on each device, and whether its identification is part of it. The checksum
    /// may be missing on a device without a wire.
    fn hash(&self, opened: &Opened<'_>) -> Option<(u64, bool)> {
        let inner = opened.inner.filter(|inner| inner.kind == InnerKind::Flow)?;
        let network = &inner.network;
        let packet = &opened.packet;
        let addresses = walk::addresses(packet, network)?;
        let mut start: [u8; COMPARED] = [0; COMPARED];
        match packet.load::<COMPARED>(network.l4) {
            Some(bytes) => start = bytes,
            None => {
                let bytes = packet.bytes.get(network.l4..).unwrap_or_default();
                for (to, from) in start.iter_mut().zip(bytes) {
                    *to = *from;
                }
            }
        }
        match network.protocol {
            tcp::PROTOCOL => start[16..18].fill(0),
            udp::PROTOCOL => start[6..8].fill(0),
            _ => {}
        }
        let mut state = self.hasher.build_hasher();
        (addresses.source, addresses.destination).hash(&mut state);
        (network.protocol, network.fragment_id).hash(&mut state);
        network.end.saturating_sub(network.l4).hash(&mut state);
        start.hash(&mut state);
        let is_identified = network.version == Version::V4 && network.fragment_id != 0;
        Some((state.finish(), is_identified))
    }

    fn insert(&mut self, hash: u64, place: (NetworkId, Device), now: i64) {
        let places = Places {
            time_ns: now,
            all: vec![place],
        };
        if self.known.insert(hash, places).is_some() {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
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

    fn note(state: &mut Repeats, frame: &[u8], device: Device, now: i64) -> Repeat {
        let packet = Captured {
            bytes: frame,
            frame_len: frame.len(),
        };
        let opened = open(&packet, Link::Ethernet, &UdpPorts::default());
        match device {
            Device::Only => Repeat::default(),
            device => state.compare(&opened, device, now),
        }
    }

    fn inner(id: u16, sequence: u32) -> Vec<u8> {
        let segment = tcp((40_000, 80), (sequence, 0), PSH, b"GET / HTTP/1.1\r\n");
        ethernet(&ipv4(6, (CLIENT, SERVER), id, 0, &segment))
    }

    #[test]
    fn the_same_packet_on_another_device_is_a_repetition() {
        let mut state = Repeats::default();
        let frame = inner(7, 1);
        let on = Device::Index;
        assert_eq!(note(&mut state, &frame, on(1), 0), Repeat::default());
        assert!(note(&mut state, &frame, on(2), 1000).is_repeated);
        assert!(
            !note(&mut state, &frame, on(1), 2000).is_repeated,
            "sent again"
        );
        assert!(!note(&mut state, &inner(8, 1), on(2), 3000).is_repeated);
        let wrapped = note(&mut state, &overlay(9, &frame), on(3), 4000);
        assert_eq!((wrapped.is_repeated, wrapped.was_outside), (false, true));
        let outside = note(&mut state, &frame, on(4), 5000);
        assert_eq!((outside.is_repeated, outside.inside), (true, Some(9)));
        assert!(!note(&mut state, &frame, on(2), SOON_NS + 1).is_repeated);
    }

    #[test]
    fn without_a_device_what_is_sent_again_is_no_repetition() {
        let mut state = Repeats::default();
        let any = Device::Unknown;
        assert!(!note(&mut state, &inner(7, 1), any, 0).is_repeated);
        assert!(note(&mut state, &inner(7, 1), any, 100).is_repeated);
        assert!(!note(&mut state, &inner(0, 5), any, 0).is_repeated);
        assert!(note(&mut state, &inner(0, 5), any, 100).is_repeated);
        assert!(!note(&mut state, &inner(0, 5), any, AT_ONCE_NS + 1).is_repeated);
    }

    #[test]
    fn it_is_bounded() {
        let mut state = Repeats::default();
        for sequence in 0..20_000 {
            note(&mut state, &inner(1, sequence), Device::Unknown, 0);
            note(
                &mut state,
                &overlay(sequence, &inner(1, 9)),
                Device::Index(sequence),
                0,
            );
        }
        assert!(state.known.len() <= LIMIT && state.order.len() == state.known.len());
        assert!(
            state
                .known
                .values()
                .all(|places| places.all.len() <= PLACES)
        );
    }
}
