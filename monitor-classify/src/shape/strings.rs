//! Strings with their length in front of them: what most binary protocols are
//! made of, and what ciphertext is not.

/// Bytes that are looked at.
const WINDOW: usize = 512;

/// Shortest string that counts.
const SHORTEST: usize = 4;

/// Fewest bits of surprise that rule out chance: once in 2^30 for the strings, which
/// can start at up to 2^9 places of a payload.
const BITS_MIN: u32 = 30;

/// Whether there are so many strings of the right length that it cannot be chance.
pub(crate) fn are_certain(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(WINDOW)];
    let (mut at, mut bits) = (0, 0);
    while at < bytes.len() {
        let run = bytes[at..]
            .iter()
            .take_while(|byte| matches!(byte, b' '..=b'~'))
            .count();
        if run >= SHORTEST {
            bits += surprise(bytes, at, run);
            if bits >= BITS_MIN {
                return true;
            }
        }
        at += run + 1;
    }
    false
}

/// How improbable a string of the right length is, in bits, less the bits for its
/// place. The length can stand before it in 8, 16 or 32 bits, in either byte order,
/// and count a NUL behind it.
fn surprise(bytes: &[u8], at: usize, run: usize) -> u32 {
    let before = &bytes[..at];
    // The low byte of a length above 31 is printable and so part of the run. Such
    // strings are left out: they are readable by themselves.
    let ends_with_nul = bytes.get(at + run) == Some(&0);
    let lengths = [Some(run), ends_with_nul.then_some(run + 1)];
    let prefix = lengths
        .into_iter()
        .flatten()
        .filter_map(|length| u16::try_from(length).ok())
        .map(|length| {
            let [high, low] = length.to_be_bytes();
            match before {
                [.., 0, 0, h, l] if [*h, *l] == [high, low] => 32,
                [.., l, h, 0, 0] if [*h, *l] == [high, low] => 32,
                [.., h, l] if [*h, *l] == [high, low] => 16,
                [.., l, h] if [*h, *l] == [high, low] => 16,
                [.., l] if high == 0 && *l == low => 8,
                _ => 0,
            }
        })
        .max()
        .unwrap_or_default();
    if prefix == 0 {
        return 0;
    }
    // A printable byte takes 1.4 bits of chance (95 of 256).
    let text = u32::try_from(run * 7 / 5).unwrap_or(u32::MAX);
    (text + prefix).saturating_sub(9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_with_their_length_are_no_chance() {
        assert!(are_certain(b"\x01\0\0\0\x0eusername.txt.x\x02\x03"));
        assert!(are_certain(b"\x08username\x05alice\x08password\x06s3cr3t"));
        assert!(are_certain(b"\0\x08username\0\x05alice"));
        assert!(!are_certain(b"\x09username\x05"));
        assert!(!are_certain(b"\x04abcd\x01\x02\x03"));
        assert!(!are_certain(b""));
    }
}
