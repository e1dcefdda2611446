//! Keeps a measurement on one CPU.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs that the calling thread may use, the last one first. The first one handles most interrupts.
pub(super) fn allowed() -> anyhow::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    let all = (0..CpuSet::MAX_CPU).rev();
    Ok(all.filter(|cpu| allowed.is_set(*cpu)).collect())
}

/// Pins the calling thread to a CPU.
pub(super) fn to(cpu: usize) -> anyhow::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu);
    Ok(sched_setaffinity(None, &only)?)
}

/// Pins the calling thread to the last CPU that it may use.
pub(super) fn to_one_cpu() -> anyhow::Result<()> {
    to(allowed()?.first().copied().unwrap_or_default())
}
