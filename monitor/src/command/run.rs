//! `overlay-monitor run`: the node agent.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::fs::MemfdFlags;
use tokio::sync::mpsc;

use crate::agent::confined::FilesLater;
use crate::agent::handover::{self, Legacy, Predecessor};
use crate::agent::session::{DecodedSample, Session, SessionOptions};
use crate::agent::watch_plan::WatchPlan;
use crate::agent::{Agent, SharedAgent};
use crate::base::failure::Failure;
use crate::base::service_manager::{self, ServiceManager};
use crate::base::signals::{Ending, Signals};
use crate::command::cli::RunArgs;
use crate::command::reload::Reload;
use crate::command::settings::{self, CONFIG_FILE, Defaults};
use crate::kernel::measure_programs;
use crate::policy::SharedPolicy;
use crate::surface::http::{self, OwnHosts, Server, Site, WebConfig};
use crate::surface::plaintext_log::PlaintextLog;

/// At the end, tasks that are under way may hold the agent for this long.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether findings got no line in the minute that is over.
const LEFT_OUT: Duration = Duration::from_secs(5);

/// The node agent, watching.
pub struct Started {
    args: RunArgs,
    plan: WatchPlan,
    listener: TcpListener,
    web: WebConfig,
    manager: Arc<ServiceManager>,
    session: Session,
    /// Keeps the kernel at measuring its programs.
    _measuring: Option<OwnedFd>,
}

/// Starts to watch, and gives up the privileges that only this takes. Goes on from what the process before this one has left
/// with the service manager.
pub(super) fn start(args: RunArgs) -> Result<Started, Failure> {
    let left = service_manager::stored();
    let manager = ServiceManager::from_environment()
        .context("cannot use the socket of the service manager (NOTIFY_SOCKET)")
        .map_err(Failure::runtime)?;
    let names: Vec<String> = left.iter().map(|(name, _)| name.clone()).collect();
    let manager = Arc::new(manager);
    let started = start_after(left, args, Arc::clone(&manager));
    for name in &names {
        manager.forget(name);
    }
    if started.is_err() && !names.is_empty() {
        handover::detach_left();
    }
    started
}

fn start_after(
    left: Vec<(String, OwnedFd)>,
    args: RunArgs,
    manager: Arc<ServiceManager>,
) -> Result<Started, Failure> {
    let predecessor = Predecessor::read(left).unwrap_or_else(|error| {
        tracing::warn!(
            "cannot go on from the counts of the process before this one, so they start at 0: {error:#}"
        );
        handover::detach_left();
        None
    });
    let mut plan = settings::plan(&args.watch, &args.policy, &args.export, Defaults::RUN)?;
    let docker = args.docker.place(plan.docker.as_ref())?;
    // Docker, or the configuration when it is reloaded, may name networks that must be encrypted at any time.
    plan.load.policy = true;
    let web = WebConfig::read(plan.web_config.as_deref())?;
    // The port is opened first: if that fails, no interface was touched.
    let listener = http::bind(plan.listen)?;
    let options = SessionOptions {
        docker,
        show_payload: false,
        show_users: args.show_users,
        update_over: plan.state_window,
        manager: Arc::clone(&manager),
    };
    let session = Session::start_after(predecessor, &plan, options)?;
    let measuring = if args.program_stats {
        let refused = |failure: &Failure| {
            tracing::warn!(
                "{failure}; `sysctl kernel.bpf_stats_enabled=1` switches it on without this privilege of the agent"
            );
        };
        measure_programs().inspect_err(refused).ok()
    } else {
        None
    };
    if args.keep_privileges {
        tracing::warn!(
            "the agent keeps all privileges that it was started with: --keep-privileges is for debugging"
        );
    } else {
        let configuration = args.watch.config.as_deref();
        let mut read_again = web.files();
        read_again.push(configuration.unwrap_or(Path::new(CONFIG_FILE)).to_owned());
        let held = session.give_up_privileges(&FilesLater {
            read_again,
            ..FilesLater::default()
        })?;
        tracing::info!("privileges: {held}");
        if let Err(error) = web.try_again() {
            tracing::warn!(
                "the web configuration cannot be read again with these privileges: {error:#}; a renewed certificate takes a \
                 restart; let the agent's user read it"
            );
        }
    }
    Ok(Started {
        args,
        plan,
        listener,
        web,
        manager,
        session,
        _measuring: measuring,
    })
}

