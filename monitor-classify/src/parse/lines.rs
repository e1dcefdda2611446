//! Lines of text: what text protocols have in common.

/// Longest line that is read.
const LINE_MAX: usize = 1024;

/// A line as far as it was captured, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a [u8],
    /// Whether its end was captured.
    pub(crate) complete: bool,
}

/// Reads the lines of a payload, until one of them is not text.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let window = &self.rest[..self.rest.len().min(LINE_MAX)];
        let end = line_end(window);
        let length = end.unwrap_or(window.len());
        let text = &window[..length];
        // A cut may fall between `\r` and `\n`.
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if window.is_empty() || !is_text(text) || (end.is_none() && self.rest.len() > LINE_MAX) {
            return None;
        }
        self.rest = &self.rest[end.map_or(length, |end| end + 1)..];
        Some(Line {
            text,
            complete: end.is_some(),
        })
    }
}

/// Bytes that are looked at together, so that the compiler emits vector instructions.
const CHUNK: usize = 32;

/// Where the first line ends.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let holds_end = |chunk: &[u8]| chunk.iter().fold(false, |end, &byte| end | (byte == b'\n'));
    let chunk = bytes.chunks(CHUNK).position(holds_end)? * CHUNK;
    let within = bytes[chunk..].iter().position(|&byte| byte == b'\n')?;
    Some(chunk + within)
}

/// Whether a condition holds for all bytes; fast where it does.
pub(crate) fn all(bytes: &[u8], is_fine: impl Fn(u8) -> bool + Copy) -> bool {
    bytes
        .chunks(CHUNK)
        .all(|chunk| chunk.iter().fold(true, |fine, &byte| fine & is_fine(byte)))
}

/// Whether there is no control byte but the tab. Bytes above ASCII can be text.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    all(bytes, |byte| {
        (byte >= b' ') & (byte != 0x7f) | (byte == b'\t')
    })
}

/// The first line, if it is text.
pub(crate) fn first(bytes: &[u8]) -> Option<Line<'_>> {
    Lines::new(bytes).next()
}

impl<'a> Line<'a> {
    /// The first word, and what follows the blanks behind it. Nothing follows
    /// where no blank does.
    pub(crate) fn split(self) -> (&'a [u8], Option<&'a [u8]>) {
        split(self.text)
    }

    /// The three digits of a reply (SMTP, FTP), its mark for further lines
    /// (`-` or blank; blank where the line ends), and the text.
    pub(crate) fn reply(self) -> Option<(u16, u8, &'a [u8])> {
        let digits = self.text.get(..3)?;
        if !matches!(digits[0], b'1'..=b'6') || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let code = digits
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        match self.text.get(3) {
            None => self.complete.then_some((code, b' ', &[][..])),
            Some(mark @ (b' ' | b'-')) => Some((code, *mark, &self.text[4..])),
            Some(_) => None,
        }
    }
}

/// The first word of a text, and what follows the blanks behind it.
pub(crate) fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| b" \t".contains(byte)) {
        Some(end) => (&text[..end], Some(text[end..].trim_ascii_start())),
        None => (text, None),
    }
}

/// The entry of a table that a word is, in any case.
pub(crate) fn known(table: &[&'static str], word: &[u8]) -> Option<&'static str> {
    table
        .iter()
        .find(|entry| word.eq_ignore_ascii_case(entry.as_bytes()))
        .copied()
}

/// Whether a text starts with another, in any case.
pub(crate) fn starts(text: &[u8], start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
}

/// Longest text that is searched.
const SEARCHED_MAX: usize = 120;

/// Whether a text contains another, in any case, near its start.
pub(crate) fn contains(text: &[u8], part: &str) -> bool {
    let text = &text[..text.len().min(SEARCHED_MAX)];
    let Some(&first) = part.as_bytes().first() else {
        return true;
    };
    let Some(last) = text.len().checked_sub(part.len()) else {
        return false;
    };
    // Most places fail at the first byte.
    (0..=last).any(|at| {
        text[at] | 0x20 == first | 0x20
            && text[at..at + part.len()].eq_ignore_ascii_case(part.as_bytes())
    })
}

/// A decimal number, without a sign and of at most 19 digits.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0')),
    )
}

/// Whether this can be a base64 text of a few bytes or more.
pub(crate) fn is_base64(text: &[u8]) -> bool {
    let body = text.strip_suffix(b"=").unwrap_or(text);
    let body = body.strip_suffix(b"=").unwrap_or(body);
    text.len() >= 4
        && text.len().is_multiple_of(4)
        && body
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_text_ends() {
        let mut lines = Lines::new(b"a b\r\nc\n\nd\r");
        let line = |text, complete| Some(Line { text, complete });
        assert_eq!(lines.next(), line(b"a b", true));
        assert_eq!(lines.next(), line(b"c", true));
        assert_eq!(lines.next(), line(b"", true));
        assert_eq!(lines.next(), line(b"d", false));
        assert_eq!(lines.next(), None);
        assert_eq!(first(b"a\0b\n"), None);
        assert_eq!(first(&[b'a'; LINE_MAX + 1]), None);
        assert_eq!(first(b""), None);
    }

    #[test]
    fn replies_have_three_digits_and_a_mark() {
        let reply = |text| first(text).and_then(Line::reply);
        assert_eq!(reply(b"250 OK\r\n"), Some((250, b' ', &b"OK"[..])));
        assert_eq!(reply(b"250-a"), Some((250, b'-', &b"a"[..])));
        assert_eq!(reply(b"250\r\n"), Some((250, b' ', &b""[..])));
        for no in [&b"250"[..], b"25 a", b"2500 a", b"050 a", b"250x"] {
            assert_eq!(reply(no), None);
        }
    }

    #[test]
    fn numbers_and_base64_are_recognised() {
        assert_eq!(number(b"42"), Some(42));
        assert!(is_base64(b"YWI=") && !is_base64(b"YWI") && !is_base64(b"a b="));
    }
}
