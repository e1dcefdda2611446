//! `overlay-monitor audit`: watch for a while, then a verdict on each network, and what can be read in it.

mod sight;

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::agent::{Agent, Shared, decoder, loops};
use crate::base::failure::Failure;
use crate::command::cli::AuditArgs;
use crate::command::settings::{self, Defaults};
use crate::host::docker::{self, DockerSocket};
use crate::kernel::ring;
use crate::policy;
use crate::surface::networks_json::this_node;
use crate::surface::report::chapter::chapters;
use crate::surface::report::output::Output;
use crate::surface::report::{Audit, Exposure, Form};
use crate::surface::save::{Save, keep_flushed};
use crate::traffic::flows::LiveFlows;

use sight::Sight;

/// Longest time to watch.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// After the end: for samples that are on their way, and for the flows that they judge.
const LAST: Duration = Duration::from_millis(250);

pub(super) async fn run(args: &AuditArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    if args.duration < Duration::from_secs(1) || args.duration > LONGEST {
        return Err(Failure::usage(anyhow!(
            "--duration {:?}: give 1 second to 7 days",
            args.duration
        )));
    }
    let mut watch = settings::plan(&args.watch, &args.policy, None, Defaults::AUDIT)?;
    let place = args.docker.place(watch.docker.as_ref())?;
    // The files first: they are the likelier to fail, and leave the interfaces alone then.
    let outputs = args.output.iter().map(|path| Output::open(path));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let file = args.write.as_deref().map(Save::create).transpose()?;
    let file = RefCell::new(file);
    watch.load.policy |= place != DockerSocket::Off;
    // All of it, and nothing that is over is forgotten.
    watch.judged_over = args.duration * 2;
    let mut agent = Agent::start(&watch)?;
    let (docker, networks) = watch::channel(docker::DockerStatus::default());
    agent.set_docker(networks.clone());
    let policy = agent
        .policy()
        .ok_or_else(|| Failure::runtime(anyhow!("no policy to audit")))?;
    let ring = agent
        .take_samples()
        .ok_or_else(|| Failure::runtime(anyhow!("no sample ring")))?;
    let log = agent.take_log();
    let (started, began) = (Timestamp::now(), Instant::now());
    let watching = agent.describe();
    eprintln!(
        "watching {watching} for {:?}; Ctrl-C ends it with what is known by then",
        args.duration
    );
    let decoder = decoder(&watch, false);
    let names = agent.names();
    let mut judge_flows = agent.judge();
    let settling = loops::exposure::keep_books(agent.account());
    let sight = Sight::new(args.duration);
    let mut samples = LiveFlows::default();
    let draining = ring::drain(ring, log, |sample, time| {
        let name = names.of(sample.ifindex);
        let record = decoder.decode(&mut samples, sample, time, &name);
        if let Some(judge) = &mut judge_flows
            && let Err(failure) = judge.note(sample, record.payload_len, &record.verdict)
        {
            // The flow is sampled again.
            tracing::debug!("no verdict: {failure}");
        }
        sight.note(&record);
        match file.borrow_mut().as_mut() {
            Some(file) => match file.save(sample, &record, time, &name) {
                Ok(()) => ControlFlow::Continue(()),
                Err(failure) => ControlFlow::Break(Err(failure)),
            },
            None => ControlFlow::Continue(()),
        }
    });
    let agent = Arc::new(Mutex::new(agent));
    let judging = loops::policy::keep_current(
        Arc::clone(&agent),
        Arc::clone(&policy),
        networks,
        args.duration,
    );
    let end = async {
        tokio::select! {
            () = tokio::time::sleep(args.duration) => {}
            () = stop => {}
        }
        let took = began.elapsed();
        tokio::time::sleep(LAST).await;
        took
    };
    let took = tokio::select! {
        result = loops::host::keep_attached(Arc::clone(&agent)) => return result,
        result = judging => return result,
        result = loops::esp::log_causes(Arc::clone(&agent)) => return result,
        result = draining => return result,
        result = settling => return result,
        result = keep_flushed(&file) => return result,
        result = sight.follow(&agent, &policy, began) => return result,
        never = loops::docker::keep_listed(place, watch.load.udp_ports.clone(), docker) => match never {},
        took = end => took,
    };
    if let Some(file) = file.borrow_mut().as_mut() {
        file.flush()?;
    }
    let seen = Exposure {
        is_watched: watch.load.exposure,
        host_flows: watch.load.host_flows,
        ..Exposure::default()
    };
    let audit = tokio::task::spawn_blocking(move || judge(&agent, &policy, sight, seen, began))
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
    for output in outputs {
        output.write(&audit)?;
    }
    print(&audit, args.format)?;
    audit.outcome()
}

/// The verdict of this moment, with what a last look finds.
fn judge(
    agent: &Shared,
    policy: &policy::SharedPolicy,
    sight: Sight,
    mut exposure: Exposure,
    began: Instant,
) -> Result<Audit, Failure> {
    let locked = agent
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
    let snapshot = locked.snapshot()?;
    let blind = locked.blind();
    drop(locked);
    let opened = loops::policy::log_events(policy);
    loops::policy::explain(agent, policy, opened);
    // Again, with the causes of what the last look found.
    let report = policy
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the policy failed")))?
        .report();
    if exposure.is_watched {
        let (conversations, mut timeline, samples) = sight.done();
        timeline.note(
            began.elapsed(),
            crate::surface::report::Shares::of(&snapshot),
        );
        (exposure.chapters, exposure.more) = chapters(&snapshot, &report, &conversations);
        exposure.is_lower_bound = snapshot.counted.is_lower_bound();
        exposure.samples = samples;
        exposure.timeline = timeline;
    }
    Ok(Audit {
        report,
        blind,
        attribution: snapshot.counted.attribution,
        exposure,
        ..Audit::default()
    })
}

fn print(audit: &Audit, form: Form) -> Result<(), Failure> {
    let page = audit.page(form)?;
    match io::stdout().write_all(page.as_bytes()) {
        // Who closed the pipe has read enough; the exit code still tells.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot print").map_err(Failure::runtime),
    }
}
