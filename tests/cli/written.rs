//! What `tail --write` saves, as Wireshark's own reader has it.

use monitor::traffic::capture::pcapng_writer::{Saved, Writer};
use monitor_common::direction::Direction;
use monitor_common::link::Link;
use overlay_tests::process::finish;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::process::Command;

use super::folder::Folder;

/// A packet that is saved.
#[derive(Debug)]
struct Packet {
    time_ns: i64,
    interface: String,
    direction: Direction,
    link: Link,
    bytes: Vec<u8>,
    wire_len: u32,
    comment: String,
}

fn any_packet() -> impl Strategy<Value = Packet> {
    (
        0..4_000_000_000_000_000_000_i64,
        "[a-z]{1,12}[0-9]{0,3}",
        prop::sample::select(Direction::ALL.to_vec()),
        prop::sample::select(vec![Link::Ethernet, Link::Ip]),
        prop::collection::vec(any::<u8>(), 1..600),
        0..70_000_u32,
        // As evidence is: escaped, one line, perhaps in another script.
        "[a-zA-Z0-9 ./:;()=*äß…漢]{0,120}[a-z]",
    )
        .prop_map(
            |(time_ns, interface, direction, link, bytes, wire_len, comment)| Packet {
                time_ns,
                interface,
                direction,
                link,
                wire_len: wire_len.max(bytes.len() as u32),
                bytes,
                comment,
            },
        )
}

#[test]
fn tshark_reads_back_whatever_was_saved() {
    let mut runner = TestRunner::default();
    let packets = prop::collection::vec(any_packet(), 400)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let folder = Folder::new("written");
    let path = folder.file("saved.pcapng");
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    for packet in &packets {
        let saved = Saved {
            time_ns: packet.time_ns,
            interface: &packet.interface,
            direction: packet.direction,
            link: packet.link,
            bytes: &packet.bytes,
            wire_len: packet.wire_len,
            comment: &packet.comment,
        };
        writer.save(&saved).unwrap();
    }
    writer.flush().unwrap();

    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(&path);
    // Frames as they are: no protocol in random bytes is looked into.
    command.args([
        "--disable-protocol",
        "eth_withoutfcs",
        "--disable-protocol",
        "raw",
    ]);
    command.args(["-T", "fields"]);
    for field in [
        "frame.time_epoch",
        "frame.interface_name",
        "frame.packet_flags_direction",
        "frame.len",
        "frame.cap_len",
        "frame.comment",
        "frame.encap_type",
    ] {
        command.args(["-e", field]);
    }
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), packets.len(), "{}", ended.err);
    for (line, packet) in lines.iter().zip(&packets) {
        let direction = match packet.direction {
            Direction::Rx => 1,
            Direction::Tx => 2,
        };
        let encapsulation = match packet.link {
            Link::Ethernet => 1,
            Link::Ip | Link::Other => 7,
        };
        let (seconds, rest) = (
            packet.time_ns / 1_000_000_000,
            packet.time_ns % 1_000_000_000,
        );
        let fields: Vec<&str> = line.split('\t').collect();
        let expected = [
            format!("{seconds}.{rest:09}"),
            packet.interface.clone(),
            format!("0x{direction:08x}"),
            packet.wire_len.to_string(),
            packet.bytes.len().to_string(),
            packet.comment.clone(),
            encapsulation.to_string(),
        ];
        assert_eq!(fields, expected, "{packet:?}");
    }
}
