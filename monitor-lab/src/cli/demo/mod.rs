//! `overlay-lab demo`: what can be read on the wire, in four steps.
//!
//! | file | what |
//! | --- | --- |
//! | `command.rs` | options; runs the steps one after the other |
//! | `steps.rs` | the steps as data: set-up, text, what is expected |
//! | `observe.rs` | sets a step up in a lab, sends its requests, returns what was seen |
//! | `monitors.rs` | the three processes of overlay-monitor that watch a step |
//! | `seen.rs` | what was seen, as data |
//! | `checks.rs` | compares what was seen with what is expected and with the kernel's counters |
//! | `summary.rs` | the rows of the table at the end |
//! | `render.rs` | the text of all that: pure functions, with snapshot tests |
//!
//! Called by `overlay-lab demo`, which `cargo xtask demo` starts: step 1 on this machine, and the encrypted steps in a
//! virtual machine where this kernel has no ESP.

mod checks;
mod command;
mod monitors;
mod observe;
mod render;
mod seen;
mod steps;
mod summary;

pub(super) use command::{Arguments, run};
