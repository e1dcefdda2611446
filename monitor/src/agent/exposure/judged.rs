//! What the judge hands to the account: a flow and its verdict.

use monitor_common::key::Class;

/// A flow with its verdict, on its way to the account.
pub(super) struct Judged {
    pub(super) flow: u64,
    pub(super) class: Class,
    /// When: `CLOCK_MONOTONIC` in nanoseconds.
    pub(super) time_ns: u64,
}
