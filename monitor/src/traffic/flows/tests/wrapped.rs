//! Fragments and ESP.

use monitor_common::reason::Reason;

use super::*;
use crate::traffic::not_understood::NotUnderstood;
use crate::traffic::test_frames::*;
use monitor_classify::{Exposure, Protocol, Transport};

#[test]
fn fragments_belong_to_the_flow_of_the_first_one() {
    // The inner packet is fragmented: each fragment is a packet of the flow.
    let ends = (CLIENT, SERVER);
    let datagram = udp((40_000, 5353), &[b'x'; 1000]);
    let inner = [
        overlay(7, &ethernet(&ipv4(17, ends, 9, 0x2000, &datagram[..800]))),
        overlay(7, &ethernet(&ipv4(17, ends, 9, 100, &datagram[800..]))),
        overlay(7, &ethernet(&ipv4(17, ends, 10, 100, &datagram[800..]))),
    ];
    let (flows, _, summary) = all(&inner);
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].sent, count(2, 34 + 800 + 34 + 208));
    assert_eq!(
        summary.unparsed.get(&NotUnderstood::Walk(Reason::Fragment)),
        Some(&1)
    );

    // The outer packet is fragmented: one packet, with the bytes of both fragments.
    let whole = overlay(7, &ethernet(&ipv4(17, ends, 9, 0, &datagram)));
    let outer = &whole[34..];
    let frames = [
        ethernet(&ipv4(17, NODES, 5, 0x2000, &outer[..800])),
        ethernet(&ipv4(17, NODES, 5, 100, &outer[800..])),
    ];
    let (flows, _, summary) = all(&frames);
    assert_eq!(flows[0].sent, count(1, 14 + 20 + 1008));
    assert_eq!((summary.count.packets, summary.fragments), (2, 1));
}

#[test]
fn a_later_fragment_outside_any_overlay_is_of_the_flow_of_the_first_one() {
    let ends = (CLIENT, SERVER);
    let segment = tcp((40_000, 80), (1, 0), 0x10, &[b'x'; 1000]);
    // Its bytes would be the header of another flow.
    let rest = tcp((41_000, 81), (1, 0), 0x10, &[b'y'; 200]);
    let (flows, ..) = all(&[
        ethernet(&ipv4(6, ends, 9, 0x2000, &segment[..800])),
        ethernet(&ipv4(6, ends, 9, 100, &rest)),
    ]);
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].sent.packets, 2);
}

#[test]
fn esp_is_counted_by_association_and_is_one_flow() {
    let esp = |sequence: u32, back: bool| {
        let mut packet = if back {
            vec![0, 0, 2, 0]
        } else {
            vec![0, 0, 1, 0]
        };
        packet.extend(sequence.to_be_bytes());
        packet.extend(&tls_record(sequence)[5..]);
        let ends = if back { (NODES.1, NODES.0) } else { NODES };
        ethernet(&ipv4(50, ends, 0, 0, &packet))
    };
    let (flows, associations, summary) = all(&[esp(5, false), esp(9, false), esp(1, true)]);
    assert_eq!(flows.len(), 1);
    assert_eq!((flows[0].transport, flows[0].vni), (Transport::Esp, None));
    assert_eq!(flows[0].verdict.protocol, Protocol::Ipsec);
    assert_eq!(flows[0].verdict.exposure, Exposure::Encrypted);
    assert_eq!((flows[0].sent.packets, flows[0].received.packets), (2, 1));
    let counted: Vec<(u32, u64, (u32, u32))> = associations
        .iter()
        .map(|one| (one.spi, one.count.packets, one.sequence))
        .collect();
    assert_eq!(counted, [(0x100, 2, (5, 9)), (0x200, 1, (1, 1))]);
    assert_eq!(summary.encrypted.count.packets, 3);
    assert!(
        associations
            .iter()
            .all(|one| one.exposure == Exposure::Encrypted)
    );
}

#[test]
fn a_flow_of_esp_is_encrypted_only_if_each_association_is() {
    // Dummy packets under the NULL cipher (RFC 4303, 2.6) one way, ciphertext the other way.
    let dummy = |sequence: u8| {
        let packet = [
            0, 0, 1, 0, 0, 0, 0, sequence, sequence, 9, 0, 59, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
            12,
        ];
        ethernet(&ipv4(50, NODES, 0, 0, &packet))
    };
    let hidden = |sequence: u8| {
        let mut packet = vec![0, 0, 2, 0, 0, 0, 0, sequence];
        packet.extend(&tls_record(sequence.into())[5..]);
        ethernet(&ipv4(50, (NODES.1, NODES.0), 0, 0, &packet))
    };
    let frames = [dummy(1), hidden(1), hidden(2), dummy(2), hidden(3)];
    let (flows, associations, _) = all(&frames);
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].verdict.exposure, Exposure::Unknown);
    let exposures: Vec<_> = associations.iter().map(|one| one.exposure).collect();
    assert_eq!(exposures, [Exposure::Unknown, Exposure::Encrypted]);
    // The first fragment of a packet has no trailer.
    let fragments = [0x2000, 0x2000].map(|fragment| {
        let mut packet = vec![0, 0, 3, 0, 0, 0, 0, 1];
        packet.extend([
            0x9c, 0x40, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 1, 0xf5, 0xab, 0xcd, 0, 0,
        ]);
        packet.extend(&tls_record(3)[5..]);
        ethernet(&ipv4(50, NODES, 7, fragment, &packet))
    });
    let (flows, _, _) = all(&fragments);
    assert_eq!(flows[0].verdict.exposure, Exposure::Unknown);
}

#[test]
fn esp_with_the_null_cipher_is_counted_as_the_inner_flow_alone() {
    const REQUEST: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: app1\r\n\r\n";
    let frame = segment(true, 80, 100, 0x18, REQUEST);
    // After Ethernet and IPv4. Inside VXLAN are 54 bytes of headers and the request.
    let datagram = &frame[34..];
    let padding = (4 - (datagram.len() + 2) % 4) % 4;
    let mut esp = vec![0, 0, 1, 0, 0, 0, 0, 7];
    esp.extend(datagram);
    esp.extend(&[1, 2, 3][..padding]);
    esp.extend([padding as u8, 17]);
    esp.extend([0x5e; 16]);
    let (flows, associations, summary) = all(&[ethernet(&ipv4(50, NODES, 0, 0, &esp))]);
    assert_eq!(flows[0].vni, Some(4097));
    assert_eq!(flows[0].verdict.protocol, Protocol::Http);
    assert_eq!(flows[0].verdict.exposure, Exposure::Plaintext);
    assert_eq!(flows[0].sent, count(1, 54 + REQUEST.len() as u64));
    assert_eq!(associations, []);
    assert_eq!(summary.plaintext.count.packets, 1);
}
