//! Fragments count where their first fragment does, as long as that was seen.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use monitor::kernel::{Entry, Kernel, LoadOptions};
use monitor_common::config::HostFlows;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::CounterKey;
use monitor_common::reason::Reason;
use overlay_tests::frame::{esp, esp_null, ethernet, ipv4, ipv6, redis_command, tcp, udp, vxlan};
use overlay_tests::programs::{IFINDEX, counting, direction, entries, load, run};

/// Bytes of payload in each fragment but the last: a multiple of eight (RFC 791, 3.2).
const PIECE: usize = 56;

/// What an IPv4 packet of this protocol becomes on a link that is too small for it.
fn fragments_v4(id: u16, protocol: u8, payload: &[u8]) -> Vec<Vec<u8>> {
    let pieces = payload.chunks(PIECE).count();
    let fragment = |(n, piece): (usize, &[u8])| {
        let mut frame = ethernet(0x0800, &ipv4(protocol, &[], piece));
        let more = if n + 1 < pieces { 0x2000 } else { 0 };
        let place = u16::try_from(n * PIECE / 8).unwrap() | more;
        frame[18..20].copy_from_slice(&id.to_be_bytes());
        frame[20..22].copy_from_slice(&place.to_be_bytes());
        frame
    };
    payload.chunks(PIECE).enumerate().map(fragment).collect()
}

/// The same in IPv6: a fragment header (RFC 8200, 4.5) before each piece.
fn fragments_v6(id: u32, protocol: u8, payload: &[u8]) -> Vec<Vec<u8>> {
    let pieces = payload.chunks(PIECE).count();
    let fragment = |(n, piece): (usize, &[u8])| {
        let more = u16::from(n + 1 < pieces);
        let place = u16::try_from(n * PIECE).unwrap() | more;
        let mut packet = vec![protocol, 0];
        packet.extend(place.to_be_bytes());
        packet.extend(id.to_be_bytes());
        packet.extend(piece);
        ethernet(0x86dd, &ipv6(44, &packet))
    };
    payload.chunks(PIECE).enumerate().map(fragment).collect()
}

fn datagram(vni: u32) -> Vec<u8> {
    let inner = [redis_command(), vec![0; 2 * PIECE]].concat();
    udp(49_152, 4789, &vxlan(vni, &inner))
}

/// Packets and bytes of a VNI.
fn of_vni(kernel: &Kernel, entry: Entry, vni: u32) -> (u64, u64) {
    let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::Vxlan, vni);
    let counts = kernel.counters().unwrap();
    counts
        .get(&key)
        .map_or((0, 0), |count| (count.packets, count.bytes))
}

/// Packets counted as fragments without attribution.
fn unattributed(kernel: &Kernel) -> u64 {
    let reasons = kernel.reasons().unwrap();
    let of = reasons
        .iter()
        .filter(|(key, _)| key.reason() == Some(Reason::Fragment));
    of.map(|(_, packets)| packets).sum()
}

fn send(kernel: &mut Kernel, entry: Entry, frames: &[Vec<u8>]) -> (u64, u64) {
    for frame in frames {
        run(kernel, entry, frame, 1);
    }
    let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
    (frames.len() as u64, bytes)
}

#[test]
fn later_fragments_count_in_the_network_of_their_first() {
    for entry in entries() {
        let mut kernel = load(&counting());
        for (vni, frames) in [
            (7, fragments_v4(1, 17, &datagram(7))),
            (8, fragments_v4(2, 17, &datagram(8))),
            (9, fragments_v6(1, 17, &datagram(9))),
            (10, fragments_v6(0xffff_0001, 17, &datagram(10))),
        ] {
            assert!(frames.len() > 2, "{} fragments", frames.len());
            let sent = send(&mut kernel, entry, &frames);
            assert_eq!(of_vni(&kernel, entry, vni), sent, "{entry:?} VNI {vni}");
        }
        assert_eq!(unattributed(&kernel), 0, "{entry:?}");
    }
}

