//! Keeps the agent attached while interfaces appear, vanish and change, and while IPsec is loaded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::MissedTickBehavior;

use super::decryption;
use crate::agent::node_agent::SharedAgent;
use crate::base::beat::Beat;
use crate::base::failure::Failure;
use crate::host::interface::{ChangeEvents, ChangeSubscription};

/// Wait after an event: events come in groups, and one refresh answers all.
const SETTLE: Duration = Duration::from_millis(50);
/// Time between thorough refreshes: the kernel does not report every change.
const PERIOD: Duration = Duration::from_secs(5);
/// Time between refreshes without events.
const WITHOUT_EVENTS: Duration = Duration::from_millis(500);

/// Keeps the agent attached until the future is dropped.
///
/// # Errors
/// A runtime failure, if the agent cannot go on. A refusal of the kernel is logged and retried.
pub async fn keep_attached(agent: SharedAgent, beat: Beat) -> Result<(), Failure> {
    tokio::select! {
        result = interfaces(Arc::clone(&agent)) => result,
        result = decryption::enable_once_loaded(agent, beat) => result,
    }
}

async fn interfaces(agent: SharedAgent) -> Result<(), Failure> {
    let changes = agent.lock().map_err(|_| failed())?.changes.take();
    let mut changes = changes
        .map(ChangeSubscription::into_events)
        .and_then(|watch| {
            watch
                .inspect_err(|error| {
                    tracing::warn!(
                        "cannot subscribe to changes of interfaces ({error}); polling instead"
                    )
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
            event = changed(&mut changes) => {
                if let Err(error) = event {
                    tracing::warn!("the subscription to changes of interfaces ended ({error}); polling instead");
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
            tracing::error!("cannot refresh the interfaces: {trouble}; retrying");
        }
        said = trouble;
    }
}

async fn changed(changes: &mut Option<ChangeEvents>) -> io::Result<()> {
    match changes {
        Some(watch) => watch.changed().await,
        None => {
            tokio::time::sleep(WITHOUT_EVENTS).await;
            Ok(())
        }
    }
}

fn failed() -> Failure {
    Failure::runtime(anyhow!("the agent failed"))
}
