//! `overlay-monitor run`: the node agent.

use std::future::Future;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tokio::sync::{oneshot, watch};

use crate::agent::{self, Agent, decoder, loops};
use crate::base::failure::Failure;
use crate::command::cli::RunArgs;
use crate::command::settings::{self, Defaults};
use crate::host::docker::{self, DockerSocket};
use crate::kernel::ring;
use crate::policy;
use crate::surface::findings::Findings;
use crate::surface::http;
use crate::traffic::flows::LiveFlows;

/// How long work that has begun may hold the agent at the end.
const LAST: Duration = Duration::from_secs(5);

pub(super) async fn run(args: &RunArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let mut watch = settings::plan(
        &args.watch,
        &args.policy,
        args.listen.as_deref(),
        Defaults::RUN,
    )?;
    let place = args.docker.place(watch.docker.as_ref())?;
    // It may tell of networks that must be encrypted at any time.
    watch.load.policy |= place != DockerSocket::Off;
    // The port first: it is the likelier to fail, and leaves the interfaces alone then.
    let listener = http::bind(watch.listen).await?;
    let mut agent = Agent::start(&watch)?;
    let (docker, networks) = watch::channel(docker::DockerStatus::default());
    agent.set_docker(networks.clone());
    let ring = agent
        .take_samples()
        .ok_or_else(|| Failure::runtime(anyhow!("no sample ring")))?;
    let log = agent.take_log();
    tracing::info!("watching {}", agent.describe());
    tracing::info!("serving http://{}/metrics", watch.listen);

    let decoder = decoder(&watch, false);
    let names = agent.names();
    let mut findings = Findings::default();
    let mut judge = agent.judge();
    let settling = loops::exposure::keep_books(agent.account());
    let mut samples = LiveFlows::default();
    let draining = ring::drain(ring, log, |sample, time| {
        let record = decoder.decode(&mut samples, sample, time, &names.of(sample.ifindex));
        if let Some(judge) = &mut judge
            && let Err(failure) = judge.note(sample, record.payload_len, &record.verdict)
        {
            // The flow is sampled again.
            tracing::debug!("no verdict: {failure}");
        }
        if let Some(finding) = findings.note(&record) {
            tracing::warn!("{finding}");
        }
        ControlFlow::Continue(())
    });
    let (stop_http, stopped) = oneshot::channel::<()>();
    let policy = agent.policy();
    let agent = Arc::new(Mutex::new(agent));
    let attached = Arc::clone(&agent);
    let following = loops::host::keep_attached(Arc::clone(&agent));
    let judging = judge_networks(policy, Arc::clone(&agent), networks, watch.judged_over);
    let explaining = loops::esp::log_causes(Arc::clone(&agent));
    let serving = tokio::spawn(http::serve(listener, agent, async {
        // Sent, or dropped with the sender: both mean stop.
        drop(stopped.await);
    }));
    let result = tokio::select! {
        result = draining => result,
        result = following => result,
        result = settling => result,
        never = loops::docker::keep_listed(place, watch.load.udp_ports.clone(), docker) => match never {},
        result = judging => result,
        result = explaining => result,
        () = stop => Ok(()),
    };
    drop(stop_http);
    serving
        .await
        .context("the HTTP endpoint failed")
        .map_err(Failure::runtime)?;
    detached(attached).await;
    result
}

/// Waits until nobody uses the agent any more, and detaches.
async fn detached(agent: agent::Shared) {
    let begun = Instant::now();
    // Work that has begun goes on in threads of its own, and holds the agent.
    while Arc::strong_count(&agent) > 1 && begun.elapsed() < LAST {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    match Arc::try_unwrap(agent) {
        Ok(agent) => {
            drop(agent);
            tracing::info!("stopped; nothing stays attached");
        }
        Err(_) => tracing::info!("stopping; what is attached goes with the process"),
    }
}

/// Judges the networks and says what is wrong, for ever.
async fn judge_networks(
    policy: Option<policy::SharedPolicy>,
    agent: agent::Shared,
    docker: watch::Receiver<docker::DockerStatus>,
    window: Duration,
) -> Result<(), Failure> {
    match policy {
        Some(policy) => loops::policy::keep_current(agent, policy, docker, window).await,
        None => std::future::pending().await,
    }
}
