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
const TIMED: Duration = Duration::from_secs(30);
/// ... this long after that began last. The programs cost some hundred nanoseconds in each packet in ESP, and to attach and to
/// detach them changes the kernel's text: both seldom enough.
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
    let mut trouble = Trouble::default();
    let mut packets = Packets::default();
    loop {
        tick.tick().await;
        let (updated, timer) = match agent.try_lock() {
            Ok(mut agent) => (agent.update_esp_timing(), Some(agent.packet_timer())),
            // The agent is busy: the next tick will do.
            Err(TryLockError::WouldBlock) => (Ok(()), None),
            Err(TryLockError::Poisoned(_)) => return Err(failed()),
        };
        if let Err(failure) = updated {
            trouble.log_samples(&failure);
        }
        // Also where no sample is taken: what is attached must not stay.
        if let Err(failure) = packets.update(timer).await {
            trouble.log_packets(&failure);
        }
    }
}

/// What was logged, each once.
#[derive(Default)]
struct Trouble {
    of_samples: bool,
    of_packets: bool,
}

impl Trouble {
    fn log_samples(&mut self, failure: &Failure) {
        if !std::mem::replace(&mut self.of_samples, true) {
            tracing::warn!("encryptions are not timed for now: {failure}; retrying each second");
        }
    }

    fn log_packets(&mut self, failure: &Failure) {
        if !std::mem::replace(&mut self.of_packets, true) {
            tracing::warn!(
                "single packets are not timed in ESP for now: {failure}; retrying every ten minutes"
            );
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
    /// Begins and ends to time packets. `timer` is `Some(None)` while ESP carries no packets of overlays, and `None` where that
    /// is not known. To attach and to detach may wait for the kernel, so it has a thread of its own.
    async fn update(&mut self, timer: Option<Option<Arc<PacketTimer>>>) -> Result<(), Failure> {
        let since = self.begun.map(|begun| begun.elapsed());
        let is_over = since.is_none_or(|since| since >= TIMED) || matches!(timer, Some(None));
        match (self.timing.take(), timer) {
            (Some(timing), _) if is_over => {
                spawn_blocking(|| drop(timing)).await.map_err(ended)?;
            }
            (Some(timing), _) => self.timing = Some(timing),
            (None, Some(Some(timer))) if since.is_none_or(|since| since >= EVERY) => {
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
