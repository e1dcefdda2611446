//! A new verdict, as it is sent from the verdicts to the account.

use monitor_common::key::Class;

/// A flow that has got a verdict.
pub(super) struct NewVerdict {
    pub(super) flow: u64,
    pub(super) class: Class,
    /// When it was about to be written: `CLOCK_MONOTONIC` in nanoseconds, as below.
    pub(super) begun_ns: u64,
    /// When it was written.
    pub(super) time_ns: u64,
}
