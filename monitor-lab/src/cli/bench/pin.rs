//! Keeps a measurement on one CPU.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pins the calling thread to the last CPU that it may use, because the first one handles most interrupts.
pub(super) fn to_one_cpu() -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu));
    let mut only = CpuSet::new();
    only.set(last.unwrap_or(0));
    Ok(sched_setaffinity(None, &only)?)
}
