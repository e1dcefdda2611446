//! What the kernel and end-to-end tests share: frames made byte by byte, the programs run on them,
//! and the agent as a process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

pub mod agent;
pub mod frame;
pub mod programs;
