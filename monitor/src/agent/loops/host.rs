//! Makes the agent follow its host: interfaces as they appear, vanish and change, and IPsec.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::MissedTickBehavior;

use super::decryption;
use crate::agent::Shared;
use crate::base::failure::Failure;
use crate::host::interface::{ChangeEvents, ChangeSubscription};

/// After a change: others often come with it, and one look is enough for all.
const SETTLE: Duration = Duration::from_millis(50);
/// Without one: the kernel does not tell of everything.
const PERIOD: Duration = Duration::from_secs(5);
/// Between looks, where it tells nothing at all.
const UNTOLD: Duration = Duration::from_millis(500);

/// Follows what changes on the host, interfaces and IPsec, until the future is dropped.
///
/// # Errors
/// A runtime failure, if the agent cannot go on. What the kernel refuses for the moment is logged, and tried again.
pub async fn keep_attached(agent: Shared) -> Result<(), Failure> {
    let counts = agent.lock().map_err(|_| failed())?.kernel.counts();
    tokio::select! {
        result = interfaces(agent) => result,
        result = decryption::enable_once_loaded(counts) => result,
    }
}

async fn interfaces(agent: Shared) -> Result<(), Failure> {
    let changes = agent.lock().map_err(|_| failed())?.changes.take();
    let mut changes = changes
        .map(ChangeSubscription::into_events)
        .and_then(|watch| {
            watch
                .inspect_err(|error| {
                    tracing::warn!("not told of changes of interfaces ({error}): looking for them")
                })
                .ok()
        });
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    let mut said = None;
    loop {
        let thoroughly = tokio::select! {
            _ = tick.tick() => true,
            told = told(&mut changes) => {
                if let Err(error) = told {
                    tracing::warn!("not told of changes of interfaces any more ({error}): looking for them");
                    changes = None;
                }
                tokio::time::sleep(SETTLE).await;
                false
            }
        };
        let shared = Arc::clone(&agent);
        let refreshed = tokio::task::spawn_blocking(move || {
            let mut agent = shared.lock().map_err(|_| failed())?;
            Ok::<_, Failure>(
                agent
                    .refresh(thoroughly)
                    .err()
                    .map(|failure| failure.to_string()),
            )
        });
        let trouble = refreshed.await.map_err(Failure::runtime)??;
        if let Some(trouble) = trouble.as_ref().filter(|_| trouble != said) {
            tracing::error!("cannot follow the interfaces: {trouble}");
        }
        said = trouble;
    }
}

async fn told(changes: &mut Option<ChangeEvents>) -> io::Result<()> {
    match changes {
        Some(watch) => watch.changed().await,
        None => {
            tokio::time::sleep(UNTOLD).await;
            Ok(())
        }
    }
}

fn failed() -> Failure {
    Failure::runtime(anyhow!("the agent failed"))
}
