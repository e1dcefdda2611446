//! Drains the sample ring.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context;
use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;
use jiff::Timestamp;
use monitor_common::sample::Sample;
use tokio::io::unix::AsyncFd;
use tokio::time::MissedTickBehavior;

use crate::base::clock::Clock;
use crate::base::failure::Failure;

/// How often the ring is drained. The kernel wakes this process earlier only if much is waiting, because waking costs
/// more than a sample.
const PERIOD: Duration = Duration::from_millis(20);
/// Number of samples handled before other tasks run.
const BATCH: usize = 256;

/// Passes samples to the handler until it breaks, and forwards the log of the programs. Malformed samples, which a bug
/// would cause, are logged and skipped. `drained` is called after each batch, also an empty one.
///
/// # Errors
/// A runtime failure if the ring cannot be polled, or the error of the handler.
pub async fn drain(
    ring: RingBuf<MapData>,
    mut log: Option<EbpfLogger<&'static dyn log::Log>>,
    mut handle: impl FnMut(&Sample<'_>, Timestamp) -> ControlFlow<Result<(), Failure>>,
    mut drained: impl FnMut(),
) -> Result<(), Failure> {
    // SAFETY: the ring owns its descriptor and returns the same one until it is dropped together with the AsyncFd.
    let ring = unsafe { AsyncFd::register(ring) };
    let mut ring = ring
        .context("cannot wait for samples")
        .map_err(Failure::runtime)?;
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            ready = ring.readable() => {
                ready.context("cannot wait for samples").map_err(Failure::runtime)?.clear_ready();
            }
        }
        if let Some(log) = &mut log {
            log.flush();
        }
        let clock = Clock::now();
        loop {
            let end = match batch(ring.get_mut(), clock, &mut handle) {
                ControlFlow::Continue(end) => end,
                ControlFlow::Break(result) => return result,
            };
            drained();
            match end {
                Batch::Emptied => break,
                Batch::Full => tokio::task::yield_now().await,
            }
        }
    }
}

/// How a batch ended.
enum Batch {
    /// The ring is empty.
    Emptied,
    /// [`BATCH`] samples were handled.
    Full,
}

/// Handles one batch of samples.
fn batch(
    ring: &mut RingBuf<MapData>,
    clock: Clock,
    handle: &mut impl FnMut(&Sample<'_>, Timestamp) -> ControlFlow<Result<(), Failure>>,
) -> ControlFlow<Result<(), Failure>, Batch> {
    for _ in 0..BATCH {
        let Some(bytes) = ring.next() else {
            return ControlFlow::Continue(Batch::Emptied);
        };
        match Sample::parse(&bytes) {
            Some(sample) => handle(&sample, clock.at(sample.time_ns))?,
            None => tracing::warn!("skipped a malformed sample of {} bytes", bytes.len()),
        }
    }
    ControlFlow::Continue(Batch::Full)
}
