//! Whether bytes can be ciphertext at all.
//!
//! Random bytes prove nothing (compressed data looks the same); bytes that are
//! not random prove that they are not encrypted.

/// What bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Text stands in them.
    Readable,
    /// As random as ciphertext has to be.
    Random,
    /// Neither, or too few bytes to decide.
    Unclear,
}

/// Fewest bytes that allow a decision.
const FEWEST: usize = 16;

/// Most bytes that are looked at.
const MOST: usize = 256;

/// Printable bytes in a row that random data does not show: a run of 24 in 256
/// random bytes comes once in forty million times. A node sees that many TLS records.
const READABLE_RUN: usize = 24;

/// The same at the very start, where the content of a record stands: once in
/// thirty million times.
const READABLE_START: usize = 18;

/// Text at the start: random bytes have so much once in 50 times, so they are not called random.
const SUSPICIOUS_START: usize = 4;

/// The same for a run anywhere, once in 200 times.
const SUSPICIOUS_RUN: usize = 10;

/// Looks at the first 256 bytes.
pub(crate) fn look(bytes: &[u8]) -> Look {
    let bytes = &bytes[..bytes.len().min(MOST)];
    let longest = longest_run(bytes);
    let start = bytes
        .iter()
        .position(|&byte| !is_readable(byte))
        .unwrap_or(bytes.len());
    if longest >= READABLE_RUN || start >= READABLE_START {
        return Look::Readable;
    }
    if bytes.len() < FEWEST
        || longest >= SUSPICIOUS_RUN
        || start >= SUSPICIOUS_START
        || repeated(bytes) > most_repeats(bytes.len())
    {
        return Look::Unclear;
    }
    Look::Random
}

/// The longest run of readable bytes; any number below [`SUSPICIOUS_RUN`] where all
/// are shorter. A run of that length covers one of every [`SUSPICIOUS_RUN`] places,
/// so only these are looked at.
fn longest_run(bytes: &[u8]) -> usize {
    let readable = |byte: &&u8| is_readable(**byte);
    let (mut longest, mut at) = (0, SUSPICIOUS_RUN - 1);
    while let Some(byte) = bytes.get(at) {
        let mut next = at + SUSPICIOUS_RUN;
        if is_readable(*byte) {
            let before = bytes[..at].iter().rev().take_while(readable).count();
            let behind = bytes[at..].iter().take_while(readable).count();
            longest = longest.max(before + behind);
            next = next.max(at + behind + SUSPICIOUS_RUN);
        }
        at = next;
    }
    longest
}

/// How many bytes have a value that occurred before.
fn repeated(bytes: &[u8]) -> usize {
    // Stores only, no load: no iteration waits for another.
    let mut seen = [0_u8; 256];
    for &byte in bytes {
        seen[usize::from(byte)] = 1;
    }
    let distinct: u32 = seen.iter().map(|&one| u32::from(one)).sum();
    bytes.len() - distinct as usize
}

const fn is_readable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

/// Whether text stands at the very start, where a record without encryption
/// has its content.
pub(crate) fn starts_readable(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .take(SUSPICIOUS_START)
        .all(|&byte| is_readable(byte))
}

/// Upper limit of the bytes that occurred before among `n` random bytes: about
/// n² / 512 by chance, and four standard deviations of a Poisson variable.
fn most_repeats(n: usize) -> usize {
    let mean = n * n / 512;
    mean + 4 * mean.isqrt() + 2
}

/// Whether values occur again far more often than among random bytes, where that
/// comes less than once in 10^12 times. Needs 16 bytes or more.
pub(crate) fn repeats(bytes: &[u8]) -> bool {
    let mean = bytes.len() * bytes.len() / 512;
    bytes.len() >= FEWEST && repeated(bytes) > mean + 8 * mean.isqrt() + 6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit mixer is random enough.
    fn random(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = state;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (x ^ (x >> 31)) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn random_bytes_are_random_and_never_readable() {
        for length in [16, 40, 91, 256] {
            let looks: Vec<_> = (0..1000).map(|seed| look(&random(seed, length))).collect();
            let random = looks.iter().filter(|look| **look == Look::Random).count();
            assert!(random > 950, "{length}: {random}");
            assert!(!looks.contains(&Look::Readable));
        }
    }

    #[test]
    fn text_and_structure_are_not_random() {
        assert_eq!(look(b"password=hunter2&user=alice"), Look::Readable);
        assert_eq!(look(&[0; 64]), Look::Unclear);
        assert_eq!(
            look(b"\0\0\0\x05\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\x07"),
            Look::Unclear
        );
        assert_eq!(look(&random(1, 15)), Look::Unclear);
    }
}
