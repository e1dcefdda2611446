//! `overlay-monitor fleet`: asks Prometheus what the agents of all nodes report, now or over a time.

mod counted_cleartext;
mod coverage;
mod history;
mod now;
mod raw_samples;
mod source;

use std::future::Future;

use anyhow::anyhow;
use jiff::Timestamp;

use super::cli::FleetArgs;
use crate::base::failure::Failure;
use crate::base::output::Output;
use crate::surface::prometheus::Instance;
use crate::surface::report::fleet::Scope;
use crate::surface::report::output_file::OutputFile;
use crate::surface::report::{Report, render};

use source::Fleet;

pub(super) async fn run(args: &FleetArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    tokio::select! {
        result = report(args) => result,
        () = stop => Ok(()),
    }
}

async fn report(args: &FleetArgs) -> Result<(), Failure> {
    let outputs = args.output.iter().map(|path| OutputFile::open(path));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let selector = args.agents.selector();
    let expected = args.expect_node.iter().map(|at| Instance::new(at));
    let server = args.access.server(&args.prometheus)?;
    let mut fleet = Fleet::new(server, selector, expected.collect());
    let now = Timestamp::now();
    let to = args.to.map_or(now, |to| to.0.min(now));
    let scope = Scope {
        server: monitor_classify::text::escape(&args.prometheus, 120),
        job: args.agents.job.clone(),
        to,
        ..Scope::default()
    };
    match args.since.or(args.from) {
        None => {
            let report = now::of(&mut fleet, scope).await?;
            print(&report, args, outputs)?;
            report.outcome()
        }
        Some(from) => {
            let from = from.0;
            if from >= to {
                return Err(Failure::usage(anyhow!(
                    "the time ends before it begins; give --from earlier than --to"
                )));
            }
            let report = history::of(&mut fleet, scope, from, args.tolerate).await?;
            print(&report, args, outputs)?;
            report.outcome()
        }
    }
}

fn print(report: &impl Report, args: &FleetArgs, outputs: Vec<OutputFile>) -> Result<(), Failure> {
    for output in outputs {
        output.write(report)?;
    }
    Output::stdout().print(format_args!("{}", render(report, args.format)?))
}
