use super::*;
use crate::base::udp_ports::UdpPorts;
use crate::traffic::layers::{Opened, open_captured};
use crate::traffic::test_frames::*;
use monitor_common::link::Link;
use monitor_common::walk::InnerKind;

fn open<'a>(state: &mut VxlanRecognition, frame: &'a [u8]) -> Opened<'a> {
    open_cut(state, frame, frame.len())
}

fn open_cut<'a>(state: &mut VxlanRecognition, frame: &'a [u8], snap: usize) -> Opened<'a> {
    let packet = Captured {
        bytes: &frame[..snap.min(frame.len())],
        frame_len: frame.len(),
    };
    open_captured(&packet, Link::Ethernet, &UdpPorts::default(), state)
}

/// The port and VNI of a packet that was recognised.
fn found(state: &mut VxlanRecognition, frame: &[u8]) -> Option<(u16, u32)> {
    let opened = open(state, frame);
    let port = opened.recognised_port?;
    assert_eq!(opened.outer.kind, OuterKind::Overlay);
    assert_eq!(opened.outer.encapsulation, Encapsulation::Vxlan);
    Some((port, opened.outer.vni))
}

fn on_port(port: u16, payload: &[u8]) -> Vec<u8> {
    from_port(50_001, port, payload)
}

fn from_port(source: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(&ipv4(17, NODES, 0, 0, &udp((source, port), payload)))
}

/// An IPv4 packet with its checksum.
fn with_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    let sum: u32 = packet[..20]
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn packet_v4() -> Vec<u8> {
    let segment = tcp((40_000, 80), (1, 1), PSH, b"GET / HTTP/1.1\r\n\r\n");
    with_checksum(ipv4(6, (CLIENT, SERVER), 1, 0, &segment))
}

fn packet_v6() -> Vec<u8> {
    let segment = tcp((40_000, 80), (1, 1), PSH, b"GET / HTTP/1.1\r\n\r\n");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(segment.len()).unwrap().to_be_bytes());
    packet.extend([6, 64]);
    packet.extend([0xfd; 32]);
    packet.extend(segment);
    packet
}

fn frame(ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &ethertype.to_be_bytes(), packet].concat()
}

fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0][..], &(vni << 8).to_be_bytes(), frame].concat()
}

const ARP: [u8; 28] = [
    0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2, 10, 0, 1, 9, 0, 0, 0, 0, 0, 0, 10, 0, 1, 7,
];

#[test]
fn a_usual_header_before_a_whole_frame_is_vxlan_on_any_port() {
    let tagged = [&[0, 5, 8, 0][..], &packet_v4()].concat();
    let mut padded = frame(
        eth::IPV4,
        &with_checksum(ipv4(1, (CLIENT, SERVER), 1, 0, &[8; 8])),
    );
    padded.resize(FRAME_MIN, 0);
    for inner in [
        frame(eth::IPV4, &packet_v4()),
        frame(eth::IPV6, &packet_v6()),
        frame(eth::VLAN, &tagged),
        frame(eth::ARP, &ARP),
        padded,
    ] {
        // That of Geneve, WireGuard and ESP in UDP, and none.
        for port in [6081, 51_871, 4500, 8472, 53, 443] {
            let state = &mut VxlanRecognition::default();
            let datagram = on_port(port, &vxlan(1000, &inner));
            assert_eq!(
                found(state, &datagram),
                Some((port, 1000)),
                "{port} {inner:?}"
            );
            let list = state.ports().list(&UdpPorts::default());
            assert_eq!((list.ports[0].port, list.ports[0].packets), (port, 1));
        }
        let state = &mut VxlanRecognition::default();
        let configured = open(state, &on_port(4789, &vxlan(7, &inner))).recognised_port;
        assert_eq!(configured, None, "that is no news");
    }
}

#[test]
fn two_tags_are_read_and_no_third_one() {
    for (tags, is_found) in [(1, true), (2, true), (3, false)] {
        let mut inner = frame(eth::IPV4, &packet_v4());
        for _ in 0..tags {
            inner.splice(12..12, [0x81, 0, 0, 5]);
        }
        let state = &mut VxlanRecognition::default();
        let datagram = on_port(8472, &vxlan(7, &inner));
        assert_eq!(found(state, &datagram).is_some(), is_found, "{tags}");
    }
}

