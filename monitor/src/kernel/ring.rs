//! Draining of the sample ring.

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

/// How often the ring is looked at. The kernel wakes us earlier only when much is waiting: waking
/// costs it more than a sample does.
const PERIOD: Duration = Duration::from_millis(20);
/// How many samples are handled before other tasks get their turn.
const BATCH: usize = 256;

/// Reads samples until the handler breaks, or for ever; passes on what the programs log.
///
/// Malformed records (there should be none) are logged and left out.
///
/// # Errors
/// A runtime failure if the ring cannot be waited for, or what the handler returns.
pub async fn drain(
    ring: RingBuf<MapData>,
    mut log: Option<EbpfLogger<&'static dyn log::Log>>,
    mut handle: impl FnMut(&Sample<'_>, Timestamp) -> ControlFlow<Result<(), Failure>>,
) -> Result<(), Failure> {
    // SAFETY: the ring owns its descriptor, and gives the same one until it is dropped with the AsyncFd.
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
            match batch(ring.get_mut(), clock, &mut handle) {
                ControlFlow::Continue(Batch::Emptied) => break,
                ControlFlow::Continue(Batch::Full) => tokio::task::yield_now().await,
                ControlFlow::Break(result) => return result,
            }
        }
    }
}

enum Batch {
    Emptied,
    Full,
}

fn batch(
    ring: &mut RingBuf<MapData>,
    clock: Clock,
    handle: &mut impl FnMut(&Sample<'_>, Timestamp) -> ControlFlow<Result<(), Failure>>,
) -> ControlFlow<Result<(), Failure>, Batch> {
    for _ in 0..BATCH {
        let Some(record) = ring.next() else {
            return ControlFlow::Continue(Batch::Emptied);
        };
        match Sample::parse(&record) {
            Some(sample) => handle(&sample, clock.at(sample.time_ns))?,
            None => tracing::warn!(
                "a malformed record in the sample ring: {} bytes",
                record.len()
            ),
        }
    }
    ControlFlow::Continue(Batch::Full)
}
