//! Capture files inside gzip and Zstandard.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::files::pcap;
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A skippable frame.
fn skippable() -> Vec<u8> {
    vec![0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]
}

fn capture() -> Vec<u8> {
    let bytes: Vec<u8> = (0..900_u32).map(|n| (n * n) as u8).collect();
    let packets: Vec<(u32, u32, &[u8], u32)> = (0..50)
        .map(|n| (n, 0, &bytes[..18 * n as usize], 900))
        .collect();
    pcap(false, 0xa1b2_c3d4, 1, &packets)
}

#[test]
fn a_compressed_capture_is_read_as_the_one_inside() {
    let file = capture();
    let (packets, end) = read(&file);
    assert_eq!((packets.len(), end.unwrap()), (50, Filled::End));
    let (one, other) = file.split_at(file.len() / 3);
    for compressed in [
        gzip(&file),
        [gzip(one), gzip(other)].concat(),
        zstandard(&file),
        [zstandard(one), skippable(), zstandard(other)].concat(),
        [skippable(), zstandard(&file)].concat(),
    ] {
        let (found, end) = read(&compressed);
        assert_eq!(found, packets);
        assert_eq!(end.unwrap(), Filled::End);
    }
}

#[test]
fn one_that_breaks_off_is_read_as_far_as_it_goes() {
    let file = capture();
    let packets = read(&file).0;
    for compressed in [gzip(&file), zstandard(&file)] {
        for length in 4..compressed.len() {
            match read(&compressed[..length]) {
                (found, Ok(end)) => {
                    assert_eq!(found, packets[..found.len()]);
                    assert_eq!(end, Filled::Truncated, "{length}");
                }
                (found, Err(error)) => {
                    assert!(found.is_empty(), "{length}");
                    let is_short =
                        matches!(&error, Error::Corrupt { what, .. } if what.contains("header"));
                    assert!(is_short, "{length}: {error}");
                }
            }
        }
    }
}

#[test]
fn what_is_corrupt_or_compressed_twice_is_an_error() {
    let file = capture();
    let mut bad = gzip(&file);
    let sum = bad.len() - 8;
    bad[sum] ^= 1;
    let error = read(&bad).1.unwrap_err().to_string();
    assert!(error.contains("the gzip data is corrupt"), "{error}");
    let mut bad = zstandard(&file);
    let sum = bad.len() - 1;
    bad[sum] ^= 1;
    let error = read(&bad).1.unwrap_err().to_string();
    assert!(error.contains("the Zstandard data is corrupt"), "{error}");
    for twice in [gzip(&gzip(&file)), zstandard(&gzip(&file))] {
        assert!(matches!(read(&twice).1, Err(Error::CompressedTwice)));
    }
    assert!(matches!(read(&gzip(b"")).1, Err(Error::Empty)));
    assert!(matches!(
        read(&gzip(b"hello")).1,
        Err(Error::NotACapture(_))
    ));
}

#[test]
fn a_window_without_bound_is_refused() {
    // The descriptor of a frame with a window of 2 GiB, then that window.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let error = read(&frame).1.unwrap_err().to_string();
    assert!(error.contains("window_size is too big"), "{error}");
}

/// Zeros without end, behind the header of a capture.
struct Bomb {
    header: Vec<u8>,
    left: u64,
}

impl Read for Bomb {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.header.len());
        if count != 0 {
            buffer[..count].copy_from_slice(&self.header[..count]);
            self.header.drain(..count);
            return Ok(count);
        }
        let count = usize::try_from(self.left).unwrap().min(buffer.len());
        buffer[..count].fill(0);
        self.left -= count as u64;
        Ok(count)
    }
}

#[test]
fn a_bomb_is_consumed_as_it_is_decompressed() {
    // Packets without bytes: 16 zeros each.
    const SIZE: u64 = 64 << 20;
    let header = pcap(false, 0xa1b2_c3d4, 1, &[]);
    let mut encoder =
        flate2::read::GzEncoder::new(Bomb { header, left: SIZE }, Compression::best());
    let mut file = Vec::new();
    encoder.read_to_end(&mut file).unwrap();
    assert!(file.len() < 1 << 17, "{}", file.len());
    let mut reader = Reader::open(Input::of(std::io::Cursor::new(file))).unwrap();
    let mut packets = 0;
    loop {
        match reader.step().unwrap() {
            Step::Packet(_) => packets += 1,
            Step::Other => {}
            Step::Drained => match reader.fill().unwrap() {
                Filled::More => {}
                end => break assert_eq!(end, Filled::End),
            },
        }
    }
    assert_eq!(packets, SIZE / 16);
}
