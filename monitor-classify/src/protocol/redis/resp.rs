//! RESP 2 and 3 as a stream of values, cut anywhere.
//!
//! Source: the Redis serialization protocol specification.

/// Longest bulk that a server accepts by default (`proto-max-bulk-len`).
const BULK_MAX: u64 = 512 << 20;

/// Most elements in an aggregate: what a signed 32-bit count allows.
const COUNT_MAX: u64 = i32::MAX as u64;

/// Longest number, sign included.
const NUMBER_MAX: usize = 20;

/// Longest status, error or double line that is followed.
const LINE_MAX: usize = 1024;

/// One value, or the head of one that contains others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// `*`, `~`, `>`, `%` or `|` with the number of *values* that follow
    /// (two for each entry of a map or an attribute).
    Aggregate { kind: u8, count: u64, values: u64 },
    /// `$`, `=` or `!`: what was captured of `length` bytes.
    Bulk {
        bytes: &'a [u8],
        length: u64,
        complete: bool,
    },
    /// `$-1`, `*-1` or `_`.
    Null,
    /// `+` or `-` and the captured text.
    Line {
        kind: u8,
        text: &'a [u8],
        complete: bool,
    },
    /// `:`, `,`, `#` or `(`.
    Scalar { kind: u8 },
}

/// Why there is no further value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end; what is there fits.
    Truncated,
    /// This is not RESP.
    Invalid,
}

/// Reads values one after the other; `position` is behind the last one.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// What is still to be read.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    pub(super) fn next(&mut self) -> Result<Value<'a>, Stop> {
        let (&kind, rest) = self.rest().split_first().ok_or(Stop::Truncated)?;
        let (value, used) = match kind {
            b'*' | b'~' | b'>' | b'%' | b'|' => aggregate(kind, rest)?,
            b'$' | b'=' | b'!' => bulk(kind, rest)?,
            b'+' | b'-' => line(kind, rest)?,
            b':' => (Value::Scalar { kind }, number(rest)?.1),
            b'(' | b',' | b'#' => (Value::Scalar { kind }, scalar(kind, rest)?),
            b'_' => (Value::Null, ends(rest)?),
            _ => return Err(Stop::Invalid),
        };
        self.position += 1 + used;
        Ok(value)
    }
}

fn aggregate(kind: u8, rest: &[u8]) -> Result<(Value<'_>, usize), Stop> {
    let (count, used) = number(rest)?;
    match u64::try_from(count) {
        Err(_) if count == -1 && kind == b'*' => Ok((Value::Null, used)),
        Ok(count) if count <= COUNT_MAX => {
            let values = if matches!(kind, b'%' | b'|') {
                count * 2
            } else {
                count
            };
            Ok((
                Value::Aggregate {
                    kind,
                    count,
                    values,
                },
                used,
            ))
        }
        _ => Err(Stop::Invalid),
    }
}

fn bulk(kind: u8, rest: &[u8]) -> Result<(Value<'_>, usize), Stop> {
    let (length, used) = number(rest)?;
    let length = match u64::try_from(length) {
        Err(_) if length == -1 && kind == b'$' => return Ok((Value::Null, used)),
        Ok(length) if length <= BULK_MAX => length,
        _ => return Err(Stop::Invalid),
    };
    let data = &rest[used..];
    let held = usize::try_from(length).map_or(data.len(), |length| length.min(data.len()));
    let (bytes, end) = data.split_at(held);
    let value = |complete| Value::Bulk {
        bytes,
        length,
        complete,
    };
    match ends(end) {
        Ok(terminator) => Ok((value(true), used + held + terminator)),
        Err(Stop::Truncated) => Ok((value(false), rest.len())),
        // A database sent to a replica has no terminator.
        Err(Stop::Invalid) if bytes.starts_with(b"REDIS0") => Ok((value(false), rest.len())),
        Err(Stop::Invalid) => Err(Stop::Invalid),
    }
}

/// A status or an error: printable text up to CRLF. A cut one is a value too.
fn line(kind: u8, rest: &[u8]) -> Result<(Value<'_>, usize), Stop> {
    let window = &rest[..rest.len().min(LINE_MAX)];
    let end = window.iter().position(|byte| byte.is_ascii_control());
    let text = &rest[..end.unwrap_or(window.len())];
    match end.map(|end| ends(&rest[end..])) {
        Some(Ok(used)) => Ok((
            Value::Line {
                kind,
                text,
                complete: true,
            },
            text.len() + used,
        )),
        Some(Err(Stop::Invalid)) => Err(Stop::Invalid),
        None if rest.len() > LINE_MAX => Err(Stop::Invalid),
        None | Some(Err(Stop::Truncated)) => Ok((
            Value::Line {
                kind,
                text,
                complete: false,
            },
            rest.len(),
        )),
    }
}

