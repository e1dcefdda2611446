//! Files made byte by byte.

use std::io::{self, Read};

use monitor_common::label::Direction;
use proptest::prelude::*;

use super::*;

/// A source that gives a few bytes at a time, as a pipe may.
struct Drops(Vec<u8>, usize);

impl Read for Drops {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0.drain(..count);
        Ok(count)
    }
}

/// A packet that outlives its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    time_ns: i64,
    link_type: u16,
    interface: Option<String>,
    direction: Option<Direction>,
    bytes: Vec<u8>,
    wire_len: u32,
}

/// All packets of a file, and how it ended.
fn read_in(file: &[u8], piece: usize) -> (Vec<Owned>, Result<Filled, Error>) {
    let mut packets = Vec::new();
    let mut reader = match Reader::open(Input::of(Drops(file.to_vec(), piece))) {
        Ok(reader) => reader,
        Err(error) => return (packets, Err(error)),
    };
    let end = loop {
        match reader.step() {
            Ok(Step::Packet(packet)) => packets.push(Owned {
                time_ns: packet.time_ns,
                link_type: packet.link_type,
                interface: packet.interface.map(str::to_owned),
                direction: packet.direction,
                bytes: packet.bytes.to_vec(),
                wire_len: packet.wire_len,
            }),
            Ok(Step::Other) => {}
            Ok(Step::Drained) => match reader.fill() {
                Ok(Filled::More) => {}
                end => break end,
            },
            Err(error) => break Err(error),
        }
    };
    (packets, end)
}

fn read(file: &[u8]) -> (Vec<Owned>, Result<Filled, Error>) {
    let whole = read_in(file, usize::MAX);
    let drops = read_in(file, 7);
    assert_eq!(whole.0, drops.0, "however the bytes come");
    assert_eq!(format!("{:?}", whole.1), format!("{:?}", drops.1));
    whole
}

fn packet(time_ns: i64, bytes: &[u8], wire_len: u32) -> Owned {
    Owned {
        time_ns,
        link_type: 1,
        interface: None,
        direction: None,
        bytes: bytes.to_vec(),
        wire_len,
    }
}

/// A word in one byte order or the other.
fn word(big: bool, value: u32) -> [u8; 4] {
    if big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

fn half(big: bool, value: u16) -> [u8; 2] {
    if big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

fn pcap(big: bool, magic: u32, network: u32, packets: &[(u32, u32, &[u8], u32)]) -> Vec<u8> {
    let mut file = word(big, magic).to_vec();
    file.extend([half(big, 2), half(big, 4)].concat());
    for value in [0, 0, 0x4_0000, network] {
        file.extend(word(big, value));
    }
    for (seconds, fraction, bytes, wire_len) in packets {
        for value in [*seconds, *fraction, bytes.len() as u32, *wire_len] {
            file.extend(word(big, value));
        }
        file.extend(*bytes);
    }
    file
}

#[test]
fn pcap_in_both_byte_orders_and_resolutions() {
    for big in [false, true] {
        for (magic, unit) in [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1)] {
            let file = pcap(
                big,
                magic,
                1,
                &[
                    (3, 5, b"abc", 3),
                    (u32::MAX, 6, b"defgh", 1500),
                    (0, 0, b"", 0),
                ],
            );
            let (packets, end) = read(&file);
            assert_eq!(
                packets,
                [
                    packet(3_000_000_000 + 5 * unit, b"abc", 3),
                    packet(
                        i64::from(u32::MAX) * 1_000_000_000 + 6 * unit,
                        b"defgh",
                        1500
                    ),
                    packet(0, b"", 0),
                ]
            );
            assert_eq!(end.unwrap(), Filled::End);
        }
    }
}

#[test]
fn every_cut_of_a_pcap_is_told() {
    let file = pcap(
        false,
        0xa1b2_c3d4,
        1,
        &[(1, 0, b"abc", 3), (2, 0, b"de", 2)],
    );
    for cut in 0..file.len() {
        let (packets, end) = read(&file[..cut]);
        let whole = [24, 24 + 19, 24 + 19 + 18]
            .iter()
            .filter(|at| cut >= **at)
            .count();
        assert_eq!(packets.len(), whole.saturating_sub(1), "{cut}");
        match end {
            Ok(Filled::End) => assert!([24, 43].contains(&cut), "{cut}"),
            Ok(Filled::Truncated) => assert!(cut > 24, "{cut}"),
            Err(Error::Empty) => assert_eq!(cut, 0),
            Err(Error::Corrupt { .. }) => assert!((1..24).contains(&cut)),
            other => panic!("{cut}: {other:?}"),
        }
    }
}

#[test]
fn a_frame_check_sequence_is_left_out() {
    let file = pcap(false, 0xa1b2_c3d4, 0x2400_0001, &[(0, 0, b"abcdFCSX", 8)]);
    assert_eq!(read(&file).0, [packet(0, b"abcd", 4)]);
    let file = pcap(false, 0xa1b2_c3d4, 0x2400_0001, &[(0, 0, b"abcd", 9)]);
    assert_eq!(read(&file).0, [packet(0, b"abcd", 5)]);
}

#[test]
fn what_is_no_capture_file_is_told() {
    for (file, says) in [
        (&b""[..], "is empty"),
        (b"GET / HTTP/1.1", "is no capture file"),
        (b"\x1f\x8b\x08\x00", "zcat FILE | overlay-monitor read -"),
        (b"\x28\xb5\x2f\xfd\x00", "zstdcat"),
        (b"\xfd7zXZ\x00", "xzcat"),
        (&pcap(false, 0xa1b2_cd34, 1, &[]), "editcap"),
    ] {
        let error = read(file).1.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let file = [
        pcap(true, 0xa1b2_c3d4, 1, &[(0, 0, b"a", 1)]),
        vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0],
    ]
    .concat();
    let (packets, end) = read(&file);
    assert_eq!(packets.len(), 1);
    let error = end.unwrap_err().to_string();
    assert!(error.starts_with("is corrupt at byte 41: "), "{error}");
}

/// A block with its lengths.
fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    assert!(body.len().is_multiple_of(4));
    let length = word(big, 12 + body.len() as u32);
    [&word(big, kind)[..], &length, body, &length].concat()
}

