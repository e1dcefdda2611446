//! Drains the sample ring.

use std::ops::ControlFlow;

use anyhow::Context;
use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;
use jiff::Timestamp;
use monitor_common::sample::Sample;
use tokio::io::unix::AsyncFd;

use crate::base::beat::Beat;
use crate::base::clock::Clock;
use crate::base::failure::Failure;

/// Number of samples handled before other tasks run.
const BATCH: usize = 256;

/// Passes samples to the handler until it breaks, and forwards the log of the programs. Malformed samples, which a bug
/// would cause, are logged and skipped. `drained` is called after each batch, also an empty one.
///
/// The ring is drained at each beat. The kernel wakes this process earlier only if much is waiting, because waking costs
/// more than a sample. A verdict comes later by as much: packets until then are counted as pending, and credited with it.
///
/// # Errors
/// A runtime failure if the ring cannot be polled, or the error of the handler.
pub async fn drain(
    ring: RingBuf<MapData>,
    mut beat: Beat,
    mut log: Option<EbpfLogger<&'static dyn log::Log>>,
    mut handle: impl FnMut(&Sample<'_>, Timestamp) -> ControlFlow<Result<(), Failure>>,
    mut drained: impl FnMut(),
) -> Result<(), Failure> {
    // SAFETY: the ring owns its descriptor and returns the same one until it is dropped together with the AsyncFd.
    let ring = unsafe { AsyncFd::register(ring) };
    let mut ring = ring
        .context("cannot wait for samples")
        .map_err(Failure::runtime)?;
    loop {
        tokio::select! {
            () = beat.next() => {}
            ready = ring.readable() => {
                ready.context("cannot wait for samples").map_err(Failure::runtime)?.clear_ready();
            }
        }
        if let Some(log) = &mut log {
            log.flush();
        }
        let clock = Clock::now();
        loop {
            let samples = match batch(ring.get_mut(), clock, &mut handle) {
                ControlFlow::Continue(samples) => samples,
                ControlFlow::Break(result) => return result,
            };
            drained();
            if samples < BATCH {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Handles one batch of samples. Returns how many there were: fewer than [`BATCH`] if the ring is empty now.
fn batch(
    ring: &mut RingBuf<MapData>,
    clock: Clock,
    handle: &mut impl FnMut(&Sample<'_>, Timestamp) -> ControlFlow<Result<(), Failure>>,
) -> ControlFlow<Result<(), Failure>, usize> {
    for samples in 0..BATCH {
        let Some(bytes) = ring.next() else {
            return ControlFlow::Continue(samples);
        };
        match Sample::parse(&bytes) {
            Some(sample) => handle(&sample, clock.at(sample.time_ns))?,
            None => tracing::warn!("skipped a malformed sample of {} bytes", bytes.len()),
        }
    }
    ControlFlow::Continue(BATCH)
}