/// Serves, until a signal ends it.
pub(super) async fn run(started: Started, signals: Signals) -> Result<(), Failure> {
    let Started {
        args,
        plan,
        listener,
        web,
        manager,
        session,
        _measuring,
    } = started;
    let watching = format!("watching {}", session.describe());
    tracing::info!("{watching}");
    tracing::info!("serving {}://{}/metrics", web.scheme(), plan.listen);
    if let Some(lacks) = web.lacks()
        && !plan.listen.ip().is_loopback()
    {
        tracing::warn!(
            "{} is served {lacks}: give --web-config, or listen on 127.0.0.1",
            plan.listen
        );
    }

    let agent = session.agent();
    let site = Site {
        web: Arc::new(web),
        hosts: OwnHosts::new(&plan.hosts),
        has_page: plan.page,
    };
    let mut server = Server::start(listener, session.agent(), site)?;
    manager.ready(&watching);
    let policy = session.policy();
    let plaintext = Mutex::new(PlaintextLog::default());
    let log_plaintext = |seen: &DecodedSample<'_>| {
        let name = |vni| name(policy.as_ref()?, vni);
        if let Some(finding) = lock(&plaintext).first(seen.record, Instant::now(), name) {
            tracing::warn!(
                event = "plaintext",
                vni = finding.vni.map(u64::from),
                network = finding.network.as_deref(),
                protocol = finding.protocol.name(),
                credentials = finding.credentials.as_deref(),
                "{}",
                finding.text
            );
        }
        ControlFlow::Continue(())
    };
    // One reload takes over everything that was requested before it.
    let (request, requests) = mpsc::channel(1);
    let stop = signals.end(move || {
        // A full queue has a request that is not read yet.
        let _full = request.try_send(());
    });
    let reload = Reload {
        args: Arc::new(args),
        running: plan,
        agent: Arc::clone(&agent),
        manager: Arc::clone(&manager),
    };
    let result = tokio::select! {
        result = session.run(log_plaintext, stop) => result,
        result = reload.at(requests) => result.map(|never| match never {}),
        never = log_left_out(&plaintext) => match never {},
        failure = server.failed() => Err(failure),
    };
    manager.stopping();
    server.stop().await?;
    let agent = alone(agent).await;
    match (result, agent) {
        (result, None) => {
            tracing::info!("stopping; the programs are detached when the process ends");
            result.map(drop)
        }
        (Ok(Some(Ending::HandOver)), Some(agent)) if manager.is_there() => {
            hand_over(agent, &manager);
            Ok(())
        }
        (result, Some(agent)) => {
            drop(agent);
            tracing::info!("stopped; nothing stays attached");
            result.map(drop)
        }
    }
}

/// Leaves the programs attached, and the counts with the service manager, for the next process. Detaches if that fails.
fn hand_over(mut agent: Agent, manager: &ServiceManager) {
    let left = agent
        .leave()
        .map_err(anyhow::Error::new)
        .and_then(|legacy| Ok(store(&legacy, manager)?));
    match left {
        Ok(()) => {
            agent.let_go();
            tracing::info!("stopped; the programs stay attached, and count for the next process");
        }
        Err(error) => {
            drop(agent);
            tracing::warn!(
                "stopped; nothing stays attached, and the next process counts from 0: {error:#}"
            );
        }
    }
}

/// Has the service manager keep what is left to the next process.
fn store(legacy: &Legacy, manager: &ServiceManager) -> io::Result<()> {
    let store = || {
        let mut record = File::from(rustix::fs::memfd_create(
            "overlay-monitor",
            MemfdFlags::CLOEXEC,
        )?);
        record.write_all(&legacy.record)?;
        manager.forget(Legacy::RECORD);
        manager.store(Legacy::RECORD, record.as_fd())?;
        for (name, descriptor) in &legacy.descriptors {
            manager.forget(name);
            manager.store(name, descriptor.as_fd())?;
        }
        manager.wait()
    };
    let stored = store();
    if stored.is_err() {
        let names = legacy.descriptors.iter().map(|(name, _)| name.as_str());
        for name in names.chain([Legacy::RECORD]) {
            manager.forget(name);
        }
    }
    stored
}

/// Logs how many findings got no line, each minute.
async fn log_left_out(plaintext: &Mutex<PlaintextLog>) -> Infallible {
    let mut tick = tokio::time::interval(LEFT_OUT);
    loop {
        tick.tick().await;
        let line = lock(plaintext).left_out(Instant::now());
        if let Some(line) = line {
            tracing::warn!("{line}");
        }
    }
}

/// The name of a network that is described.
fn name(policy: &SharedPolicy, vni: u32) -> Option<String> {
    let policy = lock(policy);
    policy
        .networks()
        .get(vni)
        .map(|network| network.name.clone())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no task uses the agent any more; `None` if one does for too long.
async fn alone(agent: SharedAgent) -> Option<Agent> {
    let begun = Instant::now();
    // Tasks in threads of their own cannot be stopped, and hold the agent until they end.
    while Arc::strong_count(&agent) > 1 && begun.elapsed() < GRACE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let agent = Arc::into_inner(agent)?;
    Some(agent.into_inner().unwrap_or_else(PoisonError::into_inner))
}
