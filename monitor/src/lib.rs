//! The node agent, as a library: everything but the reading of `argv`.
//!
//! Layers, from the lowest: `base` ◄ `kernel`, `host` ◄ `traffic` ◄ `policy` ◄ `agent` ◄ `surface` ◄ `command`. A layer
//! imports from those before it only; `kernel` and `host` do not know each other. `cargo xtask lint` checks it.

// `base/output.rs` prints: a closed pipe would make the macros panic.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod agent;
pub mod base;
pub mod command;
pub mod host;
pub mod kernel;
pub mod policy;
pub mod surface;
pub mod traffic;