#[test]
fn fragments_of_several_packets_may_mix() {
    for entry in entries() {
        let mut kernel = load(&counting());
        let packets: Vec<_> = (0..8u16)
            .map(|n| fragments_v4(100 + n, 17, &datagram(u32::from(n))))
            .collect();
        for n in 0..packets[0].len() {
            for fragments in &packets {
                run(&mut kernel, entry, &fragments[n], 1);
            }
        }
        for (vni, fragments) in packets.iter().enumerate() {
            let seen = of_vni(&kernel, entry, vni as u32).0;
            assert_eq!(seen, fragments.len() as u64, "{entry:?} VNI {vni}");
        }
    }
}

#[test]
fn a_later_fragment_without_its_first_is_not_attributed() {
    for entry in entries() {
        let mut kernel = load(&counting());
        let first = &fragments_v4(1, 17, &datagram(7))[..1];
        let seen = send(&mut kernel, entry, first);
        // Another identification, another protocol, another version.
        let mut strangers = fragments_v4(2, 17, &datagram(7))[1..].to_vec();
        strangers.extend_from_slice(&fragments_v4(1, 50, &esp(0x1234, 1))[1..]);
        strangers.extend_from_slice(&fragments_v6(1, 17, &datagram(7))[1..]);
        assert!(strangers.len() > 3, "{}", strangers.len());
        send(&mut kernel, entry, &strangers);
        assert_eq!(unattributed(&kernel), strangers.len() as u64, "{entry:?}");
        assert_eq!(of_vni(&kernel, entry, 7), seen, "{entry:?}");
    }
}

#[test]
fn fragments_of_the_null_cipher_count_under_its_network() {
    for entry in entries() {
        let mut kernel = load(&counting());
        let frames = fragments_v4(9, 50, &esp_null(9, &datagram(7), 0, 12));
        assert!(frames.len() > 2);
        let sent = send(&mut kernel, entry, &frames);
        let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::EspNull, 7);
        let count = kernel.counters().unwrap()[&key];
        assert_eq!((count.packets, count.bytes), sent, "{entry:?}");
        assert_eq!(unattributed(&kernel), 0, "{entry:?}");
    }
}

#[test]
fn fragments_of_esp_count_under_its_association() {
    for entry in entries() {
        let mut kernel = load(&counting());
        let payload = [esp(0x2ad4_577a, 1), vec![0x5a; 100]].concat();
        let frames = fragments_v4(9, 50, &payload);
        let sent = send(&mut kernel, entry, &frames);
        let all = kernel.esp().unwrap();
        let of_spi: Vec<_> = all
            .iter()
            .filter(|(key, _)| key.spi == 0x2ad4_577a)
            .collect();
        let [(_, count)] = of_spi[..] else {
            panic!("{of_spi:?}")
        };
        assert_eq!((count.packets, count.bytes), sent, "{entry:?}");
        assert_eq!(unattributed(&kernel), 0, "{entry:?}");
    }
}

#[test]
fn fragments_of_the_hosts_own_traffic_count_by_the_ports_of_their_first() {
    for entry in entries() {
        let mut kernel = load(&LoadOptions {
            host_flows: HostFlows::Ports,
            host_ports: vec![443, 53],
            ..counting()
        });
        let body = [0x2e; 3 * PIECE];
        let mut expected = (0, 0);
        for (id, protocol, datagram, is_watched) in [
            (1, 17, udp(40_000, 53, &body), true),
            (2, 17, udp(40_000, 54, &body), false),
            (3, 6, tcp(40_000, 443, &body), true),
            (4, 6, tcp(40_000, 80, &body), false),
        ] {
            for frames in [
                fragments_v4(id, protocol, &datagram),
                fragments_v6(u32::from(id), protocol, &datagram),
            ] {
                let (packets, bytes) = send(&mut kernel, entry, &frames);
                if is_watched {
                    expected = (expected.0 + packets, expected.1 + bytes);
                }
            }
        }
        let counts = kernel.counters().unwrap();
        let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::None, 0);
        let counted = counts[&key];
        assert_eq!((counted.packets, counted.bytes), expected, "{entry:?}");
        assert_eq!(unattributed(&kernel), 0, "{entry:?}");
        // Without the first one it is unknown whether they are watched.
        let strangers = fragments_v4(9, 6, &tcp(40_000, 443, &body))[1..].to_vec();
        let (sent, _) = send(&mut kernel, entry, &strangers);
        assert_eq!(unattributed(&kernel), sent, "{entry:?}");
        assert_eq!(kernel.counters().unwrap()[&key], counted, "{entry:?}");
    }
}
