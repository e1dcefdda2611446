//! What users and their tools see: metrics, HTTP, JSON, log lines, reports, `top` and the page, the status line. Each is made from a
//! `Snapshot`, a record or a flow; none of them reads a map.
//!
//! Imports every layer below; `command` chooses which surfaces a command has.

pub mod capture_file;
pub mod flow_lines;
pub mod forecast;
pub mod format;
mod html;
pub mod http;
pub mod live;
mod live_page;
pub mod log_lines;
pub mod metrics;
mod metrics_page;
pub mod networks_json;
pub mod numbers;
pub mod plaintext_log;
pub(crate) mod private_file;
pub mod prometheus;
pub mod report;
pub mod sample_lines;
pub mod sample_summary;
pub mod status_line;
pub mod top;
pub mod web_client;
