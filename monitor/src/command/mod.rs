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

use crate::base::failure::Failure;
use crate::base::signals::Signals;
use cli::{Cli, Command};

/// Runs a command until it is done, or until a signal ends it.
///
/// # Errors
/// A failure with its exit code and a message that says what to do.
pub async fn run(cli: Cli, signals: Signals) -> Result<(), Failure> {
    match cli.command {
        Command::Run(args) => run::run(args, signals).await,
        Command::Audit(args) => audit::run(&args, signals.end_only()).await,
        Command::Tail(args) => tail::run(&args, signals.end_only()).await,
        Command::Fleet(args) => fleet::run(&args, signals.end_only()).await,
        Command::Read(args) => read::run(args, signals.end_only()).await,
        Command::Check(args) => check::run(&args).await,
        Command::Config(args) => config::run(&args),
        Command::Health(args) => health::run(&args).await,
        Command::Detach(args) => detach::run(&args),
    }
}
