//! What all JSON objects of the program have in common: the schema version, and the form of times.

use jiff::Timestamp;

/// Version of the JSON objects (field `schema`).
pub const SCHEMA: u32 = 1;

/// A time in nanoseconds since 1970, UTC; the epoch if it is out of range.
pub(crate) fn timestamp(time_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time_ns)).unwrap_or_default()
}

/// A time as JSON objects have it: RFC 3339 with six decimal places, `2026-11-23T08:27:24.993510Z`.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.6}")
}
