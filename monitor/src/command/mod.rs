//! The subcommands: each takes its arguments and a future that ends it.

mod audit;
mod detach;
mod read;
mod run;
mod tail;

use std::future::Future;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::preflight;

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
        Command::Check(args) => preflight::run(&args).await,
        Command::Detach(args) => detach::run(&args),
    }
}
