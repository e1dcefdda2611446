//! Header blocks (RFC 7541), read without the dynamic table that both ends build
//! up: its entries have neither name nor value here.

use std::borrow::Cow;

use super::huffman;

/// Names of the fields whose values are read. For other fields only the presence of
/// a value is noted, because decoding values takes most of the time.
const WANTED: &[&str] = &[
    ":method",
    ":path",
    ":authority",
    ":status",
    "content-type",
    "authorization",
];

/// Longest string that is read.
const STRING_MAX: usize = 512;

/// The static table (RFC 7541 appendix A); entry 1 is the first.
const STATIC: &[(&str, &str)] = &[
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// One field of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Unknown where it stands in the dynamic table.
    pub(super) name: Option<Cow<'static, str>>,
    /// Unknown likewise, where it is cut, and where it is not [`WANTED`].
    pub(super) value: Option<Cow<'static, str>>,
    /// There is a value, of which at least a byte was captured.
    pub(super) has_value: bool,
    /// A pseudo-field, or a name that was spelled out in lower case.
    pub(super) is_standard: bool,
}

/// The fields of a block, until it ends, is cut or is malformed.
pub(super) fn fields(block: &[u8]) -> impl Iterator<Item = Header> {
    let mut rest = block;
    std::iter::from_fn(move || {
        loop {
            // Nothing where the block changes the table's size.
            if let Some(header) = field(&mut rest)? {
                return Some(header);
            }
        }
    })
}

fn field(rest: &mut &[u8]) -> Option<Option<Header>> {
    let first = *rest.first()?;
    let indexed = match first {
        0x80.. => {
            let index = integer(rest, 7)?;
            let (name, value) = entry(index)?;
            return Some(Some(Header {
                is_standard: name.is_some_and(|name| name.starts_with(':')),
                name: name.map(Cow::Borrowed),
                value: value.map(Cow::Borrowed),
                has_value: true,
            }));
        }
        0x20..=0x3f => {
            integer(rest, 5)?;
            return Some(None);
        }
        0x40..=0x7f => integer(rest, 6)?,
        _ => integer(rest, 4)?,
    };
    let (name, spelled) = if indexed == 0 {
        let name = string(rest, true)?.0?;
        let is_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        if name.is_empty() || !name.bytes().all(is_name) {
            return None;
        }
        (Some(Cow::Owned(name)), true)
    } else {
        (entry(indexed)?.0.map(Cow::Borrowed), false)
    };
    let is_wanted = name.as_deref().is_some_and(|name| WANTED.contains(&name));
    let (value, has_value) = string(rest, is_wanted).unwrap_or_else(|| {
        *rest = &[];
        Default::default()
    });
    Some(Some(Header {
        is_standard: spelled || name.as_ref().is_some_and(|name| name.starts_with(':')),
        name,
        value: value.map(Cow::Owned),
        has_value,
    }))
}

/// Name and value of an index; nothing of those of the dynamic table.
fn entry(index: usize) -> Option<(Option<&'static str>, Option<&'static str>)> {
    match index {
        0 => None,
        1..=61 => {
            let (name, value) = STATIC[index - 1];
            Some((Some(name), Some(value)))
        }
        // A table of 4,096 bytes holds 128 entries; some make it larger.
        62..=4096 => Some((None, None)),
        _ => None,
    }
}

/// An integer with a prefix of so many bits (section 5.1).
fn integer(rest: &mut &[u8], bits: u32) -> Option<usize> {
    let mask = (1_usize << bits) - 1;
    let (&first, mut bytes) = rest.split_first()?;
    let mut value = usize::from(first) & mask;
    if value == mask {
        for shift in [0, 7, 14, 21] {
            let (&byte, more) = bytes.split_first()?;
            bytes = more;
            value += (usize::from(byte) & 0x7f) << shift;
            if byte & 0x80 == 0 {
                *rest = bytes;
                return Some(value);
            }
        }
        return None;
    }
    *rest = bytes;
    Some(value)
}

/// A string (section 5.2), and whether any of it was captured. A cut one, or one
/// that is not printable ASCII, is not returned; nothing follows a cut one.
fn string(rest: &mut &[u8], is_wanted: bool) -> Option<(Option<String>, bool)> {
    let is_coded = *rest.first()? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let held = length.min(rest.len());
    let (bytes, behind) = rest.split_at(held);
    *rest = behind;
    if held < length {
        return Some((None, held > 0));
    }
    let text = if length > STRING_MAX || !is_wanted {
        None
    } else if is_coded {
        huffman::decode(bytes)
    } else {
        let is_text = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
        is_text.then(|| String::from_utf8_lossy(bytes).into_owned())
    };
    Some((text, length > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (Option<Cow<'static, str>>, Option<Cow<'static, str>>);

    fn names(block: &[u8]) -> Vec<Pair> {
        fields(block)
            .map(|header| (header.name, header.value))
            .collect()
    }

    fn pair(name: &'static str, value: &'static str) -> Pair {
        (Some(name.into()), Some(value.into()))
    }

    /// RFC 7541 appendix C.3.1 and C.4.1: the same without and with Huffman.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let request = [
            pair(":method", "GET"),
            pair(":scheme", "http"),
            pair(":path", "/"),
            pair(":authority", "www.example.com"),
        ];
        assert_eq!(names(b"\x82\x86\x84\x41\x0fwww.example.com"), request);
        let coded = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        assert_eq!(names(coded), request);
        // C.2.1, and an entry that only the peers know.
        assert_eq!(
            names(b"\x40\x0acustom-key\x0dcustom-header\xbe"),
            [(Some("custom-key".into()), None), (None, None)]
        );
    }

    #[test]
    fn cut_fields_have_no_value() {
        assert_eq!(
            names(b"\x41\x0fwww.exam"),
            [(Some(":authority".into()), None)]
        );
        assert!(names(b"\x40\x0acust").is_empty());
        assert!(names(b"\xff\xff\xff\xff\xff\xff").is_empty());
        assert!(names(b"\x40\x03A b\x01x").is_empty());
    }
}
