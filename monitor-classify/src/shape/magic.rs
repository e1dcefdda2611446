//! Files and compressed data, recognised by their first bytes: published software opens them.

use crate::names::Confidence;

/// First bytes of a format, and its name. Four bytes or more are no chance.
const MAGIC: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "PNG image"),
    (b"GIF87a", "GIF image"),
    (b"GIF89a", "GIF image"),
    (b"\xff\xd8\xff\xe0", "JPEG image"),
    (b"\xff\xd8\xff\xe1", "JPEG image"),
    (b"\xff\xd8\xff\xdb", "JPEG image"),
    (b"%PDF-", "PDF document"),
    (b"\x7fELF", "ELF program"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"BZh91AY&SY", "bzip2 data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"\xff\x06\0\0sNaPpY", "Snappy data"),
    (b"wOFF", "font"),
    (b"wOF2", "font"),
    (b"OggS", "Ogg media"),
    (b"fLaC", "FLAC audio"),
    (b"ID3\x03", "MP3 audio"),
    (b"ID3\x04", "MP3 audio"),
    (b"\x1a\x45\xdf\xa3", "Matroska media"),
    (b"\xca\xfe\xba\xbe", "Java class"),
    (b"\xac\xed\0\x05", "Java objects"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"\0asm", "WebAssembly"),
    (b"\xd4\xc3\xb2\xa1", "packet capture"),
    (b"\x0a\x0d\x0d\x0a", "packet capture"),
    (b"PAR1", "Parquet file"),
    (b"Obj\x01", "Avro file"),
];

/// The format that begins here, and how sure that is.
pub(crate) fn kind(bytes: &[u8]) -> Option<(&'static str, Confidence)> {
    match bytes {
        // Deflate, no reserved flag, and a system that exists (RFC 1952).
        [
            0x1f,
            0x8b,
            8,
            flags,
            _,
            _,
            _,
            _,
            0 | 2 | 4,
            0..=13 | 255,
            ..,
        ] if flags & 0xe0 == 0 => Some(("gzip data", Confidence::Certain)),
        // Bit 0 of the flags: encrypted (APPNOTE 4.4.4).
        [b'P', b'K', 3, 4, _, _, flags, _, ..] if flags & 1 == 0 => {
            Some(("ZIP archive", Confidence::Certain))
        }
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A' | b'E' | b'B',
            ..,
        ] => Some(("RIFF media", Confidence::Certain)),
        [0, 0, _, _, b'f', b't', b'y', b'p', ..] => Some(("MP4 media", Confidence::Certain)),
        _ => {
            let (_, kind) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic))?;
            Some((kind, Confidence::Certain))
        }
    }
}
