//! The Huffman code of HPACK (RFC 7541 appendix B), for printable ASCII.
//!
//! The code is canonical: codes of one length are consecutive, in order of the
//! symbols, and the first of a length follows from the shorter ones. So the
//! symbols of each length define the whole code. Codes of more than 15 bits stand
//! for control bytes, bytes above ASCII, and the backslash: no header that is
//! shown needs them.

/// The symbols of each length in bits, in order.
const CODES: &[(u32, &[u8])] = &[
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b"!\"()?"),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
];

/// For each value of the next eight bits, the symbol that they begin with and its length; length 0 where the code is
/// longer.
static SHORT: [(u8, u32); 256] = short();

const fn short() -> [(u8, u32); 256] {
    let mut table = [(0, 0); 256];
    let (mut first, mut before, mut row) = (0, 0, 0);
    while CODES[row].0 <= 8 {
        let (length, symbols) = CODES[row];
        first <<= length - before;
        before = length;
        let mut at = 0;
        while at < symbols.len() {
            let mut end = 0;
            while end < 1 << (8 - length) {
                table[((first + at) << (8 - length)) + end] = (symbols[at], length);
                end += 1;
            }
            at += 1;
        }
        first += symbols.len();
        row += 1;
    }
    table
}

/// Decodes a string; nothing if it holds other symbols, or ends wrongly.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len() * 8 / 5);
    let (mut held, mut bits) = (0_u64, 0_u32);
    let mut bytes = bytes.iter();
    loop {
        while bits <= 32
            && let Some(byte) = bytes.next()
        {
            held = held << 8 | u64::from(*byte);
            bits += 8;
        }
        let Some((symbol, length)) = next(held, bits) else {
            // At most seven ones pad the last byte.
            let ends = bits < 8 && held & ((1 << bits) - 1) == (1 << bits) - 1;
            return ends.then_some(out);
        };
        if symbol == 0 {
            return None;
        }
        out.push(char::from(symbol));
        bits -= length;
        held &= (1 << bits) - 1;
    }
}

/// The first symbol of so many bits, and its length.
fn next(held: u64, bits: u32) -> Option<(u8, u32)> {
    if bits >= 8
        && let (symbol, length @ 1..) = SHORT[usize::from((held >> (bits - 8)) as u8)]
    {
        return Some((symbol, length));
    }
    let (mut first, mut before) = (0_u64, 0_u32);
    for (length, symbols) in CODES {
        if *length > bits {
            return None;
        }
        first <<= length - before;
        before = *length;
        let code = held >> (bits - length);
        let at = code.checked_sub(first)?;
        if let Some(symbol) = usize::try_from(at).ok().and_then(|at| symbols.get(at)) {
            return Some((*symbol, *length));
        }
        first += symbols.len() as u64;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With fewer than eight bits left the table is not used.
    #[test]
    fn the_table_says_what_the_codes_say() {
        for byte in 0..=255_u64 {
            let (symbol, length) = SHORT[byte as usize];
            match length {
                0 => assert!(byte >= 0xfe, "{byte:#x}"),
                8 => assert_eq!(b"&*,;XZ"[byte as usize - 0xf8], symbol),
                _ => assert_eq!(next(byte >> (8 - length), length), Some((symbol, length))),
            }
        }
    }

    /// RFC 7541 appendix C.4 and C.6.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let cases: &[(&[u8], &str)] = &[
            (
                b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
                "www.example.com",
            ),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", "custom-key"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (b"\x64\x02", "302"),
            (
                b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3",
                "https://www.example.com",
            ),
            (b"", ""),
        ];
        for (bytes, text) in cases {
            assert_eq!(decode(bytes).as_deref(), Some(*text));
        }
        assert_eq!(decode(b"\xff\xff\xff\xff"), None);
        assert_eq!(decode(b"\xa8\xeb\x10\x64\x9c\xbf\xff"), None);
    }
}
