//! memcached: its protocol of text, and the binary one.

mod binary;
mod text;

pub(super) use binary::inspect as inspect_binary;
pub(super) use text::inspect as inspect_text;

pub(super) const PORTS: &[u16] = &[11211];
