//! From the first byte of a frame to its encapsulation, and from there to the inner flow.
//!
//! Pure functions over [`crate::load::Load`]. They count nothing and decide nothing: the caller maps the outcome to an
//! action. All are `inline(always)`, so that each step of an eBPF program becomes one function whose offsets the
//! verifier can follow.

mod flow;
mod frame;
mod network;
mod null;
mod outer;
pub mod usual;

pub use flow::{Inner, InnerKind, inner, inner_reason, segment};
pub use frame::{Frame, FrameKind, frame, hidden_reason};
pub use network::{Network, addresses};
pub use null::{Null, may_be_in_v4 as may_be_null_in_v4, may_be_in_v6 as may_be_null_in_v6, null};
pub use outer::{Outer, OuterKind, encapsulation, outer, reveal};

#[cfg(test)]
mod tests;
