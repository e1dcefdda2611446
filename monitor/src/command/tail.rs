//! `overlay-monitor tail`: a line for each sample.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::anyhow;

use crate::agent::confined::FilesLater;
use crate::agent::session::{DecodedSample, Session, SessionOptions};
use crate::base::failure::Failure;
use crate::base::output::{Output, message, stdout_closed};
use crate::base::plural::counted;
use crate::command::cli::{ExportArgs, PolicyArgs, TailArgs};
use crate::command::settings::{self, Defaults};
use crate::host::docker::DockerSocket;
use crate::host::own_connections::own_connections;
use crate::surface::capture_file::{CaptureFile, keep_flushed};
use crate::surface::sample_lines::{Printed, Printer};
use crate::traffic::filter::{Connection, Filter};

/// A `tail`, watching.
pub struct Started {
    args: TailArgs,
    file: Option<CaptureFile>,
    filter: Filter,
    session: Session,
}

/// Starts to watch, and gives up the privileges that only this takes.
pub(super) fn start(args: TailArgs) -> Result<Started, Failure> {
    let plan = settings::plan(
        &args.watch,
        &PolicyArgs::default(),
        &ExportArgs::default(),
        Defaults::TAIL,
    )?;
    let options = SessionOptions {
        docker: DockerSocket::Off,
        show_payload: args.show_payload,
        show_users: args.show_users,
        update_over: plan.state_window,
        manager: Arc::default(),
    };
    let session = Session::start(&plan, options)?;
    // Emptied last: nothing before it can fail any more.
    let file = args.write.as_deref().map(CaptureFile::create).transpose()?;
    let mut filter = Filter::from(args.filter.clone());
    if !args.own_session {
        filter.without = own_connections()
            .into_iter()
            .map(|(one, other)| Connection::new(one, other))
            .collect();
    }
    session.give_up_privileges(&FilesLater::default())?;
    Ok(Started {
        args,
        file,
        filter,
        session,
    })
}

/// Prints until a signal ends it.
pub(super) async fn run(started: Started, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let Started {
        args,
        file,
        filter,
        session,
    } = started;
    let file = RefCell::new(file);
    message(format_args!("watching {}; Ctrl-C ends", session.describe()));

    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut printer = Printer::new(Output::stdout(), args.format, colour, args.lines, args.all);
    let agent = session.agent();
    for connection in &filter.without {
        message(format_args!(
            "not shown: the connection of this session, between {connection}; --own-session shows it"
        ));
    }
    let print = |seen: &DecodedSample<'_>| {
        if !filter.admits(&seen.record.into()) {
            printer.skip();
            return ControlFlow::Continue(());
        }
        if let Some(file) = file.borrow_mut().as_mut()
            && let Err(failure) = file.save(seen)
        {
            return ControlFlow::Break(Err(failure));
        }
        match printer.print(seen.record) {
            Ok(Printed::More) => ControlFlow::Continue(()),
            Ok(Printed::Enough) => ControlFlow::Break(Ok(())),
            Err(failure) => ControlFlow::Break(Err(failure)),
        }
    };
    let end = async {
        tokio::select! {
            result = keep_flushed(&file) => match result? {},
            () = stop => Ok(()),
            () = stdout_closed() => Ok(()),
        }
    };
    let mut result = session
        .run(print, end)
        .await
        .and_then(|ended| ended.unwrap_or(Ok(())));
    if let Some(file) = file.borrow_mut().as_mut() {
        result = result.and(file.flush());
    }
    let agent = agent
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
    message(format_args!("{}", printer.summary()));
    let lost = agent.snapshot()?.counted.state.ring_full;
    if lost != 0 {
        message(format_args!(
            "lost {}, which came faster than they were printed (counts are not affected); sample fewer with --sample-every N, \
             or write to a file",
            counted(lost, "sample")
        ));
    }
    result
}
