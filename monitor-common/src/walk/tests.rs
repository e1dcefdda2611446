use std::vec::Vec;

use super::*;
use crate::address::Addresses;
use crate::encapsulation::{Encapsulation, UdpPort};
use crate::link::Link;
use crate::load::Captured;
use crate::reason::Reason;
use crate::wire::{VNI_MAX, ah, esp, eth, geneve, ipv4, ipv6, tcp, udp, wireguard};

const OUTER_V4: usize = eth::LEN + ipv4::LEN;

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = std::vec![2; 12];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (ipv4::LEN + payload.len()) as u16;
    let mut packet = std::vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

fn ip6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend([0xaa; 16]);
    packet.extend([0xbb; 16]);
    packet.extend(payload);
    packet
}

fn udp_to(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = std::vec![0xc0, 0];
    datagram.extend(port.to_be_bytes());
    datagram.extend(((udp::LEN + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn tcp_with(options: usize, payload: &[u8]) -> Vec<u8> {
    let mut segment = std::vec![0x98, 0x80, 0x18, 0xeb, 0, 0, 0, 1, 0, 0, 0, 1];
    segment.extend([
        ((tcp::LEN + options) / 4 * 16) as u8,
        0x18,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    segment.extend(std::iter::repeat_n(1, options));
    segment.extend(payload);
    segment
}

fn vxlan_with(vni: u32, inner: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![8, 0, 0, 0];
    packet.extend((vni << 8).to_be_bytes());
    packet.extend(inner);
    packet
}

fn ports(port: u16) -> UdpPort {
    UdpPort::ALL
        .iter()
        .copied()
        .find(|known| known.default_ports().contains(&port))
        .unwrap_or(UdpPort::None)
}

fn walk(frame: &[u8]) -> Outer {
    outer(frame, Link::Ethernet, ports)
}

fn inside(frame: &[u8], at: usize) -> Inner {
    inner(frame, at, Link::Ethernet)
}

fn redis() -> Vec<u8> {
    ethernet(
        eth::IPV4,
        &ip4(tcp::PROTOCOL, &tcp_with(12, b"*1\r\n$4\r\nPING\r\n")),
    )
}

fn overlay() -> Vec<u8> {
    ethernet(
        eth::IPV4,
        &ip4(udp::PROTOCOL, &udp_to(4789, &vxlan_with(4096, &redis()))),
    )
}

#[test]
fn vxlan_and_the_flow_inside() {
    let frame = overlay();
    let found = walk(&frame);
    assert_eq!(
        (found.kind, found.vni, found.inner),
        (OuterKind::Overlay, 4096, 50)
    );
    let flow = inside(&frame, found.inner);
    assert_eq!(flow.kind, InnerKind::Flow);
    assert_eq!(
        (flow.source_port, flow.destination_port, flow.tcp_flags),
        (39040, 6379, 0x18)
    );
    assert_eq!(
        &frame[flow.payload..flow.payload + flow.payload_len()],
        b"*1\r\n$4\r\nPING\r\n"
    );
    assert_eq!(
        addresses(&frame[..], &flow.network),
        Some(Addresses::v4(0x0a00_0001, 0x0a00_0002))
    );
}

#[test]
fn each_header_at_its_exact_length_and_one_byte_short() {
    let frame = overlay();
    let at = |len: usize| {
        let found = walk(&frame[..len]);
        (found.kind, found.reason)
    };
    let unparsed = |reason| (OuterKind::Unparsed, reason);
    assert_eq!(at(0), unparsed(Reason::EthernetTruncated));
    assert_eq!(at(13), unparsed(Reason::EthernetTruncated));
    assert_eq!(at(14), unparsed(Reason::Ipv4Truncated));
    assert_eq!(at(33), unparsed(Reason::Ipv4Truncated));
    assert_eq!(at(34), unparsed(Reason::UdpTruncated));
    assert_eq!(at(41), unparsed(Reason::UdpTruncated));
    assert_eq!(at(42), unparsed(Reason::VxlanTruncated));
    assert_eq!(at(49), unparsed(Reason::VxlanTruncated));
    assert_eq!(at(50).0, OuterKind::Overlay);

    let inside = |len: usize| inside(&frame[..len], 50);
    for len in [50, 63, 64, 83, 84, 84 + tcp::LEN - 1] {
        assert_eq!(
            (inside(len).kind, inside(len).reason),
            (InnerKind::Unparsed, Reason::InnerTruncated),
            "{len}"
        );
    }
    assert_eq!(inside(84 + tcp::LEN).kind, InnerKind::Flow);
}

#[test]
fn truncation_never_invents_anything() {
    let v6 = ethernet(
        eth::IPV6,
        &ip6(udp::PROTOCOL, &udp_to(4789, &vxlan_with(VNI_MAX, &redis()))),
    );
    let esp = ethernet(
        eth::IPV4,
        &ip4(esp::PROTOCOL, &[0, 0, 1, 0, 0, 0, 0, 1, 9, 9]),
    );
    let gpe = over_udp(
        4790,
        &[[0x0c, 0, 0, 3, 0, 0x10, 0, 0].as_slice(), &redis()].concat(),
    );
    let geneve = over_udp(
        geneve::PORT,
        &[
            [1, 0, 0x65, 0x58, 0, 0x10, 0, 0, 1, 2, 3, 4].as_slice(),
            &redis(),
        ]
        .concat(),
    );
    let esp_udp = over_udp(esp::UDP_PORT, &[0, 0, 1, 0, 0, 0, 0, 1, 9, 9]);
    let ike = over_udp(esp::UDP_PORT, &[0; 40]);
    let mut transport = std::vec![0; 64];
    transport[0] = 4;
    let wireguard = over_udp(wireguard::PORTS[0], &transport);
    let protected = ethernet(
        eth::IPV4,
        &ip4(ah::PROTOCOL, &with_ah(tcp::PROTOCOL, &[0; 20])),
    );
    for whole in [
        overlay(),
        v6,
        esp,
        redis(),
        gpe,
        geneve,
        esp_udp,
        ike,
        wireguard,
        protected,
    ] {
        let expected = walk(&whole);
        let mut known = false;
        for len in 0..=whole.len() {
            let found = walk(&whole[..len]);
            if found.kind == OuterKind::Unparsed {
                assert!(
                    !known,
                    "{len}: more bytes never make a packet less understood"
                );
                continue;
            }
            known = true;
            assert_eq!(
                (found.kind, found.vni, found.spi),
                (expected.kind, expected.vni, expected.spi),
                "{len}"
            );
        }
        assert!(known);
    }
}

#[test]
fn a_length_of_zero_means_up_to_the_end_of_the_frame() {
    let mut frame = overlay();
    frame[16..18].copy_from_slice(&[0, 0]);
    let packet = Captured {
        bytes: &frame,
        frame_len: 70_000,
    };
    let found = outer(&packet, Link::Ethernet, ports);
    assert_eq!(
        (found.kind, found.network.end),
        (OuterKind::Overlay, 70_000)
    );
}

#[test]
fn vlan_tags_up_to_two() {
    let tag = |frame: &[u8], kind: u16| {
        let mut out = frame[..12].to_vec();
        out.extend(kind.to_be_bytes());
        out.extend([0, 7]);
        out.extend(&frame[12..]);
        out
    };
    let once = tag(&overlay(), eth::VLAN);
    let twice = tag(&once, eth::VLAN_SERVICE);
    let thrice = tag(&twice, eth::VLAN_SERVICE);
    assert_eq!(
        (walk(&once).kind, walk(&once).inner),
        (OuterKind::Overlay, 54)
    );
    assert_eq!(
        (walk(&twice).kind, walk(&twice).inner),
        (OuterKind::Overlay, 58)
    );
    assert_eq!(
        (walk(&thrice).kind, walk(&thrice).reason),
        (OuterKind::Unparsed, Reason::VlanDepth)
    );
    for len in [14, 17] {
        assert_eq!(walk(&once[..len]).reason, Reason::EthernetTruncated);
    }
}

#[test]
fn ipv6_extension_headers_up_to_three() {
    let datagram = udp_to(4789, &vxlan_with(7, &redis()));
    let chained = |count: usize| {
        let mut payload = Vec::new();
        for n in 1..=count {
            payload.extend([
                if n == count { udp::PROTOCOL } else { 60 },
                0,
                1,
                4,
                0,
                0,
                0,
                0,
            ]);
        }
        payload.extend(&datagram);
        ethernet(
            eth::IPV6,
            &ip6(if count == 0 { udp::PROTOCOL } else { 60 }, &payload),
        )
    };
    for count in 0..=3 {
        assert_eq!(
            (walk(&chained(count)).kind, walk(&chained(count)).vni),
            (OuterKind::Overlay, 7),
            "{count}"
        );
    }
    assert_eq!(walk(&chained(4)).reason, Reason::Ipv6Extension);
    let cut = &chained(1)[..eth::LEN + ipv6::LEN + 7];
    assert_eq!(walk(cut).reason, Reason::Ipv6Truncated);
}

#[test]
fn later_fragments_have_no_ports() {
    let mut frame = overlay();
    frame[18..22].copy_from_slice(&[1, 2, 0x20, 0]);
    let first = walk(&frame);
    assert_eq!(
        first.kind,
        OuterKind::Overlay,
        "the first fragment has the header"
    );
    assert!(first.network.first_fragment);
    assert_eq!(first.network.fragment_id, 0x0102);
    frame[20..22].copy_from_slice(&[0, 1]);
    assert_eq!(walk(&frame).kind, OuterKind::LaterFragment);

    let fragment = [udp::PROTOCOL, 0, 0, 8, 0, 0, 0, 1];
    let mut payload = fragment.to_vec();
    payload.extend([0x12, 0xb5, 0x12, 0xb5]);
    assert_eq!(
        walk(&ethernet(eth::IPV6, &ip6(ipv6::FRAGMENT, &payload))).kind,
        OuterKind::LaterFragment
    );

    let mut host = redis();
    host[20..22].copy_from_slice(&[0, 1]);
    let found = walk(&host);
    let flow = segment(&host[..], found.network);
    assert_eq!(
        (found.kind, flow.kind, flow.source_port),
        (OuterKind::Host, InnerKind::Flow, 0)
    );
}

#[test]
fn contradictions_are_malformed() {
    let reason = |at: usize, value: u8| {
        let mut frame = overlay();
        frame[at] = value;
        walk(&frame).reason
    };
    assert_eq!(reason(14, 0x65), Reason::Ipv4Malformed);
    assert_eq!(reason(14, 0x44), Reason::Ipv4Malformed);
    assert_eq!(reason(OUTER_V4 + 8, 0xf7), Reason::VxlanNoVni);
    let mut short = overlay();
    short[16..18].copy_from_slice(&[0, 19]);
    assert_eq!(walk(&short).reason, Reason::Ipv4Malformed);
    short = overlay();
    short[OUTER_V4 + 4..OUTER_V4 + 6].copy_from_slice(&[0, 15]);
    assert_eq!(walk(&short).reason, Reason::UdpLength);
    let mut data_offset = overlay();
    data_offset[84 + 12] = 0x40;
    assert_eq!(inside(&data_offset, 50).reason, Reason::InnerMalformed);
}

#[test]
fn a_payload_ends_where_the_packet_says() {
    let mut frame = redis();
    let end = frame.len();
    frame.extend([0; 6]);
    let flow = segment(&frame[..], walk(&frame).network);
    assert_eq!(
        flow.payload + flow.payload_len(),
        end,
        "an Ethernet trailer is no payload"
    );
}

fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(eth::IPV4, &ip4(udp::PROTOCOL, &udp_to(port, payload)))
}

fn with_ah(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![next_header, 4, 0, 0, 0, 0, 1, 2, 0, 0, 0, 9];
    packet.extend([0xee; 12]);
    packet.extend(payload);
    packet
}

#[test]
fn vxlan_gpe_with_each_kind_of_inside() {
    let with = |flags: u8, next: u8, inner: &[u8]| {
        let header = [flags, 0, 0, next, 0, 0x10, 0, 0];
        over_udp(4790, &[header.as_slice(), inner].concat())
    };
    let ethernet_inside = with(0x0c, 3, &redis());
    let found = walk(&ethernet_inside);
    assert_eq!(
        (found.kind, found.encapsulation, found.vni, found.link),
        (
            OuterKind::Overlay,
            Encapsulation::VxlanGpe,
            4096,
            Link::Ethernet
        )
    );
    let ip_inside = with(0x0c, 1, &redis()[eth::LEN..]);
    let found = walk(&ip_inside);
    assert_eq!(found.link, Link::Ip);
    let flow = inner(&ip_inside[..], found.inner, found.link);
    assert_eq!((flow.kind, flow.destination_port), (InnerKind::Flow, 6379));
    let nsh = walk(&with(0x0c, 4, &[0; 8]));
    assert_eq!((nsh.kind, nsh.link), (OuterKind::Overlay, Link::Other));
    assert_eq!(walk(&with(0x04, 3, &[])).reason, Reason::VxlanNoVni);
    assert_eq!(walk(&with(0x1c, 3, &[])).reason, Reason::TunnelVersion);
}

#[test]
fn geneve_with_options() {
    let with = |first: u8, options: usize, inner: &[u8]| {
        let header = [first, 0, 0x65, 0x58, 0, 0x10, 0, 0];
        over_udp(
            geneve::PORT,
            &[header.as_slice(), &std::vec![7; options], inner].concat(),
        )
    };
    for words in [0usize, 1, 63] {
        let frame = with(words as u8, words * 4, &redis());
        let found = walk(&frame);
        assert_eq!(
            (found.kind, found.encapsulation, found.vni),
            (OuterKind::Overlay, Encapsulation::Geneve, 4096)
        );
        assert_eq!(inside(&frame, found.inner).destination_port, 6379);
    }
    assert_eq!(walk(&with(0x40, 0, &[])).reason, Reason::TunnelVersion);
    let frame = with(0, 0, &[]);
    assert_eq!(
        walk(&frame[..frame.len() - 1]).reason,
        Reason::GeneveTruncated
    );
}

#[test]
fn esp_in_udp_apart_from_ike_and_keepalives() {
    let kind = |payload: &[u8]| {
        let found = walk(&over_udp(esp::UDP_PORT, payload));
        (found.kind, found.encapsulation)
    };
    let tunnel = (OuterKind::Tunnel, Encapsulation::Ike);
    assert_eq!(
        kind(&[0, 0, 1, 0, 0, 0, 0, 1]),
        (OuterKind::Association, Encapsulation::EspUdp)
    );
    assert_eq!(kind(&[0, 0, 0, 0, 1, 2, 3, 4]), tunnel);
    assert_eq!(kind(&[0xff]), tunnel);
    assert_eq!(kind(&[1, 2, 3]).0, OuterKind::Unparsed);
    assert_eq!(kind(&[0, 0, 1, 0, 0, 0, 0]).0, OuterKind::Unparsed);
    let mut answer = over_udp(50_000, &[0, 0, 1, 0, 0, 0, 0, 1]);
    answer[OUTER_V4..OUTER_V4 + 2].copy_from_slice(&esp::UDP_PORT.to_be_bytes());
    assert_eq!(walk(&answer).encapsulation, Encapsulation::EspUdp);
}

#[test]
fn wireguard_by_its_messages_and_the_rest_is_the_hosts() {
    let kind = |payload: &[u8]| walk(&over_udp(wireguard::PORTS[1], payload)).kind;
    let mut message = std::vec![0; 148];
    message[0] = 1;
    assert_eq!(kind(&message), OuterKind::Tunnel);
    message[1] = 1;
    assert_eq!(kind(&message), OuterKind::Host);
    assert_eq!(kind(&[]), OuterKind::Host);
    assert_eq!(kind(&[4, 0, 0]), OuterKind::Host);
}

#[test]
fn ah_hides_nothing() {
    let vxlan = with_ah(udp::PROTOCOL, &udp_to(4789, &vxlan_with(7, &redis())));
    let frame = ethernet(eth::IPV4, &ip4(ah::PROTOCOL, &vxlan));
    let found = walk(&frame);
    assert_eq!(
        (found.kind, found.encapsulation, found.vni),
        (OuterKind::Overlay, Encapsulation::Vxlan, 7)
    );
    assert_eq!(inside(&frame, found.inner).destination_port, 6379);

    let frame = ethernet(
        eth::IPV6,
        &ip6(ah::PROTOCOL, &with_ah(tcp::PROTOCOL, &tcp_with(0, b"x"))),
    );
    let found = walk(&frame);
    assert_eq!(
        (found.kind, found.encapsulation, found.spi, found.sequence),
        (OuterKind::Association, Encapsulation::Ah, 0x0102, 9)
    );
    let cut = &frame[..eth::LEN + ipv6::LEN + ah::LEN - 1];
    assert_eq!(walk(cut).reason, Reason::AhTruncated);
    let mut short = frame.clone();
    short[eth::LEN + ipv6::LEN + 1] = 0;
    assert_eq!(walk(&short).reason, Reason::AhTruncated);
}

#[test]
fn a_raw_ip_interface_has_no_ethernet_header() {
    for version in [4, 6] {
        let datagram = udp_to(4789, &vxlan_with(7, &redis()));
        let packet = if version == 4 {
            ip4(udp::PROTOCOL, &datagram)
        } else {
            ip6(udp::PROTOCOL, &datagram)
        };
        let found = outer(&packet[..], Link::Ip, ports);
        assert_eq!(
            (found.kind, found.vni),
            (OuterKind::Overlay, 7),
            "{version}"
        );
        assert_eq!(inside(&packet, found.inner).destination_port, 6379);
    }
    assert_eq!(
        outer(&[0x10, 0][..], Link::Ip, ports).kind,
        OuterKind::NotIp
    );
    assert_eq!(outer(&[][..], Link::Ip, ports).kind, OuterKind::Unparsed);
}
