//! pcapng files.

use super::files::*;
use super::*;

#[test]
fn pcapng_with_several_sections_interfaces_and_packet_blocks() {
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
        // A name resolution block, and the shortest one there can be, which are ignored.
        file.extend(block(big, 4, &[0; 64]));
        file.extend(block(big, 4, &[]));
        let flags = [option(big, 1, b"hello"), option(big, 2, &word(big, 2))].concat();
        file.extend(enhanced(big, 0, 5, b"abcde", 60, &flags));
        file.extend(enhanced(big, 1, 1 << 32, b"", 0, &option(big, 0, &[])));
        // A simple packet, of interface 0.
        file.extend(block(big, 3, &[&word(big, 2)[..], b"xy\0\0"].concat()));
        // An obsolete packet block of interface 1, with 7 dropped packets.
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
            interface_id: Some(0),
            direction: Some(Direction::Tx),
            ..packet(2_000_000_005, b"abcde", 60)
        },
        Owned {
            link_type: 101,
            interface_id: Some(1),
            ..packet((1 << 32) * 1000, b"", 0)
        },
        Owned {
            interface: eth0,
            ..packet(0, b"xy", 2)
        },
        Owned {
            link_type: 101,
            interface_id: Some(1),
            ..packet(9000, b"wxyz", 4)
        },
    ];
    assert_eq!(packets, [one.clone(), one].concat());
    for cut in 0..file.len() {
        drop(read(&file[..cut]));
    }
}

#[test]
fn a_large_block_is_skipped_without_being_buffered() {
    let mut file = section(false);
    file.extend(interface(false, 1, 0, &[]));
    file.extend(block(false, 0x0bad_beef, &vec![0xaa; 5 << 20]));
    file.extend(enhanced(false, 0, 0, b"abc", 3, &[]));
    // A packet of the largest size, with more options than are buffered.
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
fn contradictions_are_errors_with_their_offset() {
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
        (8, 1, "interface 1, which has no description"),
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
