//! What each encapsulation is walked as.

use super::*;

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
            (found.kind, found.encapsulation, found.vni, found.link),
            (
                OuterKind::Overlay,
                Encapsulation::Geneve,
                4096,
                Link::Ethernet
            )
        );
        assert_eq!(inside(&frame, found.inner).destination_port, 6379);
    }
    // IP without Ethernet (RFC 8926, 3.4).
    let mut frame = with(0, 0, &redis()[eth::LEN..]);
    let protocol_type = OUTER_V4 + udp::LEN + 2;
    frame[protocol_type..protocol_type + 2].copy_from_slice(&eth::IPV4.to_be_bytes());
    let found = walk(&frame);
    assert_eq!((found.vni, found.link), (4096, Link::Ip));
    let flow = inner(&frame[..], found.inner, found.link);
    assert_eq!(flow.destination_port, 6379);
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
