//! The benchmark between two machines: the listener has the servers, the other one the clients, and drives.
//!
//! ```text
//! --to HOST                                     --listen
//!   connect  ── TLS 1.3, keys from the token ──►  admit      (everyone else is refused)
//!   hello    ── machine, card, rounds ─────────►
//!            ◄── machine, card, VNI, SPIs, keys ─  welcome
//!   each way ── build, open, read, close ──────►  half a lab, servers, sinks
//!   each measurement ──────────────────────────►  its own report
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `options.rs` | options |
//! | `token.rs`, `identity.rs` | the one-time token, and TLS in which both prove that they know it |
//! | `channel.rs`, `admission.rs` | the control connection; how the listener waits for it among strangers |
//! | `message.rs` | what both say to each other, and its bounds |
//! | `card.rs`, `in_use.rs`, `introduction.rs` | this machine: its card, its VNIs and SPIs |
//! | `half.rs` | this machine's half of a way |
//! | `listen.rs`, `connect.rs`, `remote_end.rs` | the two sides |
//! | `deadline.rs`, `hang_up.rs` | the end of both at an agreed time, and when the other one has gone |
//!
//! Whatever is made is in network namespaces without a name, held by this process alone. When it ends, by SIGKILL too, the
//! kernel removes namespaces, devices, associations and policies; programs that it has started are killed. Nothing is ever
//! made in the machine's own namespace.

mod admission;
mod card;
mod channel;
mod connect;
mod deadline;
mod half;
mod hang_up;
mod identity;
mod in_use;
mod introduction;
mod listen;
mod message;
mod options;
mod remote_end;
mod token;

pub(super) use card::Card;
pub(super) use connect::{Plan, connect};
pub(super) use listen::listen;
pub(super) use options::{PairOptions, Part};
