//! The node agent: attaches the programs to interfaces, drains samples, accounts packets, evaluates the policy, and makes
//! the [`Snapshot`](snapshot::Snapshot) that every surface reads.
//!
//! Imports every layer below. `command` starts a [`Session`](session::Session); the surfaces read snapshots and ask the
//! agent what is attached.

mod attachments;
pub mod confined;
mod encryption_times;
pub mod esp_networks;
mod esp_timing;
mod exported;
pub mod exposure;
pub mod handover;
mod hook_report;
mod idle_rows;
pub mod ledger;
pub mod loops;
mod network_rows;
mod node_agent;
mod refresh;
pub mod session;
mod silence;
mod silent_rows;
pub mod snapshot;
mod snapshot_reader;
mod start;
pub mod watch_plan;
mod watchdog;
mod watched;

pub use node_agent::{Agent, INTERFACES, SharedAgent};
pub use snapshot_reader::snapshot_of;
