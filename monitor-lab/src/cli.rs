//! Command line of `overlay-lab`: one file or folder for each command, and what the commands share
//! (`agent_metrics`, `child_output`, `monitor_program`, `progress`, `table`).

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use monitor_lab::{Error, serve_web};

mod agent_metrics;
mod bench;
mod child_output;
mod demo;
mod monitor_program;
mod progress;
mod record;
mod table;
mod up;

/// Two hosts joined by an overlay network, on this machine, with real traffic.
///
/// The hosts are network namespaces, which the kernel removes when the program ends. Needs root.
#[derive(Debug, Parser)]
#[command(name = "overlay-lab", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show in four steps what can be read of an overlay's traffic, and what the monitor reports
    ///
    /// Plain overlay, encrypted overlay, published port, published port with TLS. Exits with 0 when every step showed
    /// what was expected, with 1 when one did not (also where the kernel has no ESP).
    Demo(demo::Arguments),
    /// Measure what the monitor costs
    Bench(bench::Arguments),
    /// Record traffic of real servers as fixtures for the tests
    ///
    /// Runs each server and its clients in two containers of an overlay, in a temporary copy of this machine's file
    /// system, and keeps the first packets of every flow, with what the flow contains.
    Record(record::Arguments),
    /// Set up the lab with all its services and keep it until Ctrl-C, to explore it by hand
    Up(up::Arguments),
    /// The web app of the lab (started by the lab)
    #[command(hide = true)]
    Web {
        /// Address to serve on
        #[arg(long, value_name = "ADDR:PORT")]
        listen: SocketAddr,
        /// Address of Redis
        #[arg(long, value_name = "ADDR:PORT")]
        redis: SocketAddr,
    },
}

/// Parses the command line, runs the command, and maps errors to exit codes: 2 usage, 3 kernel or privileges,
/// 4 run time.
pub(crate) fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Up(arguments) => up::run(&arguments),
        Command::Web { listen, redis } => serve_web(listen, redis).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("overlay-lab: {error:#}");
        ExitCode::from(match error.downcast_ref::<Error>() {
            Some(Error::NotRoot | Error::NoEsp(_) | Error::NoWireGuard(_)) => 3,
            Some(Error::Usage(_)) => 2,
            _ => 4,
        })
    })
}
