//! `overlay-monitor run`: the node agent.

use std::convert::Infallible;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};

use crate::agent::SharedAgent;
use crate::agent::confined::FilesLater;
use crate::agent::session::{DecodedSample, Session, SessionOptions};
use crate::agent::watch_plan::WatchPlan;
use crate::base::failure::Failure;
use crate::base::service_manager::ServiceManager;
use crate::base::signals::Signals;
use crate::command::cli::RunArgs;
use crate::command::reload::Reload;
use crate::command::settings::{self, CONFIG_FILE, Defaults};
use crate::policy::SharedPolicy;
use crate::surface::http::{self, OwnHosts, Site, WebConfig};
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
}

/// Starts to watch, and gives up the privileges that only this takes.
pub(super) fn start(args: RunArgs) -> Result<Started, Failure> {
    let mut plan = settings::plan(&args.watch, &args.policy, &args.export, Defaults::RUN)?;
    let docker = args.docker.place(plan.docker.as_ref())?;
    // Docker, or the configuration when it is reloaded, may name networks that must be encrypted at any time.
    plan.load.policy = true;
    let web = WebConfig::read(plan.web_config.as_deref())?;
    // The port is opened first: if that fails, no interface was touched.
    let listener = http::bind(plan.listen)?;
    let manager = ServiceManager::from_environment()
        .context("cannot use the socket of the service manager (NOTIFY_SOCKET)")
        .map_err(Failure::runtime)?;
    let manager = Arc::new(manager);
    let options = SessionOptions {
        docker,
        show_payload: false,
        show_users: args.show_users,
        update_over: plan.state_window,
        manager: Arc::clone(&manager),
    };
    let session = Session::start(&plan, options)?;
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
    } = started;
    let listener = tokio::net::TcpListener::from_std(listener)
        .context("cannot serve")
        .map_err(Failure::runtime)?;
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
    let (stop_http, stopped) = oneshot::channel::<()>();
    let site = Site {
        web: Arc::new(web),
        hosts: OwnHosts::new(&plan.hosts),
        has_page: plan.page,
    };
    let serving = tokio::spawn(http::serve(listener, session.agent(), site, async {
        // Sent, or dropped with the sender: both mean stop.
        drop(stopped.await);
    }));
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
        result = session.run(log_plaintext, stop) => result.map(drop),
        result = reload.at(requests) => result.map(|never| match never {}),
        never = log_left_out(&plaintext) => match never {},
    };
    manager.stopping();
    drop(stop_http);
    serving
        .await
        .context("the HTTP endpoint failed")
        .map_err(Failure::runtime)?;
    detach(agent).await;
    result
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

/// Waits until no task uses the agent any more, and detaches.
async fn detach(agent: SharedAgent) {
    let begun = Instant::now();
    // Tasks in threads of their own cannot be stopped, and hold the agent until they end.
    while Arc::strong_count(&agent) > 1 && begun.elapsed() < GRACE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    match Arc::try_unwrap(agent) {
        Ok(agent) => {
            drop(agent);
            tracing::info!("stopped; nothing stays attached");
        }
        Err(_) => tracing::info!("stopping; the programs are detached when the process ends"),
    }
}
