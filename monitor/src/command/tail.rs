//! `overlay-monitor tail`.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use anyhow::anyhow;

use crate::agent::{Agent, decoder, loops};
use crate::base::failure::Failure;
use crate::command::cli::{PolicyArgs, TailArgs};
use crate::command::settings::{self, Defaults};
use crate::kernel::ring;
use crate::surface::lines::{Printed, Printer};
use crate::surface::save::{Save, keep_flushed};
use crate::traffic::flows::LiveFlows;

pub(super) async fn run(args: &TailArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let watch = settings::plan(&args.watch, &PolicyArgs::default(), None, Defaults::TAIL)?;
    // The file first: it is the likelier to fail, and leaves the interfaces alone then.
    let file = args.write.as_deref().map(Save::create).transpose()?;
    let file = RefCell::new(file);
    let mut agent = Agent::start(&watch)?;
    let ring = agent
        .take_samples()
        .ok_or_else(|| Failure::runtime(anyhow!("no sample ring")))?;
    let log = agent.take_log();
    eprintln!("watching {}; Ctrl-C ends", agent.describe());

    let out = io::stdout();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut printer = Printer::new(out, args.format, colour, args.lines, args.all);
    let names = agent.names();
    let agent = Arc::new(Mutex::new(agent));
    let decoder = decoder(&watch, args.show_payload);
    let mut samples = LiveFlows::default();
    let draining = ring::drain(ring, log, |sample, time| {
        let name = names.of(sample.ifindex);
        let record = decoder.decode(&mut samples, sample, time, &name);
        if let Some(file) = file.borrow_mut().as_mut()
            && let Err(failure) = file.save(sample, &record, time, &name)
        {
            return ControlFlow::Break(Err(failure));
        }
        match printer.print(&record) {
            Ok(Printed::More) => ControlFlow::Continue(()),
            Ok(Printed::Enough) => ControlFlow::Break(Ok(())),
            Err(failure) => ControlFlow::Break(Err(failure)),
        }
    });
    let mut result = tokio::select! {
        result = draining => result,
        result = loops::host::keep_attached(Arc::clone(&agent)) => result,
        result = keep_flushed(&file) => result,
        () = stop => Ok(()),
    };
    if let Some(file) = file.borrow_mut().as_mut() {
        result = result.and(file.flush());
    }
    let agent = agent
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
    let lost = agent.snapshot()?.counted.state.ring_full;
    if lost != 0 {
        eprintln!(
            "{lost} samples were lost because they came faster than they were printed; counts are not affected. \
             Sample less with --sample-every N, or write to a file"
        );
    }
    result
}
