//! Drains the sample ring.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context;
use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;
use jiff::Timestamp;
use monitor_common::sample::{Sample, Trigger};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep};

use crate::base::clock::Clock;
use crate::base::failure::Failure;

/// How often the ring is drained. The kernel wakes this process earlier only if much is waiting, because waking costs
/// more than a sample.
const PERIOD: Duration = Duration::from_millis(20);
/// The same once [`QUIET`] has passed without the first sample of a flow: its verdict is what is waited for. Each look costs
/// a node on which no flow begins as much as any other.
const QUIET_PERIOD: Duration = Duration::from_millis(100);
const QUIET: Duration = Duration::from_secs(1);
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
    let mut began = Instant::now();
    loop {
        let period = if began.elapsed() < QUIET {
            PERIOD
        } else {
            QUIET_PERIOD
        };
        tokio::select! {
            () = sleep(period) => {}
            ready = ring.readable() => {
                ready.context("cannot wait for samples").map_err(Failure::runtime)?.clear_ready();
            }
        }
        if let Some(log) = &mut log {
            log.flush();
        }
        let clock = Clock::now();
        loop {
            let batch = match batch(ring.get_mut(), clock, &mut handle) {
                ControlFlow::Continue(batch) => batch,
                ControlFlow::Break(result) => return result,
            };
            drained();
            if batch.has_first {
                began = Instant::now();
            }
            if batch.is_last {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// What was in one batch of samples.
#[derive(Default)]
struct Batch {
    /// A first sample of a flow.
    has_first: bool,
    /// The ring is empty now.
    is_last: bool,
}

/// Handles one batch of samples.
fn batch(
    ring: &mut RingBuf<MapData>,
    clock: Clock,
    handle: &mut impl FnMut(&Sample<'_>, Timestamp) -> ControlFlow<Result<(), Failure>>,
) -> ControlFlow<Result<(), Failure>, Batch> {
    let mut batch = Batch::default();
    for _ in 0..BATCH {
        let Some(bytes) = ring.next() else {
            batch.is_last = true;
            break;
        };
        match Sample::parse(&bytes) {
            Some(sample) => {
                batch.has_first |= sample.trigger == Trigger::FlowStart;
                handle(&sample, clock.at(sample.time_ns))?;
            }
            None => tracing::warn!("skipped a malformed sample of {} bytes", bytes.len()),
        }
    }
    ControlFlow::Continue(batch)
}