fn section(big: bool) -> Vec<u8> {
    let mut body = word(big, 0x1a2b_3c4d).to_vec();
    body.extend([half(big, 1), half(big, 0)].concat());
    body.extend([0xff; 8]);
    block(big, pcapng::SECTION, &body)
}

fn option(big: bool, code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [half(big, code), half(big, value.len() as u16)].concat();
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

fn interface(big: bool, link_type: u16, snap: u32, options: &[u8]) -> Vec<u8> {
    let mut body = [half(big, link_type), half(big, 0)].concat();
    body.extend(word(big, snap));
    body.extend(options);
    block(big, 1, &body)
}

fn enhanced(big: bool, id: u32, time: u64, bytes: &[u8], wire_len: u32, options: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for value in [
        id,
        (time >> 32) as u32,
        time as u32,
        bytes.len() as u32,
        wire_len,
    ] {
        body.extend(word(big, value));
    }
    body.extend(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options);
    block(big, 6, &body)
}

#[test]
fn pcapng_with_several_sections_interfaces_and_kinds_of_packets() {
    let mut file = Vec::new();
    for big in [false, true] {
        file.extend(section(big));
        let options = [
            option(big, 2, b"eth0"),
            option(big, 9, &[9]),
            option(
                big,
                14,
                &if big {
                    2_i64.to_be_bytes()
                } else {
                    2_i64.to_le_bytes()
                },
            ),
            option(big, 0, &[]),
        ]
        .concat();
        file.extend(interface(big, 1, 0, &options));
        file.extend(interface(big, 101, 3, &[]));
        // A name resolution block, which is nothing for us.
        file.extend(block(big, 4, &[0; 64]));
        let flags = [option(big, 1, b"hello"), option(big, 2, &word(big, 2))].concat();
        file.extend(enhanced(big, 0, 5, b"abcde", 60, &flags));
        file.extend(enhanced(big, 1, 1 << 32, b"", 0, &option(big, 0, &[])));
        // A simple packet: of interface 0.
        file.extend(block(big, 3, &[&word(big, 2)[..], b"xy\0\0"].concat()));
        // A packet of the older kind, with 7 drops, of interface 1.
        let mut old = [half(big, 1), half(big, 7)].concat();
        for value in [0, 9, 4, 4] {
            old.extend(word(big, value));
        }
        old.extend(b"wxyz");
        file.extend(block(big, 2, &old));
    }
    let (packets, end) = read(&file);
    assert_eq!(end.unwrap(), Filled::End);
    let eth0 = Some("eth0".to_owned());
    let one = [
        Owned {
            interface: eth0.clone(),
            direction: Some(Direction::Tx),
            ..packet(2_000_000_005, b"abcde", 60)
        },
        Owned {
            link_type: 101,
            ..packet((1 << 32) * 1000, b"", 0)
        },
        Owned {
            interface: eth0,
            ..packet(0, b"xy", 2)
        },
        Owned {
            link_type: 101,
            ..packet(9000, b"wxyz", 4)
        },
    ];
    assert_eq!(packets, [one.clone(), one].concat());
    for cut in 0..file.len() {
        drop(read(&file[..cut]));
    }
}

#[test]
fn a_large_block_is_skipped_without_being_held() {
    let mut file = section(false);
    file.extend(interface(false, 1, 0, &[]));
    file.extend(block(false, 0x0bad_beef, &vec![0xaa; 5 << 20]));
    file.extend(enhanced(false, 0, 0, b"abc", 3, &[]));
    // The largest packet that there is, with more options than are looked at.
    let large = vec![0x5a; PACKET_MAX];
    let comment = option(false, 1, &[b'x'; 60_000]);
    file.extend(enhanced(false, 0, 0, &large, PACKET_MAX as u32, &comment));
    file.extend(enhanced(false, 0, 0, b"def", 3, &[]));
    let (packets, end) = read_in(&file, 100_000);
    assert_eq!(end.unwrap(), Filled::End);
    let lengths: Vec<usize> = packets.iter().map(|packet| packet.bytes.len()).collect();
    assert_eq!(lengths, [3, PACKET_MAX, 3]);
    let (_, end) = read_in(&file[..1 << 20], 100_000);
    assert_eq!(end.unwrap(), Filled::Truncated);
}

#[test]
fn contradictions_of_pcapng_are_errors_with_their_place() {
    let start = [section(false), interface(false, 1, 0, &[])].concat();
    let good = enhanced(false, 0, 0, b"abcd", 4, &[]);
    let with = |at: usize, value: u32| {
        let mut block = good.clone();
        block[at..at + 4].copy_from_slice(&value.to_le_bytes());
        read(&[&start[..], &good, &block].concat())
    };
    for (at, value, says) in [
        (4, 8, "a block of 8 bytes"),
        (4, 33, "a block of 33 bytes"),
        (4, 32, "ends with another length"),
        (8, 1, "interface 1, which was not described"),
        (20, 5, "a packet of 5 bytes in a shorter block"),
        (20, u32::MAX, "a packet of 4294967295 bytes"),
    ] {
        let (packets, end) = with(at, value);
        let error = end.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(
            error.contains(&format!("at byte {}", start.len() + good.len())),
            "{error}"
        );
        assert_eq!(packets.len(), 1);
    }
    let many = [section(false), interface(false, 1, 0, &[]).repeat(5000)].concat();
    let error = read_in(&many, usize::MAX).1.unwrap_err().to_string();
    assert!(error.contains("more than 4096 interfaces"), "{error}");
}

proptest! {
    #[test]
    fn any_damage_ends_and_never_panics(at in 0..400_usize, value: u8, cut in 0..500_usize, piece in 1..64_usize) {
        let mut file = section(false);
        file.extend(interface(false, 1, 0, &option(false, 2, b"eth0")));
        for n in 0..5 {
            file.extend(enhanced(false, 0, n, b"abcdefghij", 10, &option(false, 2, &[1, 0, 0, 0])));
        }
        let mut old = pcap(true, 0xa1b2_3c4d, 113, &[(0, 0, &b"abcdefghij"[..], 99); 9]);
        for file in [&mut file, &mut old] {
            if let Some(byte) = file.get_mut(at) {
                *byte = value;
            }
            file.truncate(cut.max(1));
            let (packets, _) = read_in(file, piece);
            prop_assert!(packets.iter().all(|packet| packet.wire_len as usize >= packet.bytes.len()));
            prop_assert!(packets.len() <= 500);
        }
    }

    #[test]
    fn any_bytes_behind_a_header_end(bytes: Vec<u8>) {
        for start in [section(false), pcap(false, 0xa1b2_c3d4, 1, &[])] {
            drop(read_in(&[start, bytes.clone()].concat(), 5));
        }
    }
}
