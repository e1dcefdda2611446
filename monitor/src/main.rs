//! `overlay-monitor`: reads `argv`, sets up logging and signals, and maps failures to exit codes.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use monitor::base::failure::Failure;
use monitor::base::output::message;
use monitor::command;
use monitor::command::cli::Cli;
use monitor::command::log_filter::log_filter;
use monitor::surface::status_line::Log;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. A closed pipe is no failure.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            message(format_args!("overlay-monitor: {failure}"));
            failure.exit_code()
        }
    }
}

fn start(cli: Cli) -> Result<(), Failure> {
    logging(cli.log.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::runtime)?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::runtime)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::runtime)?;
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        command::run(cli, stop).await
    })
}

fn logging(level: Option<&str>) -> Result<(), Failure> {
    let variable = std::env::var_os(EnvFilter::DEFAULT_ENV);
    tracing_subscriber::fmt()
        .with_env_filter(log_filter(level, variable.as_deref())?)
        .with_writer(|| Log)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .init();
    Ok(())
}
