//! Untrusted bytes as one line of printable text.

use std::fmt::Write as _;

/// Stands at the end of a text that was cut.
const ELLIPSIS: char = '…';

/// Untrusted bytes as one line of printable text, at most `max` characters
/// (Unicode scalar values) long; a cut text ends in `…`.
///
/// Printable UTF-8 stays as it is. Every control character, DEL and byte that
/// is not UTF-8 becomes `\xNN`; every C1 control, bidirectional or other format
/// character, line or paragraph separator, combining mark, private or
/// unassigned code point becomes `\u{…}`; the backslash is doubled, so that the
/// escapes cannot be forged. The work is bounded by `max`, not by the input.
///
/// Takes `&str` and `&[u8]` alike.
pub fn escape(untrusted: impl AsRef<[u8]>, max: usize) -> String {
    let bytes = untrusted.as_ref();
    // A character has at most four bytes: what lies beyond the window is never shown.
    let window = &bytes[..bytes.len().min(max.saturating_mul(4).saturating_add(4))];
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    if bytes.len() <= max && bytes.iter().all(is_plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut line = Line::new(max);
    for chunk in window.utf8_chunks() {
        for character in chunk.valid().chars() {
            if !line.push_escaped(character) {
                return line.text;
            }
        }
        for byte in chunk.invalid() {
            if !line.push(format_args!("\\x{byte:02x}")) {
                return line.text;
            }
        }
    }
    line.text
}

/// Payload bytes for a reader who asked for them: printable ASCII as it is,
/// `\r`, `\n`, `\t` and `\\` as escapes, every other byte as a dot, the way
/// `tcpdump -A` does; one line, at most `max` characters, a cut one ends in `…`.
///
/// This is **not** redacted.
pub fn payload_preview(bytes: &[u8], max: usize) -> String {
    let mut line = Line::new(max);
    for &byte in bytes {
        let room = match byte {
            b'\r' => line.push(format_args!("\\r")),
            b'\n' => line.push(format_args!("\\n")),
            b'\t' => line.push(format_args!("\\t")),
            b'\\' => line.push(format_args!("\\\\")),
            b' '..=b'~' => line.push_plain(char::from(byte)),
            _ => line.push_plain('.'),
        };
        if !room {
            break;
        }
    }
    line.text
}

/// A text that grows by whole escapes until it is full.
struct Line {
    text: String,
    /// Characters in `text`.
    length: usize,
    max: usize,
    /// Where to cut, in bytes, so that the ellipsis still fits.
    cut: usize,
}

impl Line {
    fn new(max: usize) -> Self {
        Self {
            text: String::with_capacity(max.min(64)),
            length: 0,
            max,
            cut: 0,
        }
    }

    /// Appends one escape that must not be torn; false once the line is full.
    fn push(&mut self, escape: std::fmt::Arguments<'_>) -> bool {
        let before = self.text.len();
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(escape);
        self.length += self.text[before..].chars().count();
        self.has_room()
    }

    /// The same for one character that stays as it is: most are.
    fn push_plain(&mut self, character: char) -> bool {
        self.text.push(character);
        self.length += 1;
        self.has_room()
    }

    fn has_room(&mut self) -> bool {
        if self.length > self.max {
            self.text.truncate(self.cut);
            if self.max > 0 {
                self.text.push(ELLIPSIS);
            }
            return false;
        }
        if self.length < self.max {
            self.cut = self.text.len();
        }
        true
    }

    fn push_escaped(&mut self, character: char) -> bool {
        match character {
            '\\' => self.push(format_args!("\\\\")),
            ' '..='~' => self.push_plain(character),
            '\0'..='\u{7f}' => self.push(format_args!("\\x{:02x}", u32::from(character))),
            // Letters and symbols by category, but invisible.
            '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' => {
                self.push(format_args!("{}", character.escape_unicode()))
            }
            // The standard library knows the categories: it escapes controls,
            // formats, separators, combining marks, private and unassigned.
            _ => self.push(format_args!("{}", character.escape_debug())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn controls_and_invalid_bytes_are_spelled_out() {
        assert_eq!(
            escape("a\x1b[31m\r\n\0\x7f", 80),
            "a\\x1b[31m\\x0d\\x0a\\x00\\x7f"
        );
        assert_eq!(escape(b"\xff\xc3(", 80), "\\xff\\xc3(");
        assert_eq!(escape("\u{9b}31m", 80), "\\u{9b}31m");
        assert_eq!(escape(r"\x41", 80), r"\\x41");
    }

    #[test]
    fn invisible_and_direction_changing_characters_are_spelled_out() {
        let ranges = [
            0x200b..=0x200f,
            0x2028..=0x202e,
            0x2060..=0x206f,
            0xfe00..=0xfe0f,
        ];
        let single = [
            0xad, 0x34f, 0x61c, 0x180e, 0x2800, 0x3164, 0xfeff, 0xe000, 0xe0041,
        ];
        for code in ranges.into_iter().flatten().chain(single) {
            let Some(character) = char::from_u32(code) else {
                continue;
            };
            assert_eq!(
                escape(character.to_string(), 80),
                format!("\\u{{{code:x}}}")
            );
        }
        assert_eq!(escape("Zürich 東京 🙂", 80), "Zürich 東京 🙂");
    }

    #[test]
    fn a_cut_never_tears_an_escape() {
        assert_eq!(escape("abcd", 4), "abcd");
        assert_eq!(escape("abcde", 4), "abc…");
        assert_eq!(escape("ab\x1bcd", 5), "ab…");
        assert_eq!(escape("ab\x1b", 6), "ab\\x1b");
        assert_eq!(escape("abc", 0), "");
    }

    #[test]
    fn a_preview_reads_like_tcpdump() {
        let bytes = b"GET / HTTP/1.1\r\n\x1b[31m\xff\\";
        assert_eq!(payload_preview(bytes, 80), r"GET / HTTP/1.1\r\n.[31m.\\");
        assert_eq!(payload_preview(bytes, 4), "GET…");
    }

    proptest! {
        #[test]
        fn any_bytes_become_bounded_printable_text(bytes: Vec<u8>, max in 0..200usize) {
            for text in [escape(&bytes, max), payload_preview(&bytes, max)] {
                prop_assert!(text.chars().count() <= max);
                prop_assert!(!text.chars().any(char::is_control));
            }
        }

        #[test]
        fn any_text_becomes_bounded_printable_text(untrusted: String, max in 0..200usize) {
            let text = escape(&untrusted, max);
            prop_assert!(text.chars().count() <= max);
            let unsafe_to_print = |c: char| c.is_control() || ['\u{202e}', '\u{2028}'].contains(&c);
            prop_assert!(!text.chars().any(unsafe_to_print));
        }
    }
}
