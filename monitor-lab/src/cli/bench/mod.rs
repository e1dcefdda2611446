//! `overlay-lab bench`: what the monitor costs, and what encryption costs.
//!
//! | file or folder | what |
//! | --- | --- |
//! | `command.rs` | options; runs the benchmarks and writes the report |
//! | `kernel.rs` | nanoseconds per packet in the kernel programs, by test runs |
//! | `cpus.rs` | the same with two CPUs at once |
//! | `live.rs` | nanoseconds per packet on an interface |
//! | `iperf.rs` | throughput of an overlay |
//! | `agent.rs` | scrape time and memory of the agent |
//! | `verdicts.rs`, `new_flows.rs` | the agent while flows begin |
//! | `classify.rs` | nanoseconds per payload of each classifier |
//! | `read.rs` | time to read a capture file |
//! | `encryption/` | what encryption of an overlay costs on this machine |
//! | `cases.rs`, `packets.rs` | what is measured, as data: features of the monitor, and frames |
//! | `programs.rs` | the benchmark's own kernel programs, and test runs of them and of the monitor's |
//! | `prepared.rs` | the monitor's programs with a verdict for each flow of a case |
//! | `watcher.rs` | what watches the wire meanwhile: nothing, the monitor, tcpdump, nftables |
//! | `pin.rs`, `cpu.rs`, `memory.rs` | one CPU for a measurement; CPU time and memory of a process |
//! | `report/` | the result as data, table, plot, JSON and Markdown |
//!
//! Called by `overlay-lab bench`, which `cargo xtask bench` starts. `docs/benchmarks.md` and
//! `docs/encryption-cost.md` are its output.

mod agent;
mod cases;
mod classify;
mod command;
mod cpu;
mod cpus;
mod encryption;
mod iperf;
mod kernel;
mod live;
mod memory;
mod new_flows;
mod packets;
mod pin;
mod prepared;
mod programs;
mod read;
mod report;
mod verdicts;
mod watcher;

pub(super) use command::{Arguments, run};