/// A double, a Boolean or a big number.
fn scalar(kind: u8, rest: &[u8]) -> Result<usize, Stop> {
    let window = &rest[..rest.len().min(LINE_MAX)];
    let end = window.iter().position(|&byte| byte == b'\r');
    let text = &window[..end.unwrap_or(window.len())];
    let fits = match kind {
        b'#' => matches!(text, b"t" | b"f" | b""),
        b'(' => text
            .iter()
            .enumerate()
            .all(|(at, byte)| byte.is_ascii_digit() || (at == 0 && b"+-".contains(byte))),
        _ => {
            text.len() <= 40
                && text
                    .iter()
                    .all(|byte| b"+-.0123456789eEinfa".contains(byte))
        }
    };
    match end {
        _ if !fits => Err(Stop::Invalid),
        None => Err(Stop::Truncated),
        Some(0) => Err(Stop::Invalid),
        Some(end) => Ok(end + ends(&rest[end..])?),
    }
}

/// A decimal number and its CRLF.
fn number(rest: &[u8]) -> Result<(i64, usize), Stop> {
    let window = &rest[..rest.len().min(NUMBER_MAX)];
    let end = window
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'-');
    let digits = &window[..end.unwrap_or(window.len())];
    if digits.iter().skip(1).any(|&byte| byte == b'-') {
        return Err(Stop::Invalid);
    }
    let Some(end) = end else {
        return Err(if rest.len() >= NUMBER_MAX {
            Stop::Invalid
        } else {
            Stop::Truncated
        });
    };
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    Ok((number.ok_or(Stop::Invalid)?, end + ends(&rest[end..])?))
}

/// CRLF.
fn ends(rest: &[u8]) -> Result<usize, Stop> {
    match rest {
        [b'\r', b'\n', ..] => Ok(2),
        [] | [b'\r'] => Err(Stop::Truncated),
        _ => Err(Stop::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> Result<Value<'_>, Stop> {
        Reader::new(bytes).next()
    }

    #[test]
    fn every_kind_is_read_at_its_length_and_not_one_byte_short() {
        let whole: &[&[u8]] = &[
            b"*2\r\n",
            b"%1\r\n",
            b"~3\r\n",
            b">3\r\n",
            b":-1\r\n",
            b",3.14\r\n",
            b",inf\r\n",
            b"#t\r\n",
            b"_\r\n",
            b"(123456789012345678901234567890\r\n",
            b"*-1\r\n",
            b"$-1\r\n",
        ];
        for bytes in whole {
            let mut reader = Reader::new(bytes);
            assert!(reader.next().is_ok(), "{bytes:?}");
            assert_eq!(reader.position, bytes.len());
            for end in 0..bytes.len() {
                assert_eq!(
                    first(&bytes[..end]),
                    Err(Stop::Truncated),
                    "{bytes:?} {end}"
                );
            }
        }
    }

    #[test]
    fn cut_bulks_and_lines_are_values() {
        let bulk = |bytes, complete| {
            Ok(Value::Bulk {
                bytes,
                length: 2,
                complete,
            })
        };
        assert_eq!(first(b"$2\r\nab\r\n"), bulk(b"ab", true));
        assert_eq!(first(b"$2\r\nab\r"), bulk(b"ab", false));
        assert_eq!(first(b"$2\r\na"), bulk(b"a", false));
        assert_eq!(first(b"$2\r\nabc"), Err(Stop::Invalid));
        let text = b"OK";
        assert_eq!(
            first(b"+OK\r\n"),
            Ok(Value::Line {
                kind: b'+',
                text,
                complete: true
            })
        );
        assert_eq!(
            first(b"+OK\r"),
            Ok(Value::Line {
                kind: b'+',
                text,
                complete: false
            })
        );
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for bytes in [
            &b"* OK IMAP4rev1"[..],
            b"*1x\r\n",
            b"$1\n",
            b"$99999999999\r\n",
            b"$-2\r\n",
            b":1-2\r\n",
            b"#x\r\n",
            b"GET",
            b"%PDF-1.4",
            b"*--1\r\n",
            b":\r\n",
            b"+O\nK\r\n",
            b":123456789012345678901\r\n",
        ] {
            assert_eq!(first(bytes), Err(Stop::Invalid), "{bytes:?}");
        }
    }
}
