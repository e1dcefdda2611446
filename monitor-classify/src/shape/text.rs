//! Text that fits no protocol.

use crate::parse::lines;

/// Bytes of a text that are looked at.
const INSPECTED_MAX: usize = 256;

/// Shortest text that is not chance: among random bytes so many printable ones come once in thirty million times.
pub(crate) const CERTAIN_MIN: usize = 18;

/// Whether all of it can be printed. UTF-8 may be cut at both ends.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(INSPECTED_MAX)];
    let printed = |byte| matches!(byte, b' '..=b'~' | b'\t'..=b'\r' | 0x1b) | (byte >= 0x80);
    if !lines::all(bytes, printed) {
        return false;
    }
    if bytes.is_ascii() {
        return true;
    }
    let start = bytes
        .iter()
        .take(3)
        .take_while(|byte| (0x80..0xc0).contains(*byte))
        .count();
    // Half of what random bytes above ASCII are is no UTF-8 at all.
    match std::str::from_utf8(&bytes[start..]) {
        Ok(_) => bytes.len() >= CERTAIN_MIN,
        Err(error) => error.error_len().is_none() && bytes.len() >= CERTAIN_MIN,
    }
}

/// What a text looks like.
pub(crate) fn form(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    match text {
        [b'{', rest @ ..] if matches!(rest.trim_ascii_start().first(), Some(b'"' | b'}')) => "JSON",
        [b'[', rest @ ..]
            if matches!(rest.trim_ascii_start().first(), Some(b'{' | b'"' | b'[')) =>
        {
            "JSON"
        }
        [b'<', b'?', b'x', b'm', b'l', ..] => "XML",
        [b'<', b'!' | b'/' | b'a'..=b'z' | b'A'..=b'Z', ..] => "markup",
        [b'-', b'-', b'-', b'\n', ..] => "YAML",
        _ => "text",
    }
}
