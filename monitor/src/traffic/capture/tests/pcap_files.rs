//! pcap files.

use super::files::*;
use super::*;

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
fn every_cut_of_a_pcap_is_detected() {
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
fn a_frame_check_sequence_is_removed() {
    let file = pcap(false, 0xa1b2_c3d4, 0x2400_0001, &[(0, 0, b"abcdFCSX", 8)]);
    assert_eq!(read(&file).0, [packet(0, b"abcd", 4)]);
    let file = pcap(false, 0xa1b2_c3d4, 0x2400_0001, &[(0, 0, b"abcd", 9)]);
    assert_eq!(read(&file).0, [packet(0, b"abcd", 5)]);
}

#[test]
fn other_files_are_refused() {
    for (file, says) in [
        (&b""[..], "is empty"),
        (b"GET / HTTP/1.1", "is not a capture file"),
        (b"\xfd7zXZ\x00", "xzcat FILE | overlay-monitor read -"),
        (b"BZh91AY", "bzcat"),
        (b"snoop\0\0\0\0\0\0\x02", "editcap"),
        (&pcap(false, 0xa1b2_cd34, 1, &[]), "editcap"),
        (&pcap(true, 0xa1b2_34cd, 1, &[]), "editcap"),
        (&pcap(false, 0xa12b_3c4d, 1, &[]), "editcap"),
        (&pcap(false, 0x1c00_01ac, 1, &[]), "editcap"),
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
