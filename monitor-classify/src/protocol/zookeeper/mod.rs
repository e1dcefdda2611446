//! ZooKeeper: its four-letter words, and its protocol.

mod jute;
mod words;

pub(super) use jute::inspect;
pub(super) use words::inspect as inspect_words;

pub(super) const PORTS: &[u16] = &[2181, 2888, 3888];
