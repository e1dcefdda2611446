//! Flows out of packets: who talks to whom in which network, how much, and what can be read.
//!
//! One record for each inner flow, of both directions. What a flow speaks is told from its first
//! payload packets in both directions, alone and joined; from then on its packets are counted, and
//! looked at rarely. Everything is bounded: flows, the bytes that are kept of them, associations,
//! fragments. The outcome depends on the packets alone, not on the seed of a hash or on the machine.

mod associations;
mod flow;
mod fragments;
mod packet;
mod record;
mod samples;
mod stream;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod tracker;

pub use record::{EspRecord, FlowRecord};
pub use samples::Samples;
pub use summary::{Summary, Tally};
pub use tracker::{Names, Tracker};
