//! Two virtual machines on a wire of ours: `cargo xtask swarm` and `cargo xtask two-machines` run on them.
//!
//! | file | what |
//! | --- | --- |
//! | `node.rs` | the machines, and how scripts run on them |
//! | `wire.rs` | the wire: each frame is recorded before it is delivered |
//! | `frame.rs` | what a frame carries |
//! | `clock.rs` | the time |

pub(crate) mod clock;
pub(crate) mod frame;
pub(crate) mod node;
pub(crate) mod wire;
