//! The command line as typed; [`crate::command::settings`] validates it.
//!
//! Imports the value enums of `kernel`, `host` and `surface`. `main.rs` parses it; each command takes its arguments.

mod command_args;
mod commands;
mod shared_args;

pub use command_args::{
    AccessArgs, AuditArgs, CheckArgs, ConfigArgs, ConfigCommand, DetachArgs, ExportArgs, FleetArgs,
    ForecastArgs, HealthArgs, ReadArgs, RunArgs, SelectorArgs, TailArgs, TopArgs,
};
pub use commands::{Cli, Command};
pub use shared_args::{DockerArgs, FilterArgs, PolicyArgs, WatchArgs};
pub(crate) use shared_args::{forget_after, window};