#[test]
fn it_is_recognised_inside_an_overlay_and_behind_an_authentication_header() {
    let inner = on_port(8472, &vxlan(5, &frame(eth::IPV4, &packet_v4())));
    let state = &mut VxlanRecognition::default();
    let around = overlay(9, &inner);
    let opened = open(state, &around);
    assert_eq!((opened.outer.vni, opened.recognised_port), (9, Some(8472)));
    assert_eq!(opened.path()[1].vni, Some(5));
    let list = state.ports().list(&UdpPorts::default());
    assert_eq!(
        list.ports[0].remedy, None,
        "the agent counts by the outer one"
    );

    let authentication = [
        17, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    ];
    let datagram = [&authentication[..], &inner[34..]].concat();
    let state = &mut VxlanRecognition::default();
    let in_ah = ethernet(&ipv4(51, NODES, 0, 0, &datagram));
    assert_eq!(found(state, &in_ah), Some((8472, 5)));
}

#[test]
fn every_bit_of_the_header_and_of_the_frame_counts() {
    let good = vxlan(1000, &frame(eth::IPV4, &packet_v4()));
    let is_vxlan = |payload: &[u8]| {
        let state = &mut VxlanRecognition::default();
        found(state, &on_port(8472, payload)).is_some()
    };
    assert!(is_vxlan(&good));
    // Flags and reserved bytes, and the IP header behind the addresses of the frame.
    let compared = (0..4).chain(7..8).chain(20..42);
    for at in compared {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(!is_vxlan(&bad), "byte {at} bit {bit}");
        }
    }
    let mut from_group = good.clone();
    from_group[8 + 6] |= 1;
    assert!(!is_vxlan(&from_group));
    for length in 0..good.len() {
        assert!(!is_vxlan(&good[..length]), "{length}");
    }
    let longer = [&good[..], &[0; 40]].concat();
    assert!(!is_vxlan(&longer));
}

#[test]
fn a_cut_frame_is_whole_by_its_length_on_the_wire() {
    let datagram = on_port(8472, &vxlan(7, &frame(eth::IPV4, &packet_v4())));
    for snap in 0..datagram.len() {
        let state = &mut VxlanRecognition::default();
        let is_found = open_cut(state, &datagram, snap).recognised_port.is_some();
        // Ethernet, IP, UDP, VXLAN, and the inner Ethernet and IP.
        assert_eq!(is_found, snap >= 14 + 20 + 8 + 8 + 14 + 20, "{snap}");
        // Once it is known, the header is enough.
        found(state, &datagram).unwrap();
        let is_found = open_cut(state, &datagram, snap).recognised_port.is_some();
        assert_eq!(is_found, snap >= 14 + 20 + 8 + 8, "{snap}");
    }
}

#[test]
fn a_frame_of_another_protocol_is_taken_where_whole_ones_were() {
    let state = &mut VxlanRecognition::default();
    let nsh = on_port(8472, &vxlan(7, &frame(eth::NSH, &[0; 60])));
    assert_eq!(found(state, &nsh), None);
    found(
        state,
        &on_port(8472, &vxlan(7, &frame(eth::IPV4, &packet_v4()))),
    )
    .unwrap();
    assert_eq!(found(state, &nsh), Some((8472, 7)));
    assert_eq!(open(state, &nsh).inner.unwrap().kind, InnerKind::NotIp);
    // Another source port is another flow between the same devices, another port is not.
    let payload = vxlan(7, &frame(eth::NSH, &[0; 60]));
    assert_eq!(
        found(state, &from_port(50_002, 8472, &payload)),
        Some((8472, 7))
    );
    assert_eq!(found(state, &on_port(8473, &payload)), None);
    state.begin_file();
    assert_eq!(found(state, &nsh), None, "of another file");
}

