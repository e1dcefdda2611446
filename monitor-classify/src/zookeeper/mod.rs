//! ZooKeeper: its four-letter words, and its protocol.

mod protocol;
mod words;

pub(super) use protocol::inspect;
pub(super) use words::inspect as inspect_words;

pub(super) const PORTS: &[u16] = &[2181, 2888, 3888];
