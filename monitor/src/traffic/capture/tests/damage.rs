//! Damaged files.

use proptest::prelude::*;

use super::files::*;
use super::*;

proptest! {
    #[test]
    fn reading_damaged_files_ends_and_never_panics(at in 0..400_usize, value: u8, cut in 0..500_usize, piece in 1..64_usize) {
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
    fn reading_any_bytes_after_a_header_ends(bytes: Vec<u8>) {
        for start in [section(false), pcap(false, 0xa1b2_c3d4, 1, &[])] {
            drop(read_in(&[start, bytes.clone()].concat(), 5));
        }
    }
}
