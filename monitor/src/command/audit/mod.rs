//! `overlay-monitor audit`: watches for a while, then reports the state of each network and what is readable in it.

mod observation;

use std::cell::RefCell;
use std::future::Future;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use jiff::Timestamp;

use crate::agent::confined::FilesLater;
use crate::agent::session::{DecodedSample, Session, SessionOptions};
use crate::agent::watch_plan::WatchPlan;
use crate::agent::{SharedAgent, loops};
use crate::base::failure::Failure;
use crate::base::output::{Output, message};
use crate::command::cli::{AuditArgs, ExportArgs};
use crate::command::host_bench;
use crate::command::settings::{self, Defaults};
use crate::host::docker::DockerSocket;
use crate::host::platform::Platform;
use crate::policy::SharedPolicy;
use crate::surface::capture_file::{CaptureFile, keep_flushed};
use crate::surface::forecast::{BenchRecord, Forecasts, carried};
use crate::surface::networks_json::this_node;
use crate::surface::report::chapter::chapters;
use crate::surface::report::output_file::OutputFile;
use crate::surface::report::shares::Shares;
use crate::surface::report::{Audit, ExposureReport, render};
use crate::traffic::counted::Counted;

use observation::Observation;

/// Wait at the end, for samples on their way and the verdicts that they give.
const LAST: Duration = Duration::from_millis(250);

/// An audit, watching.
pub struct Started {
    args: AuditArgs,
    plan: WatchPlan,
    outputs: Vec<OutputFile>,
    file: Option<CaptureFile>,
    session: Session,
    bench: Option<BenchRecord>,
}

/// Starts to watch, and gives up the privileges that only this takes.
pub(super) fn start(args: AuditArgs) -> Result<Started, Failure> {
    let mut plan = settings::plan(
        &args.watch,
        &args.policy,
        &ExportArgs::default(),
        Defaults::AUDIT,
    )?;
    let docker = args.docker.place(plan.docker.as_ref())?;
    let bench = bench(args.basis.bench.as_deref())?;
    // Prepared first: if that fails, no interface was touched.
    let outputs = args.output.iter().map(|path| OutputFile::open(path));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    plan.load.policy |= docker != DockerSocket::Off;
    // The window covers the whole audit, so that nothing leaves it.
    plan.state_window = args.duration * 2;
    let options = SessionOptions {
        docker,
        show_payload: false,
        show_users: args.show_users,
        update_over: args.duration,
        manager: Arc::default(),
    };
    let session = Session::start(&plan, options)?;
    // Emptied last: nothing before it can fail any more.
    let file = args.write.as_deref().map(CaptureFile::create).transpose()?;
    session.give_up_privileges(&FilesLater {
        replaced: args.output.clone(),
        ..FilesLater::default()
    })?;
    Ok(Started {
        args,
        plan,
        outputs,
        file,
        session,
        bench,
    })
}

/// The bench of this host. An audit does without one that nobody named.
fn bench(file: Option<&Path>) -> Result<Option<BenchRecord>, Failure> {
    host_bench::read(file).or_else(|failure| match file {
        Some(_) => Err(failure),
        None => {
            message(format_args!("{failure}; the audit forecasts without it"));
            Ok(None)
        }
    })
}

/// Watches, and reports.
pub(super) async fn run(started: Started, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let Started {
        args,
        plan,
        outputs,
        file,
        session,
        bench,
    } = started;
    let file = RefCell::new(file);
    let agent = session.agent();
    let policy = session
        .policy()
        .ok_or_else(|| Failure::runtime(anyhow!("no policy to audit")))?;
    let (since, began) = (Timestamp::now(), Instant::now());
    let watching = session.describe();
    message(format_args!(
        "watching {watching} for {:?}; Ctrl-C ends it early with what is known by then",
        args.duration
    ));
    let observation = Observation::new(args.duration);
    let observe = |seen: &DecodedSample<'_>| {
        observation.add(seen.record);
        match file.borrow_mut().as_mut().map(|file| file.save(seen)) {
            Some(Err(failure)) => ControlFlow::Break(Err(failure)),
            Some(Ok(())) | None => ControlFlow::Continue(()),
        }
    };
    let watched = async {
        tokio::select! {
            () = tokio::time::sleep(args.duration) => {}
            () = stop => {}
        }
        let took = began.elapsed();
        tokio::time::sleep(LAST).await;
        took
    };
    let end = async {
        tokio::select! {
            result = keep_flushed(&file) => match result? {},
            result = observation.keep_shown(&agent, &policy, began) => match result? {},
            took = watched => Ok(took),
        }
    };
    let took = match session.run(observe, end).await? {
        Some(took) => took?,
        None => return Ok(()),
    };
    if let Some(file) = file.borrow_mut().as_mut() {
        file.flush()?;
    }
    let exposure = ExposureReport {
        is_watched: plan.load.exposure,
        host_flows: plan.load.host_flows,
        ..ExposureReport::default()
    };
    let audit =
        tokio::task::spawn_blocking(move || report(&agent, &policy, observation, exposure, began))
            .await
            .context("the report")
            .map_err(Failure::runtime)?;
    let (mut audit, counted) = audit?;
    let node = this_node();
    let traffic = carried(&counted, &audit.report, &node, took.as_secs_f64());
    audit.forecasts = Forecasts::of(traffic, bench, args.basis.wire_mtu);
    let audit = Audit {
        node,
        started: since,
        took,
        planned: args.duration,
        watching,
        ..audit
    };
    for output in outputs {
        output.write(&audit)?;
    }
    Output::stdout().print(format_args!("{}", render(&audit, args.format)?))?;
    audit.outcome()
}

/// The report of this moment, after a last reading of the counters, and what was counted.
fn report(
    agent: &SharedAgent,
    policy: &SharedPolicy,
    observation: Observation,
    mut exposure: ExposureReport,
    began: Instant,
) -> Result<(Audit, Counted), Failure> {
    let locked = agent
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
    let snapshot = locked.snapshot()?;
    let blind = locked.blind();
    drop(locked);
    let opened = loops::violations::log_events(policy);
    loops::violations::explain(agent, policy, opened);
    // Reported again, with the causes of violations that the last reading found.
    let report = policy
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the policy failed")))?
        .report();
    if exposure.is_watched {
        let (conversations, mut timeline, samples) = observation.done();
        timeline.note(began.elapsed(), Shares::of(&snapshot));
        (exposure.chapters, exposure.more) = chapters(&snapshot, &report, &conversations);
        exposure.is_lower_bound = snapshot.counted.is_lower_bound();
        exposure.decrypted = snapshot.counted.state.decrypted;
        exposure.samples = samples;
        exposure.platform = Platform::of_this_host();
        exposure.timeline = timeline;
    }
    let audit = Audit {
        report,
        blind,
        attribution: snapshot.counted.attribution.clone(),
        exposure,
        ..Audit::default()
    };
    Ok((audit, snapshot.counted))
}
