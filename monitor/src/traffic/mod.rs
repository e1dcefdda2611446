//! Frames become samples, flows and records; capture files are read and written. What was counted is data here.
//!
//! Imports `base`, `kernel` and `host` for their data types, and `monitor-classify`. `policy`, `agent` and the surfaces
//! use it; `command/read` drives it without any agent.

pub mod activity;
pub mod address;
pub mod capture;
pub mod counted;
pub mod decode;
pub mod exposure;
pub mod flows;
pub mod record;
