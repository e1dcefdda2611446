//! Frames become samples, flows and records; capture files are read and written. Counts of one moment are data here.
//!
//! It imports `base`, the data types of `kernel` and `host`, and `monitor-classify`. `policy`, `agent` and the surfaces
//! use it; `command/read` drives it without an agent.

pub mod address;
pub mod association_activity;
mod association_memory;
pub mod capture;
pub mod counted;
pub mod counted_association;
pub mod credential_flows;
pub mod decode;
pub mod exposure_class;
pub mod filter;
pub mod flow_verdict;
pub mod flows;
pub mod history;
pub mod json_object;
pub mod layer;
mod layers;
pub mod not_understood;
pub mod packet_doubt;
pub mod recognised_port;
pub mod record_text;
pub mod sample_record;
#[cfg(test)]
mod test_frames;
mod tunnel_verdict;
mod vxlan_recognition;
