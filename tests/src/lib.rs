//! What the kernel and end-to-end tests share: frames made byte by byte, the programs run on them,
//! the agent as a process, and packets on the lab's wires.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

pub mod agent;
pub mod associations;
pub mod attached;
pub mod browser;
pub mod certificates;
pub mod configuration;
pub mod dockerd;
pub mod flannel;
pub mod flood;
pub mod foreign;
pub mod frame;
pub mod handover;
pub mod held;
pub mod kernel_flood;
pub mod offload;
pub mod oracle;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod reached;
pub mod scale;
pub mod schema;
pub mod seccomp;
pub mod series;
pub mod service_manager;
pub mod session;
pub mod shape;
pub mod terminal;
pub mod tshark;
pub mod unit;
pub mod wire;
