use monitor_common::sample::Cause;

use super::*;
use crate::base::udp_ports::Services;
use crate::traffic::record::Line;
use monitor_classify::{Exposure, Protocol};
use monitor_common::walk::Link;

/// An IPv4 packet of this protocol.
fn ipv4(protocol: u8, source: [u8; 4], destination: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    packet.extend(source);
    packet.extend(destination);
    packet.extend(payload);
    packet
}

fn ethernet(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0]);
    frame.extend(payload);
    frame
}

fn tcp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

fn vxlan(vni: u32, inner: &[u8]) -> Vec<u8> {
    let length = u16::try_from(16 + inner.len()).unwrap();
    let mut datagram = vec![0xc0, 0, 0x12, 0xb5];
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0, 8, 0, 0, 0]);
    datagram.extend((vni << 8).to_be_bytes());
    datagram.extend(inner);
    ethernet(&ipv4(17, [192, 168, 77, 2], [192, 168, 77, 1], &datagram))
}

fn decode(frame: &[u8], show_payload: bool) -> Record {
    let decoder = Decoder {
        services: Services::default(),
        show_payload,
    };
    let sample = Sample {
        time_ns: 0,
        flow: 0,
        ifindex: 1,
        frame_len: u32::try_from(frame.len()).unwrap(),
        direction: Direction::Rx,
        cause: Cause::Periodic,
        reason: None,
        link: Link::Ethernet,
        frame,
    };
    decoder.decode(
        &mut Samples::default(),
        &sample,
        Timestamp::UNIX_EPOCH,
        "eth0",
    )
}

fn text(record: &Record) -> String {
    Line {
        record,
        colour: false,
    }
    .to_string()
}

#[test]
fn the_tutorials_redis_command_reads_as_one_line() {
    let inner = tcp(39040, 6379, b"*2\r\n$7\r\nHGETALL\r\n$2\r\nip\r\n");
    let frame = vxlan(
        4096,
        &ethernet(&ipv4(6, [10, 0, 1, 7], [10, 0, 1, 3], &inner)),
    );
    let record = decode(&frame, false);
    assert_eq!(
        (record.verdict.protocol, record.verdict.exposure),
        (Protocol::Redis, Exposure::Plaintext)
    );
    let line = text(&record);
    let expected = "eth0 rx  192.168.77.2 > 192.168.77.1  vni 4096  10.0.1.7:39040 > 10.0.1.3:6379 tcp  \
                    redis  plaintext  HGETALL ip";
    assert!(line.ends_with(expected), "{line}");
    let json: serde_json::Value = serde_json::to_value(&record).unwrap();
    assert_eq!(json["type"], "sample");
    assert_eq!(json["vni"], 4096);
    assert_eq!(json["evidence"], "HGETALL ip");
    assert_eq!(json["outer_src"], "192.168.77.2");
    assert!(json.get("payload").is_none(), "no payload unless asked for");
}

#[test]
fn esp_has_nothing_to_read() {
    let mut payload = 0x2ad4_577au32.to_be_bytes().to_vec();
    payload.extend(7u32.to_be_bytes());
    payload.extend([0x5a; 64]);
    let record = decode(
        &ethernet(&ipv4(50, [192, 168, 77, 2], [192, 168, 77, 1], &payload)),
        true,
    );
    let line = text(&record);
    assert!(
        line.ends_with("ESP spi 0x2ad4577a seq 7  (nothing to read)"),
        "{line}"
    );
    assert_eq!(serde_json::to_value(&record).unwrap()["spi"], "0x2ad4577a");
}

#[test]
fn an_ethernet_trailer_is_no_payload() {
    let mut frame = ethernet(&ipv4(6, [10, 0, 0, 1], [10, 0, 0, 2], &tcp(1, 2, b"")));
    frame.extend(b"GET / HTTP/1.1\r\n");
    let record = decode(&frame, true);
    assert_eq!((record.payload_len, record.payload), (0, None));
    assert_eq!(record.verdict, Verdict::unknown());
}

#[test]
fn no_byte_of_a_packet_controls_the_terminal() {
    let hostile = b"GET /\x1b]0;owned\x07\x9b31m HTTP/1.1\r\nHost: \x1b[2J\r\n\r\n";
    let frame = vxlan(
        4096,
        &ethernet(&ipv4(6, [10, 0, 1, 7], [10, 0, 1, 3], &tcp(1, 80, hostile))),
    );
    let record = decode(&frame, true);
    for out in [text(&record), serde_json::to_string(&record).unwrap()] {
        assert!(!out.chars().any(char::is_control), "{out:?}");
    }
}

#[test]
fn every_truncation_of_every_shape_decodes_without_a_panic() {
    let inner = ethernet(&ipv4(
        6,
        [10, 0, 1, 7],
        [10, 0, 1, 3],
        &tcp(1, 80, b"GET / HTTP/1.1\r\n\r\n"),
    ));
    for frame in [vxlan(1, &inner), inner] {
        for len in 0..=frame.len() {
            let sample = Sample {
                time_ns: 0,
                flow: 0,
                ifindex: 1,
                frame_len: u32::try_from(frame.len()).unwrap(),
                direction: Direction::Tx,
                cause: Cause::FlowStart,
                reason: None,
                link: Link::Ethernet,
                frame: &frame[..len],
            };
            let decoder = Decoder {
                services: Services::default(),
                show_payload: true,
            };
            let record = decoder.decode(
                &mut Samples::default(),
                &sample,
                Timestamp::UNIX_EPOCH,
                "eth0",
            );
            assert_ne!(record.verdict.exposure, Exposure::Encrypted);
            text(&record);
        }
    }
}
