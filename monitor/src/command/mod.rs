//! The subcommands, one file each: arguments become settings, settings a session, its snapshots surfaces.
//!
//! The top layer: it imports every other, and only `main.rs` calls it.

mod audit;
pub mod check;
pub mod cli;
mod config;
mod detach;
mod fleet;
mod forecast;
mod health;
mod host_bench;
pub mod log_filter;
mod own_agent;
mod pages;
mod read;
mod reload;
mod run;
mod server_access;
pub mod settings;
mod tail;
mod top;

use anyhow::Context;

use crate::base::failure::Failure;
use crate::base::signals::Signals;
use cli::{
    CheckArgs, Cli, Command, ConfigArgs, DetachArgs, FleetArgs, HealthArgs, ReadArgs, TopArgs,
};

/// A command that is started: those that watch have given up what only the start needs; the others start in the runtime.
pub enum Started {
    /// The node agent.
    Run(Box<run::Started>),
    /// See [`Command`].
    Audit(Box<audit::Started>),
    /// See [`Command`].
    Tail(Box<tail::Started>),
    /// See [`Command`].
    Top(TopArgs),
    /// See [`Command`].
    Fleet(FleetArgs),
    /// See [`Command`].
    Forecast(Box<forecast::Started>),
    /// See [`Command`].
    Read(ReadArgs),
    /// See [`Command`].
    Check(CheckArgs),
    /// See [`Command`].
    Config(ConfigArgs),
    /// See [`Command`].
    Health(HealthArgs),
    /// See [`Command`].
    Detach(DetachArgs),
}

/// Starts a command, in the only thread of the process.
///
/// # Errors
/// A failure with its exit code and a message that says what to do.
pub fn start(cli: Cli) -> Result<Started, Failure> {
    Ok(match cli.command {
        Command::Run(args) => Started::Run(Box::new(run::start(args)?)),
        Command::Audit(args) => Started::Audit(Box::new(audit::start(args)?)),
        Command::Tail(args) => Started::Tail(Box::new(tail::start(args)?)),
        Command::Top(args) => Started::Top(args),
        Command::Fleet(args) => Started::Fleet(args),
        Command::Forecast(args) => Started::Forecast(Box::new(forecast::start(args)?)),
        Command::Read(args) => Started::Read(args),
        Command::Check(args) => Started::Check(args),
        Command::Config(args) => Started::Config(args),
        Command::Health(args) => Started::Health(args),
        Command::Detach(args) => Started::Detach(args),
    })
}

/// Runs a command until it is done, or until a signal ends it.
///
/// # Errors
/// A failure with its exit code and a message that says what to do.
pub async fn run(started: Started, signals: Signals) -> Result<(), Failure> {
    match started {
        // A task: if it panics, what is attached is still detached, and the exit code is that of a failure.
        Started::Run(agent) => tokio::spawn(run::run(*agent, signals))
            .await
            .context("the agent ended")
            .map_err(Failure::runtime)?,
        Started::Audit(audit) => audit::run(*audit, signals.end_only()).await,
        Started::Tail(tail) => tail::run(*tail, signals.end_only()).await,
        Started::Top(args) => top::run(&args, signals.end_only()).await,
        Started::Fleet(args) => fleet::run(&args, signals.end_only()).await,
        Started::Forecast(started) => forecast::run(*started, signals.end_only()).await,
        Started::Read(args) => read::run(args, signals.end_only()).await,
        Started::Check(args) => check::run(&args).await,
        Started::Config(args) => config::run(&args),
        Started::Health(args) => health::run(&args).await,
        Started::Detach(args) => detach::run(&args),
    }
}
