//! Written files are read back.

use monitor_common::link::Link;
use proptest::prelude::*;

use super::*;
use crate::traffic::capture::pcapng_writer::{Saved, Writer};

/// A packet to save, and its comment.
fn packets() -> impl Strategy<Value = (Owned, Link, String)> {
    let direction = prop::sample::select(Direction::ALL.to_vec());
    let link = prop::sample::select(vec![Link::Ethernet, Link::Ip]);
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    (
        (0..i64::MAX, "\\PC{0,20}", direction, link, bytes),
        any::<u32>(),
        "\\PC{0,200}",
    )
        .prop_map(
            |((time_ns, name, direction, link, bytes), wire_len, comment)| {
                let packet = Owned {
                    time_ns,
                    link_type: if matches!(link, Link::Ip) { 101 } else { 1 },
                    // The reader cuts longer names.
                    interface: Some(name.chars().take(16).collect()),
                    interface_id: None,
                    direction: Some(direction),
                    wire_len: wire_len.max(bytes.len() as u32),
                    bytes,
                };
                (packet, link, comment)
            },
        )
}

fn written(packets: &[(Owned, Link, String)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file).unwrap();
    for (packet, link, comment) in packets {
        let saved = Saved {
            time_ns: packet.time_ns,
            interface: packet.interface.as_deref().unwrap(),
            direction: packet.direction.unwrap(),
            link: *link,
            bytes: &packet.bytes,
            wire_len: packet.wire_len,
            comment,
        };
        writer.save(&saved).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    file
}

proptest! {
    #[test]
    fn any_saved_packets_are_read_back(packets in prop::collection::vec(packets(), 0..12), piece in 1..4000_usize) {
        let file = written(&packets);
        let (found, end) = read_in(&file, piece);
        prop_assert_eq!(end.unwrap(), Filled::End);
        let saved: Vec<Owned> = packets.into_iter().map(|(packet, ..)| packet).collect();
        // Interfaces are numbered in the order in which they come.
        let found = found.into_iter().map(|packet| Owned { interface_id: None, ..packet });
        prop_assert_eq!(found.collect::<Vec<_>>(), saved);
    }
}

#[test]
fn packets_and_comments_of_any_length_are_read_back() {
    for (length, comment) in [(PACKET_MAX, 3), (65_535, 65_535), (1, 70_000)] {
        let packet = Owned {
            time_ns: 5,
            link_type: 1,
            interface: Some("eth0".to_owned()),
            interface_id: None,
            direction: Some(Direction::Tx),
            bytes: vec![7; length],
            wire_len: u32::MAX,
        };
        // A longer comment is cut, so that the block is valid.
        let saved = (packet.clone(), Link::Ethernet, "x".repeat(comment));
        let file = written(&[saved.clone(), saved]);
        assert_eq!(read_in(&file, 4096).0, [packet.clone(), packet], "{length}");
    }
}
