//! Samples encryptions while there are any.

use std::sync::TryLockError;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::MissedTickBehavior;

use crate::agent::node_agent::SharedAgent;
use crate::base::failure::Failure;

/// How often to look for packets in ESP.
const PERIOD: Duration = Duration::from_secs(1);

/// Starts and stops to take samples; waits for ever where none can be taken.
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
    loop {
        tick.tick().await;
        let updated = match agent.try_lock() {
            Ok(mut agent) => agent.update_esp_timing(),
            // The agent is busy: the next tick will do.
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Poisoned(_)) => return Err(failed()),
        };
        if let Err(failure) = updated
            && !std::mem::replace(&mut is_logged, true)
        {
            tracing::warn!("encryptions are not timed for now: {failure}; retrying each second");
        }
    }
}

fn failed() -> Failure {
    Failure::runtime(anyhow!("the agent failed"))
}
