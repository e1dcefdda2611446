//! Samples encryptions while there are any, and times single packets now and then.

use std::sync::{Arc, TryLockError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::MissedTickBehavior;

use crate::agent::node_agent::SharedAgent;
use crate::base::failure::Failure;
use crate::kernel::{PacketTimer, PacketTiming};

/// How often to look for packets in ESP.
const PERIOD: Duration = Duration::from_secs(1);
/// Single packets are timed for this long...
const TIMED: Duration = Duration::from_secs(60);
/// ... this long after they were timed last. What times them costs some tens of nanoseconds in each call of a cipher, and to attach
/// and detach it changes the kernel's text: both seldom enough.
const EVERY: Duration = Duration::from_secs(600);

/// Starts and stops to take samples, and to time packets; waits for ever where neither can be done.
///
/// # Errors
/// A runtime failure, if the agent cannot go on. A refusal of the kernel is logged once.
pub async fn keep_sampled(agent: SharedAgent) -> Result<(), Failure> {
    if !agent.lock().map_err(|_| failed())?.times_esp() {
        return std::future::pending().await;
    }
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_logged = false;
    let mut packets = Packets::default();
    loop {
        tick.tick().await;
        let updated = match agent.try_lock() {
            Ok(mut agent) => agent
                .update_esp_timing()
                .map(|()| Some(agent.packet_timer())),
            // The agent is busy: the next tick will do.
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Poisoned(_)) => return Err(failed()),
        };
        let updated = match updated {
            Ok(Some(timer)) => packets.update(timer).await,
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = updated
            && !std::mem::replace(&mut is_logged, true)
        {
            tracing::warn!("encryptions are not timed for now: {failure}; retrying");
        }
    }
}

/// Whether single packets are timed.
#[derive(Default)]
struct Packets {
    timing: Option<PacketTiming>,
    /// When that began last, or was tried.
    begun: Option<Instant>,
}

impl Packets {
    /// Begins and ends to time packets; there is a timer while ESP carries packets of overlays. To attach and to detach may wait
    /// for the kernel, so it has a thread of its own.
    async fn update(&mut self, timer: Option<Arc<PacketTimer>>) -> Result<(), Failure> {
        let since = self.begun.map(|begun| begun.elapsed());
        match (self.timing.take(), timer) {
            (Some(timing), Some(_)) if since < Some(TIMED) => self.timing = Some(timing),
            (Some(timing), _) => spawn_blocking(|| drop(timing)).await.map_err(ended)?,
            (None, Some(timer)) if since.is_none_or(|since| since >= EVERY) => {
                self.begun = Some(Instant::now());
                let timing = spawn_blocking(move || timer.start())
                    .await
                    .map_err(ended)??;
                self.timing = Some(timing);
            }
            (None, _) => {}
        }
        Ok(())
    }
}

fn ended(error: JoinError) -> Failure {
    Failure::runtime(anyhow!(error).context("the thread that times packets ended"))
}

fn failed() -> Failure {
    Failure::runtime(anyhow!("the agent failed"))
}
