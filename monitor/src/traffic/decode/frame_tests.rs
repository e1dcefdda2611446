use monitor_common::direction::Direction;
use monitor_common::link::Link;
use monitor_common::sample::Trigger;

use super::*;
use crate::traffic::record_text::SampleLine;
use crate::traffic::test_frames::{CLIENT, NODES, PSH, SERVER, ethernet, ipv4, overlay, tcp};
use monitor_classify::{Exposure, Protocol, Verdict};

fn decode(frame: &[u8], show_payload: bool) -> SampleRecord {
    let decoder = Decoder {
        udp_ports: UdpPorts::default(),
        show_payload,
        show_users: false,
    };
    let sample = Sample {
        time_ns: 0,
        flow: 0,
        ifindex: 1,
        frame_len: u32::try_from(frame.len()).unwrap(),
        direction: Direction::Rx,
        trigger: Trigger::Periodic,
        reason: None,
        link: Link::Ethernet,
        frame,
    };
    decoder.decode(
        &mut LiveFlows::default(),
        &sample,
        Timestamp::UNIX_EPOCH,
        "eth0",
    )
}

fn text(record: &SampleRecord) -> String {
    SampleLine {
        record,
        colour: false,
    }
    .to_string()
}

#[test]
fn the_tutorials_redis_command_is_printed_as_one_line() {
    let inner = tcp(
        (39040, 6379),
        (1, 0),
        PSH,
        b"*2\r\n$7\r\nHGETALL\r\n$2\r\nip\r\n",
    );
    let frame = overlay(
        4096,
        &ethernet(&ipv4(6, (SERVER, [10, 0, 1, 3]), 0, 0, &inner)),
    );
    let record = decode(&frame, false);
    assert_eq!(
        (record.verdict.protocol, record.verdict.exposure),
        (Protocol::Redis, Exposure::Plaintext)
    );
    let line = text(&record);
    let expected = "eth0 rx  192.168.77.1 > 192.168.77.2  vni 4096  10.0.1.7:39040 > 10.0.1.3:6379 tcp  \
                    redis  plaintext  HGETALL ip";
    assert!(line.ends_with(expected), "{line}");
    let json: serde_json::Value = serde_json::to_value(&record).unwrap();
    assert_eq!(json["type"], "sample");
    assert_eq!(json["vni"], 4096);
    assert_eq!(json["evidence"], "HGETALL ip");
    assert_eq!(json["outer_src"], "192.168.77.1");
    assert!(json.get("payload").is_none(), "no payload unless asked for");
}

#[test]
fn esp_is_printed_without_content() {
    let mut payload = 0x2ad4_577au32.to_be_bytes().to_vec();
    payload.extend(7u32.to_be_bytes());
    payload.extend((1..=64_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8));
    let record = decode(&ethernet(&ipv4(50, NODES, 0, 0, &payload)), true);
    let line = text(&record);
    assert!(
        line.ends_with("ESP spi 0x2ad4577a seq 7  (nothing to read)"),
        "{line}"
    );
    assert_eq!(serde_json::to_value(&record).unwrap()["spi"], "0x2ad4577a");
}

#[test]
fn an_ethernet_trailer_is_not_payload() {
    let mut frame = ethernet(&ipv4(
        6,
        (CLIENT, SERVER),
        0,
        0,
        &tcp((1, 2), (1, 0), PSH, b""),
    ));
    frame.extend(b"GET / HTTP/1.1\r\n");
    let record = decode(&frame, true);
    assert_eq!((record.payload_len, record.payload), (0, None));
    assert_eq!(record.verdict, Verdict::unknown());
}

