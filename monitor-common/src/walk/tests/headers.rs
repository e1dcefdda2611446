//! Ethernet, VLAN tags, IP and UDP around an encapsulation: lengths, extensions, fragments, contradictions.

use super::*;

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
fn a_packet_of_ipv6_ends_where_its_header_says_so() {
    let mut frame = ethernet(eth::IPV6, &ip6(udp::PROTOCOL, &udp_to(9, b"four")));
    let whole = frame.len();
    // What follows is padding of the link.
    frame.extend([0; 20]);
    assert_eq!(walk(&frame).network.end, whole);
    frame[18..20].copy_from_slice(&[0, 0]);
    assert_eq!(walk(&frame).network.end, whole + 20);
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
fn a_payload_begins_behind_the_last_header() {
    let payload_of = |protocol, segment: &[u8]| {
        let frame = ethernet(eth::IPV4, &ip4(protocol, segment));
        let found = inside(&frame, 0);
        assert_eq!(found.kind, InnerKind::Flow);
        (found.payload, found.payload_len())
    };
    let at = eth::LEN + ipv4::LEN;
    assert_eq!(
        payload_of(tcp::PROTOCOL, &tcp_with(8, b"abc")),
        (at + 28, 3)
    );
    assert_eq!(payload_of(udp::PROTOCOL, &udp_to(53, b"abcd")), (at + 8, 4));
    // ICMP: what is behind IP.
    assert_eq!(payload_of(1, b"abcde"), (at, 5));
    let arp = inside(&ethernet(0x0806, &[0; 28]), 0);
    assert_eq!((arp.kind, arp.ethertype), (InnerKind::NotIp, 0x0806));
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
