//! Logs the faults of ESP itself while the agent runs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::time::MissedTickBehavior;

use crate::agent::node_agent::SharedAgent;
use crate::base::failure::Failure;
use crate::host::facts::HostFacts;
use crate::policy::cause::{Cause, Likely, Symptom, explain};

/// How often the associations are checked.
const PERIOD: Duration = Duration::from_secs(10);

/// Looks for faults of ESP and logs each once, for as long as it holds; runs for ever.
///
/// # Errors
/// A runtime failure, if a task fails.
pub async fn log_causes(agent: SharedAgent) -> Result<(), Failure> {
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = BTreeSet::<Cause>::new();
    loop {
        tick.tick().await;
        let agent = SharedAgent::clone(&agent);
        let found = tokio::task::spawn_blocking(move || look(&agent))
            .await
            .context("the check of ESP")
            .map_err(Failure::runtime)?;
        let found = match found {
            Ok(found) => found,
            Err(failure) => {
                tracing::debug!("cannot check ESP: {failure}");
                continue;
            }
        };
        for likely in &found {
            if !said.contains(&likely.cause) {
                tracing::warn!("ESP: {likely}");
            }
        }
        said = found.iter().map(|likely| likely.cause).collect();
    }
}

fn look(agent: &SharedAgent) -> Result<Vec<Likely>, Failure> {
    let agent = agent
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
    let active = agent.snapshot()?.counted.esp_active;
    let (udp_ports, interfaces) = (agent.udp_ports(), agent.watched());
    drop(agent);
    if active.is_empty() {
        return Ok(Vec::new());
    }
    let host = HostFacts::read_without_firewall(&udp_ports, &interfaces);
    Ok(explain(&Symptom::Esp, &host, &active))
}
