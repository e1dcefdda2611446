//! A new verdict, as it is sent from the verdicts to the account.

use monitor_common::key::Class;

/// A flow that has got a verdict.
pub(super) struct NewVerdict {
    pub(super) flow: u64,
    pub(super) class: Class,
    /// When: `CLOCK_MONOTONIC` in nanoseconds.
    pub(super) time_ns: u64,
}
