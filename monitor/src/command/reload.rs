//! Reads the configuration again while the agent runs.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError};

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;

use super::cli::RunArgs;
use super::settings::{self, Defaults};
use crate::agent::SharedAgent;
use crate::agent::watch_plan::WatchPlan;
use crate::base::failure::Failure;
use crate::base::plural::counted;
use crate::base::service_manager::ServiceManager;

/// The running agent, and what it was started with.
pub(super) struct Reload {
    pub(super) args: Arc<RunArgs>,
    /// What holds now: the last value of what can be reloaded, the first one of all else.
    pub(super) running: WatchPlan,
    pub(super) agent: SharedAgent,
    pub(super) manager: Arc<ServiceManager>,
}

impl Reload {
    /// Reloads at each request; runs until the future is dropped. A file with an error is logged, and changes nothing.
    ///
    /// # Errors
    /// A runtime failure, if a task fails.
    pub(super) async fn at(
        mut self,
        mut requests: mpsc::Receiver<()>,
    ) -> Result<Infallible, Failure> {
        while requests.recv().await.is_some() {
            self.manager.reloading();
            // The agent may be busy; samples are read meanwhile.
            let (args, agent) = (Arc::clone(&self.args), Arc::clone(&self.agent));
            let mut running = self.running.clone();
            let reloaded = tokio::task::spawn_blocking(move || {
                let result = reload(&args, &mut running, &agent);
                let agent = agent.lock().unwrap_or_else(PoisonError::into_inner);
                (result, running, agent.describe())
            });
            let (result, running, watching) = reloaded
                .await
                .context("the reload of the configuration")
                .map_err(Failure::runtime)?;
            self.running = running;
            if let Err(failure) = result {
                tracing::error!(
                    "the configuration is not reloaded, and the agent goes on as before: {failure}"
                );
            }
            self.manager.ready(&format!("watching {watching}"));
        }
        std::future::pending().await
    }
}

/// Reads the configuration, takes over interfaces and networks, and logs what only a start takes over.
fn reload(args: &RunArgs, running: &mut WatchPlan, agent: &SharedAgent) -> Result<(), Failure> {
    let new = settings::plan(&args.watch, &args.policy, &args.export, Defaults::RUN)?;
    let unchanged = settings::needing_restart(running, &new);
    let (networks, selection) = (new.networks, new.selection);
    {
        let mut agent = agent
            .lock()
            .map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
        if let Some(policy) = agent.policy() {
            let mut policy = policy.lock().unwrap_or_else(PoisonError::into_inner);
            policy.set_configured(networks.clone());
        }
        agent.select(selection.clone())?;
        agent.prepare_networks();
    }
    tracing::info!(
        "the configuration is reloaded, with {}",
        counted(networks.len(), "network")
    );
    (running.networks, running.selection) = (networks, selection);
    if !unchanged.is_empty() {
        tracing::warn!(
            "only a restart takes over the new value of: {}",
            unchanged.join(", ")
        );
    }
    Ok(())
}
