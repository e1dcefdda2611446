//! The metrics: one table makes the endpoint and its documentation, and a test compares the two.
//!
//! Imports `agent`'s snapshot and the layers below. `http` calls [`encode`].

pub mod definition;
pub mod documentation;
pub mod exposition;
mod network_rows;
pub mod process_table;
pub mod table;
mod traffic_rows;

pub use documentation::documentation;
pub use exposition::{Format, TABLES, encode};
pub use network_rows::VIOLATION_PEERS;
pub use table::TABLE;
