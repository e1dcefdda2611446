//! `bench encryption`: what it costs to encrypt an overlay, on this kernel and this machine.
//!
//! | file or folder | what |
//! | --- | --- |
//! | `command.rs` | options |
//! | `rounds.rs`, `collected.rs` | runs the rounds within their time; what they have measured so far |
//! | `way.rs`, `load.rs` | what is compared, and under which loads, as data |
//! | `stage.rs`, `end.rs` | two ends joined in one of the ways; the hosts of each |
//! | `far.rs`, `receiver.rs` | the receiving end, wherever it is; its servers and what it counts |
//! | `streams.rs`, `sink.rs` | streams of TCP and UDP: from the sender, and where they end |
//! | `requests.rs` | requests to Redis and nginx, by the usual load generators |
//! | `machine_cpu.rs`, `usage.rs`, `measured.rs` | CPU and wire, and what follows for one measurement |
//! | `sizes.rs` | bytes on the wire and MTU beside the formula |
//! | `crypto.rs` | which implementation encrypts |
//! | `two_machines/` | the same between two machines, over their cards |
//! | `report/` | the result as data, tables, plot, JSON and Markdown |
//!
//! Called by `bench/command.rs`. `docs/encryption-cost.md` is its output.

mod collected;
mod command;
mod crypto;
mod end;
mod far;
mod load;
mod machine_cpu;
mod measured;
mod receiver;
mod report;
mod requests;
mod rounds;
mod sink;
mod sizes;
mod stage;
mod streams;
mod two_machines;
mod usage;
mod way;

pub(super) use command::{Options, run};
pub(super) use report::{CostReport, write_files, write_text};
