//! `overlay-monitor audit`: watch for a while, then a verdict on each network.

use std::future::Future;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::agent::{Agent, Shared, follow};
use crate::cli::{AuditArgs, Format};
use crate::diagnose;
use crate::docker::{self, Place};
use crate::failure::Failure;
use crate::policy;
use crate::policy::record::this_node;
use crate::report::{Audit, json, text};
use crate::settings::{Defaults, Watch};

/// Longest time to watch.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

pub(super) async fn run(args: &AuditArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    if args.duration < Duration::from_secs(1) || args.duration > LONGEST {
        return Err(Failure::usage(anyhow!(
            "--duration {:?}: give 1 second to 7 days",
            args.duration
        )));
    }
    let mut watch = Watch::new(&args.watch, &args.policy, None, Defaults::AUDIT)?;
    let place = args.docker.place(watch.docker.as_ref())?;
    watch.load.policy |= place != Place::Off;
    // All of it, and nothing that is over is forgotten.
    watch.judged_over = args.duration * 2;
    let mut agent = Agent::start(&watch)?;
    let (docker, networks) = watch::channel(docker::State::default());
    agent.set_docker(networks.clone());
    let policy = agent
        .policy()
        .ok_or_else(|| Failure::runtime(anyhow!("no policy to audit")))?;
    let (started, began) = (Timestamp::now(), Instant::now());
    let watching = agent.describe();
    eprintln!(
        "watching {watching} for {:?}; Ctrl-C ends it with what is known by then",
        args.duration
    );
    let agent = Arc::new(Mutex::new(agent));
    let judging = policy::follow(
        Arc::clone(&agent),
        Arc::clone(&policy),
        networks,
        args.duration,
    );
    tokio::select! {
        result = follow(Arc::clone(&agent)) => result?,
        result = judging => result?,
        result = diagnose::follow(Arc::clone(&agent)) => result?,
        never = docker::follow(place, watch.load.services.clone(), docker) => match never {},
        () = tokio::time::sleep(args.duration) => {}
        () = stop => {}
    }
    let took = began.elapsed();
    let audit = tokio::task::spawn_blocking(move || judge(&agent, &policy))
        .await
        .context("the verdict")
        .map_err(Failure::runtime)?;
    let audit = Audit {
        node: this_node(),
        started,
        took,
        planned: args.duration,
        watching,
        ..audit?
    };
    print(&audit, args.format)?;
    audit.outcome()
}

/// The verdict of this moment, with what a last look finds.
fn judge(agent: &Shared, policy: &policy::Shared) -> Result<Audit, Failure> {
    let locked = agent
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
    let snapshot = locked.snapshot()?;
    let blind = locked.blind();
    drop(locked);
    let opened = policy::say_events(policy);
    policy::explain(agent, policy, opened);
    // Again, with the causes of what the last look found.
    let report = policy
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the policy failed")))?
        .report();
    Ok(Audit {
        report,
        blind,
        attribution: snapshot.attribution,
        ..Audit::default()
    })
}

fn print(audit: &Audit, format: Format) -> Result<(), Failure> {
    let page = match format {
        Format::Text => text::page(audit),
        Format::Json => json::lines(audit).map_err(Failure::runtime)?,
    };
    match io::stdout().write_all(page.as_bytes()) {
        // Who closed the pipe has read enough; the exit code still tells.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot print").map_err(Failure::runtime),
    }
}
