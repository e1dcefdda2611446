//! `overlay-lab bench`: what the monitor costs, and what encryption costs.
//!
//! | file or folder | what |
//! | --- | --- |
//! | `command.rs` | options; runs the benchmarks and writes the report |
//! | `kernel.rs` | nanoseconds per packet in the kernel programs, by test runs |
//! | `live.rs` | nanoseconds per packet on an interface |
//! | `iperf.rs` | throughput of an overlay |
//! | `agent.rs` | scrape time and memory of the agent |
//! | `classify.rs` | nanoseconds per payload of each classifier |
//! | `read.rs` | time to read a capture file |
//! | `encryption/` | what encryption of an overlay costs on this machine |
//! | `cases.rs`, `packets.rs` | what is measured, as data: features of the monitor, and frames |
//! | `programs.rs` | the benchmark's own kernel programs, and test runs of them and of the monitor's |
//! | `watcher.rs` | what watches the wire meanwhile: nothing, the monitor, tcpdump, nftables |
//! | `pin.rs`, `memory.rs` | one CPU for a measurement; memory of a process |
//! | `report/` | the result as data, table, plot, JSON and Markdown |
//!
//! Called by `overlay-lab bench`, which `cargo xtask bench` starts. `docs/benchmarks.md` and
//! `docs/encryption-cost.md` are its output.

mod agent;
mod cases;
mod classify;
mod command;
mod encryption;
mod iperf;
mod kernel;
mod live;
mod memory;
mod packets;
mod pin;
mod programs;
mod read;
mod report;
mod watcher;

pub(super) use command::{Arguments, run};
