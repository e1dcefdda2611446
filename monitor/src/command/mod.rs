//! The subcommands, one file each: arguments become settings, settings a session, its snapshots surfaces.
//!
//! The top layer: it imports every other, and only `main.rs` calls it.

mod audit;
pub mod check;
pub mod cli;
mod config;
mod detach;
mod fleet;
mod health;
pub mod log_filter;
mod read;
mod reload;
mod run;
pub mod settings;
mod tail;
mod top;

use crate::base::failure::Failure;
use crate::base::signals::Signals;
use cli::{Cli, Command};

/// A command that is started.
pub enum Started {
    /// The node agent: it watches, and has given up what only the start needs.
    Agent(Box<run::Started>),
    /// Any other: it starts in the runtime.
    Other(Box<Command>),
}

/// Starts a command, in the only thread of the process.
///
/// # Errors
/// A failure with its exit code and a message that says what to do.
pub fn start(cli: Cli) -> Result<Started, Failure> {
    match cli.command {
        Command::Run(args) => run::start(args).map(Box::new).map(Started::Agent),
        other => Ok(Started::Other(Box::new(other))),
    }
}

/// Runs a command until it is done, or until a signal ends it.
///
/// # Errors
/// A failure with its exit code and a message that says what to do.
pub async fn run(started: Started, signals: Signals) -> Result<(), Failure> {
    let command = match started {
        Started::Agent(agent) => return run::run(*agent, signals).await,
        Started::Other(command) => command,
    };
    match *command {
        // [`start`] leaves none of these.
        Command::Run(args) => run::run(run::start(args)?, signals).await,
        Command::Audit(args) => audit::run(&args, signals.end_only()).await,
        Command::Tail(args) => tail::run(&args, signals.end_only()).await,
        Command::Top(args) => top::run(&args, signals.end_only()).await,
        Command::Fleet(args) => fleet::run(&args, signals.end_only()).await,
        Command::Read(args) => read::run(args, signals.end_only()).await,
        Command::Check(args) => check::run(&args).await,
        Command::Config(args) => config::run(&args),
        Command::Health(args) => health::run(&args).await,
        Command::Detach(args) => detach::run(&args),
    }
}