#[test]
fn no_byte_of_a_packet_reaches_the_terminal_as_a_control_character() {
    let hostile = b"GET /\x1b]0;owned\x07\x9b31m HTTP/1.1\r\nHost: \x1b[2J\r\n\r\n";
    let frame = overlay(
        4096,
        &ethernet(&ipv4(
            6,
            (SERVER, [10, 0, 1, 3]),
            0,
            0,
            &tcp((1, 80), (1, 0), PSH, hostile),
        )),
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
        (SERVER, [10, 0, 1, 3]),
        0,
        0,
        &tcp((1, 80), (1, 0), PSH, b"GET / HTTP/1.1\r\n\r\n"),
    ));
    for frame in [overlay(1, &inner), inner] {
        for len in 0..=frame.len() {
            let sample = Sample {
                time_ns: 0,
                flow: 0,
                ifindex: 1,
                frame_len: u32::try_from(frame.len()).unwrap(),
                direction: Direction::Tx,
                trigger: Trigger::FlowStart,
                reason: None,
                link: Link::Ethernet,
                frame: &frame[..len],
            };
            let decoder = Decoder {
                udp_ports: UdpPorts::default(),
                show_payload: true,
                show_users: false,
            };
            let record = decoder.decode(
                &mut LiveFlows::default(),
                &sample,
                Timestamp::UNIX_EPOCH,
                "eth0",
            );
            assert_ne!(record.verdict.exposure, Exposure::Encrypted);
            text(&record);
        }
    }
}

#[test]
fn an_overlay_inside_another_keeps_the_network_that_the_kernel_counts_by() {
    let request = tcp((40_000, 80), (1, 0), PSH, b"GET / HTTP/1.1\r\n\r\n");
    let inner = overlay(7, &ethernet(&ipv4(6, (CLIENT, SERVER), 0, 0, &request)));
    let record = decode(&overlay(9, &inner), false);
    assert_eq!((record.vni, record.inner_vni()), (Some(9), Some(7)));
    assert_eq!(record.network_vni(), Some(9));
    assert_eq!(record.verdict.protocol, Protocol::Http);
    assert_eq!(record.inner.unwrap().source.to_string(), "10.0.1.9");
    let line = text(&record);
    assert!(line.contains("  vni 9 around vni 7  10.0.1.9:40000 > 10.0.1.7:80 tcp  http"));

    // GRE is in no count of the kernel programs: the packet is the host's own there.
    let gre = [&[0, 0, 0x65, 0x58][..], &inner].concat();
    let record = decode(&ethernet(&ipv4(47, NODES, 0, 0, &gre)), false);
    assert_eq!((record.vni, record.inner_vni()), (None, Some(7)));
    assert_eq!(record.network_vni(), Some(7));
    assert_eq!(record.verdict.protocol, Protocol::Http);
    let json: serde_json::Value = serde_json::to_value(&record).unwrap();
    assert_eq!(
        (&json["vni"], &json["encapsulation"]),
        (&7.into(), &"vxlan".into())
    );
}

#[test]
fn the_ends_of_a_packet_that_is_cut_behind_its_ports_are_shown() {
    let inner = tcp((39_040, 6379), (1, 0), PSH, b"PING\r\n");
    let whole = overlay(
        4096,
        &ethernet(&ipv4(6, (SERVER, [10, 0, 1, 3]), 0, 0, &inner)),
    );
    // Outer headers and VXLAN, inner Ethernet and IPv4, and four bytes of TCP.
    let cut = &whole[..14 + 20 + 8 + 8 + 14 + 20 + 4];
    let record = decode(cut, false);
    let line = text(&record);
    assert!(
        line.contains("vni 4096  10.0.1.7:39040 > 10.0.1.3:6379 tcp"),
        "{line}"
    );
}

#[test]
fn kinds_of_credentials_are_a_list() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dXNlcjpwYXNzd29yZA==\r\n\
                    Cookie: session=0123456789abcdef0123\r\n\r\n";
    let inner = tcp((39_040, 80), (1, 0), PSH, request);
    let frame = overlay(
        4096,
        &ethernet(&ipv4(6, (SERVER, [10, 0, 1, 3]), 0, 0, &inner)),
    );
    let record = decode(&frame, false);
    let kinds: Vec<String> = record
        .verdict
        .credentials
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    let line = text(&record);
    let expected = format!("  credentials: {}, {}", kinds[0], kinds[1]);
    assert!(line.ends_with(&expected), "{line}");
}
