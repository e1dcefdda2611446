//! Forgets the sampled flows and associations that fell silent: strangers can begin them without end.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::agent::exposure::Verdicts;
use crate::base::failure::Failure;
use crate::base::memory;
use crate::traffic::flows::LiveFlows;

/// Samples of a flow that are further apart are another conversation.
const SILENCE: Duration = Duration::from_secs(60);

/// What is remembered of sampled flows.
pub(in super::super) struct SampledFlows {
    /// The latest samples of flows.
    pub(in super::super) samples: LiveFlows,
    /// The verdicts on flows; `None` if exposure is not watched.
    pub(in super::super) verdicts: Option<Verdicts>,
}

/// Forgets silent flows until the future is dropped. Associations, and verdicts in networks that nothing describes, are kept
/// for `forget_after` at least.
///
/// # Errors
/// None. A refusal of the kernel is logged, and tried again.
pub(in super::super) async fn forget_silent(
    flows: &Mutex<SampledFlows>,
    forget_after: Duration,
) -> Result<(), Failure> {
    let mut tick = tokio::time::interval(SILENCE.min(forget_after));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    let mut listed = Instant::now();
    loop {
        tick.tick().await;
        let begins = listed.elapsed() >= forget_after;
        if begins {
            listed = Instant::now();
        }
        {
            let mut flows = flows.lock().unwrap_or_else(PoisonError::into_inner);
            flows.samples.forget_silent();
            if begins {
                flows.samples.forget_associations();
                if let Some(verdicts) = &mut flows.verdicts {
                    verdicts.forget_old();
                }
            }
        }
        while begins && forget_some(flows) {
            // Samples come first.
            tokio::task::yield_now().await;
        }
        if begins {
            memory::give_back();
        }
    }
}

/// Returns whether there is more to look at.
fn forget_some(flows: &Mutex<SampledFlows>) -> bool {
    let mut flows = flows.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(verdicts) = &mut flows.verdicts else {
        return false;
    };
    verdicts.forget_unused().unwrap_or_else(|failure| {
        tracing::debug!("cannot remove unused verdicts: {failure}");
        false
    })
}
