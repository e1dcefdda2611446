//! The subcommands, one file each: arguments become settings, settings a session, its snapshots surfaces.
//!
//! The top layer: it imports every other, and only `main.rs` calls it.

mod audit;
pub mod check;
pub mod cli;
mod detach;
mod health;
pub mod log_filter;
mod read;
mod run;
pub mod settings;
mod tail;

use std::future::Future;

use crate::base::failure::Failure;
use cli::{Cli, Command};

/// Runs a command until it is done, or until `stop` is.
///
/// # Errors
/// A failure with its exit code and a message that says what to do.
pub async fn run(cli: Cli, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    match cli.command {
        Command::Run(args) => run::run(&args, stop).await,
        Command::Audit(args) => audit::run(&args, stop).await,
        Command::Tail(args) => tail::run(&args, stop).await,
        Command::Read(args) => read::run(args, stop).await,
        Command::Check(args) => check::run(&args).await,
        Command::Health(args) => health::run(&args).await,
        Command::Detach(args) => detach::run(&args),
    }
}
