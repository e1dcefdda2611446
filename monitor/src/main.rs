//! `overlay-monitor`: reads `argv`, sets up logging and signals, and maps failures to exit codes.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use monitor::base::failure::{Failure, FailureKind};
use monitor::base::memory;
use monitor::base::output::message;
use monitor::base::signals::HeldSignals;
use monitor::command;
use monitor::command::cli::Cli;
use monitor::command::log_filter::log_filter;
use monitor::surface::format::Format;
use monitor::surface::log_lines::{JsonLines, text_fields};
use monitor::surface::status_line::Log;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    memory::keep_together();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. A closed pipe is no failure.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let log_format = cli.log_format();
    match start(cli, log_format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match log_format {
                // Wrong usage is for the user who typed it, and may precede the log.
                Format::Json if failure.kind != FailureKind::Usage => tracing::error!("{failure}"),
                Format::Json | Format::Text => message(format_args!("overlay-monitor: {failure}")),
            }
            failure.exit_code()
        }
    }
}

fn start(cli: Cli, log_format: Format) -> Result<(), Failure> {
    logging(cli.log_level(), log_format)?;
    let held = HeldSignals::hold();
    // The only thread: what it gives up, no other has.
    let started = command::start(cli)?;
    // One thread, which waits for its timers itself: threads that wake each other for each of them would cost more than the work.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::runtime)?;
    runtime.block_on(async {
        let signals = held.take().map_err(Failure::runtime)?;
        command::run(started, signals).await
    })
}

fn logging(level: Option<&str>, format: Format) -> Result<(), Failure> {
    let variable = std::env::var_os(EnvFilter::DEFAULT_ENV);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(log_filter(level, variable.as_deref())?)
        .with_writer(|| Log);
    match format {
        Format::Text => subscriber
            .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_target(false)
            .fmt_fields(text_fields())
            .init(),
        Format::Json => subscriber.event_format(JsonLines).init(),
    }
    Ok(())
}
