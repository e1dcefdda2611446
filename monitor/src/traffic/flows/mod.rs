//! Assembles packets into flows: endpoints, network, packets and bytes, and the verdict.
//!
//! There is one record for each inner flow, of both directions. A flow is classified by its first payload packets in
//! both directions, alone and joined; later packets are counted, and inspected rarely. Everything is bounded: flows,
//! the bytes kept of them, associations, fragments. The result depends on the packets alone, not on the seed of a hash
//! or on the machine.
//!
//! It imports `traffic/capture` and the records' text and JSON. `command/read` drives [`Tracker`]; `traffic/decode.rs`
//! keeps the flows of live samples in [`LiveFlows`].

mod capture_associations;
mod capture_clock;
mod flow;
mod flow_associations;
mod flow_records;
mod flow_table;
mod fragments;
mod frames_record;
mod live_flows;
mod network_frames;
mod packet_walk;
mod paths;
mod reported_early;
mod stream;
mod summary;
#[cfg(test)]
mod tests;
mod tracker;
mod verdict_merge;

pub use flow_records::{EspRecord, FlowRecord};
pub use frames_record::{Content, FramesRecord};
pub use live_flows::LiveFlows;
pub use summary::{FlowTotal, Summary};
pub use tracker::{Names, Rest, Tracker};
