//! memcached: its protocol of text, and the binary one.

mod text;

pub(super) use text::inspect as inspect_text;

pub(super) const PORTS: &[u16] = &[11211];
