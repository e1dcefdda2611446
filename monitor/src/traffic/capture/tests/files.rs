//! Builds capture files byte by byte.

use super::*;

/// Four bytes in either byte order.
pub(super) fn word(big: bool, value: u32) -> [u8; 4] {
    if big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(super) fn half(big: bool, value: u16) -> [u8; 2] {
    if big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(super) fn pcap(
    big: bool,
    magic: u32,
    network: u32,
    packets: &[(u32, u32, &[u8], u32)],
) -> Vec<u8> {
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

/// A block with both length fields.
pub(super) fn block(big: bool, block_type: u32, body: &[u8]) -> Vec<u8> {
    assert!(body.len().is_multiple_of(4));
    let length = word(big, 12 + body.len() as u32);
    [&word(big, block_type)[..], &length, body, &length].concat()
}

pub(super) fn section(big: bool) -> Vec<u8> {
    let mut body = word(big, 0x1a2b_3c4d).to_vec();
    body.extend([half(big, 1), half(big, 0)].concat());
    body.extend([0xff; 8]);
    block(big, pcapng::SECTION, &body)
}

pub(super) fn option(big: bool, code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [half(big, code), half(big, value.len() as u16)].concat();
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

pub(super) fn interface(big: bool, link_type: u16, snap: u32, options: &[u8]) -> Vec<u8> {
    let mut body = [half(big, link_type), half(big, 0)].concat();
    body.extend(word(big, snap));
    body.extend(options);
    block(big, 1, &body)
}

pub(super) fn enhanced(
    big: bool,
    id: u32,
    time: u64,
    bytes: &[u8],
    wire_len: u32,
    options: &[u8],
) -> Vec<u8> {
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
