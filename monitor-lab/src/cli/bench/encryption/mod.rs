//! `bench encryption`: what it costs to encrypt an overlay, on this kernel and this machine.
//!
//! | file or folder | what |
//! | --- | --- |
//! | `command.rs` | options; runs the rounds within their time |
//! | `way.rs`, `load.rs` | what is compared, and under which loads, as data |
//! | `stage.rs` | two nodes joined in one of the ways, with their servers |
//! | `streams.rs` | streams of TCP and UDP |
//! | `requests.rs` | requests to Redis and nginx, by the usual load generators |
//! | `usage.rs`, `measured.rs` | CPU and wire, and what follows for one measurement |
//! | `sizes.rs` | bytes on the wire and MTU beside the formula |
//! | `crypto.rs` | which implementation encrypts |
//! | `report/` | the result as data, tables, plot, JSON and Markdown |
//!
//! Called by `bench/command.rs`. `docs/encryption-cost.md` is its output.

mod command;
mod crypto;
mod load;
mod measured;
mod report;
mod requests;
mod sizes;
mod stage;
mod streams;
mod usage;
mod way;

pub(super) use command::{Options, run};
pub(super) use report::{CostReport, write_files, write_text};