/// Bytes that resemble ciphertext.
fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn ordinary_datagrams_are_none() {
    let state = &mut VxlanRecognition::default();
    let mut tried = 0;
    let mut none = |port, payload: &[u8]| {
        assert_eq!(open(state, &on_port(port, payload)).recognised_port, None);
        assert_eq!(
            open(state, &from_port(port, 50_001, payload)).recognised_port,
            None
        );
        tried += 2;
    };
    // A query whose header is that of VXLAN 256: identification 0x0800, no flag, one question.
    let query = |id: [u8; 2], flags: [u8; 2], name: &[u8]| {
        [
            &id[..],
            &flags,
            &[0, 1, 0, 0, 0, 0, 0, 0],
            name,
            &[0, 0, 1, 0, 1],
        ]
        .concat()
    };
    let name: &[u8] = b"\x03www\x07example\x03com";
    for id in 0..=u16::MAX {
        none(53, &query(id.to_be_bytes(), [1, 0], name));
    }
    none(53, &query([8, 0], [0, 0], name));
    // The same with the EtherType of IPv4 inside the name.
    none(
        53,
        &query([8, 0], [0, 0], b"\x04abcd\x08\x00\x45\x00\x00\x30aaaa"),
    );
    for number in 0..20_000_u64 {
        let body = random(number, 40 + number as usize % 1200);
        let sequence = u32::try_from(number).unwrap().to_be_bytes();
        // QUIC: a short header, and a long one.
        none(443, &[&[0x40 | body[0] & 0x3f][..], &body].concat());
        none(443, &[&[0xc3, 0, 0, 0, 1, 8][..], &body].concat());
        // RTP, and STUN.
        none(
            40_000,
            &[&[0x80, 96, sequence[2], sequence[3]][..], &body].concat(),
        );
        none(
            3478,
            &[&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..], &body].concat(),
        );
        // ESP in UDP whose SPI is the flags of VXLAN.
        none(4500, &[&[8, 0, 0, 0][..], &sequence, &body].concat());
        // The same with a sequence number that has the reserved byte 0 in each packet.
        none(
            4500,
            &[&[8, 0, 0, 0, 0][..], &sequence[2..], &[0], &body].concat(),
        );
        none(4500, &[&[0, 0, 0, 0][..], &body].concat());
        none(8472, &body);
        none(8472, &vxlan(9, &body));
    }
    assert_eq!(tried, 2 * (65_536 + 2 + 9 * 20_000));
    let list = state.ports().list(&UdpPorts::default());
    assert!(list.ports.is_empty() && state.seen.is_empty());
}

/// ESP without encryption around Ethernet (RFC 9347 has the number 143 for it), with the flags of VXLAN as SPI.
#[test]
fn a_sequence_number_that_moves_is_that_of_esp() {
    let state = &mut VxlanRecognition::default();
    let inner = frame(eth::IPV4, &packet_v4());
    let mut taken = 0;
    for sequence in 250..2000_u32 {
        let payload = [&[8, 0, 0, 0][..], &sequence.to_be_bytes(), &inner].concat();
        let datagram = on_port(4500, &payload);
        taken += u32::from(open(state, &datagram).recognised_port.is_some());
    }
    assert_eq!(taken, 1, "the first one whose reserved byte is 0");
    // In VXLAN it never moves.
    let payload = vxlan(1000, &inner);
    for _ in 0..100 {
        let datagram = ethernet(&ipv4(
            17,
            (NODES.1, NODES.0),
            0,
            0,
            &udp((4500, 4500), &payload),
        ));
        assert_eq!(found(state, &datagram), Some((4500, 1000)));
    }
}

#[test]
fn a_stranger_who_forges_one_datagram_takes_nothing_away() {
    let state = &mut VxlanRecognition::default();
    let datagram = on_port(8472, &vxlan(7, &frame(eth::IPV4, &packet_v4())));
    for _ in 0..10 {
        assert!(found(state, &datagram).is_some());
        assert!(found(state, &datagram).is_some());
        assert_eq!(found(state, &on_port(8472, b"nothing of that kind")), None);
    }
    assert!(found(state, &datagram).is_some());
}

#[test]
fn made_up_ends_are_bounded() {
    let state = &mut VxlanRecognition::default();
    let payload = vxlan(7, &frame(eth::IPV4, &packet_v4()));
    for port in 1..=u16::MAX {
        let datagram = on_port(port, &payload);
        open(state, &datagram);
        open(state, &datagram);
    }
    assert_eq!((state.seen.len(), state.order.len()), (ENDS, ENDS));
}
