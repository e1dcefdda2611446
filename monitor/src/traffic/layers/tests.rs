use proptest::prelude::*;

use super::*;
use crate::traffic::test_frames::{ACK, CLIENT, NODES, SERVER, ethernet, ipv4, overlay, tcp, udp};

const IP_IN_IP: u8 = 4;
const GRE: u8 = 47;

fn whole(frame: &[u8]) -> Captured<'_> {
    Captured {
        bytes: frame,
        frame_len: frame.len(),
    }
}

fn opened(frame: &[u8]) -> Opened<'_> {
    open(&whole(frame), Link::Ethernet, &UdpPorts::default())
}

fn names(opened: &Opened<'_>) -> String {
    let names: Vec<String> = opened.path().iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// A TCP segment with its IP header.
fn segment() -> Vec<u8> {
    ipv4(
        6,
        (CLIENT, SERVER),
        0,
        0,
        &tcp((40_000, 80), (1, 1), ACK, b""),
    )
}

fn gre(protocol: u16, inner: &[u8]) -> Vec<u8> {
    let header = [&[0x20, 0][..], &protocol.to_be_bytes(), &[0, 0, 0, 9]].concat();
    ipv4(GRE, NODES, 0, 0, &[&header, inner].concat())
}

fn is_segment(opened: &Opened<'_>) -> bool {
    let inner = opened.inner.unwrap();
    (inner.kind, inner.source_port, inner.destination_port) == (InnerKind::Flow, 40_000, 80)
}

#[test]
fn an_overlay_is_found_inside_overlays_gre_and_ip() {
    let vxlan = overlay(7, &ethernet(&segment()));
    let ip = &vxlan[14..];
    for (frame, layers) in [
        (vxlan.clone(), ""),
        (overlay(9, &vxlan), "vni 9, vni 7"),
        (overlay(8, &overlay(9, &vxlan)), "vni 8, vni 9, vni 7"),
        (ethernet(&gre(0x0800, ip)), "GRE, vni 7"),
        (ethernet(&gre(0x6558, &vxlan)), "GRE, vni 7"),
        (
            ethernet(&ipv4(IP_IN_IP, NODES, 0, 0, ip)),
            "IP in IP, vni 7",
        ),
        (
            overlay(9, &ethernet(&gre(0x6558, &vxlan))),
            "vni 9, GRE, vni 7",
        ),
        (ethernet(&gre(0x0800, &segment())), "GRE"),
    ] {
        let opened = opened(&frame);
        assert_eq!(names(&opened), layers);
        assert!(is_segment(&opened), "{layers}");
    }
}

#[test]
fn what_only_has_the_port_or_number_of_an_encapsulation_is_not_opened() {
    let ends = (CLIENT, SERVER);
    let no_flag = [&[0; 8][..], &ethernet(&segment())].concat();
    let other_bits = [&[8, 0, 0, 1, 0, 0, 7, 0][..], &ethernet(&segment())].concat();
    let no_frame = [8, 0, 0, 0, 0, 0, 7, 0, 1, 2, 3];
    for payload in [&no_flag[..], &other_bits, &no_frame] {
        let datagram = ipv4(17, ends, 0, 0, &udp((50_000, 4789), payload));
        let frame = overlay(9, &ethernet(&datagram));
        let opened = opened(&frame);
        assert_eq!(names(&opened), "");
        assert_eq!(opened.inner.unwrap().destination_port, 4789);
    }
    for protocol in [GRE, IP_IN_IP] {
        let frame = ethernet(&ipv4(protocol, ends, 0, 0, &[0xff; 60]));
        let opened = opened(&frame);
        assert_eq!(names(&opened), "");
        assert_eq!(opened.inner.unwrap().network.protocol, protocol);
    }
}

#[test]
fn depth_is_bounded() {
    let mut frame = overlay(1, &ethernet(&segment()));
    for vni in 2..20 {
        frame = overlay(vni, &frame);
    }
    let opened = opened(&frame);
    assert_eq!(opened.layers.len(), 1 + DEPTH);
    assert_eq!(opened.inner.unwrap().destination_port, 4789);
}

#[test]
fn esp_inside_an_overlay_is_an_association() {
    let esp = [&[0, 0, 1, 0, 0, 0, 0, 5][..], &[0x5a; 40]].concat();
    let frame = overlay(2, &ethernet(&ipv4(50, (CLIENT, SERVER), 0, 0, &esp)));
    let opened = opened(&frame);
    let association = opened.association.unwrap();
    assert_eq!((association.spi, association.sequence), (0x100, 5));
    assert_eq!(opened.layers.len(), 0);
}

proptest! {
    #[test]
    fn any_bytes_are_opened_without_a_panic(
        at in 0..200_usize, value: u8, cut in 0..300_usize, more in 0..2000_usize,
    ) {
        let vxlan = overlay(7, &ethernet(&segment()));
        for mut frame in [overlay(9, &vxlan), ethernet(&gre(0x6558, &vxlan))] {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
            let bytes = &frame[..cut.min(frame.len())];
            let packet = Captured { bytes, frame_len: bytes.len() + more };
            for link in [Link::Ethernet, Link::Ip] {
                let opened = open(&packet, link, &UdpPorts::default());
                prop_assert!(opened.layers.len() <= 1 + DEPTH);
                prop_assert!(opened.packet.frame_len <= packet.frame_len);
            }
        }
    }
}
