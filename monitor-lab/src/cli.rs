//! Command line of `overlay-lab`.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use monitor_lab::{Error, web};

mod bench;
mod demo;
mod record;
mod up;

/// Two hosts joined by an overlay network, on this machine, with real traffic.
///
/// Everything is made in network namespaces of its own and vanishes when the program ends. Needs root.
#[derive(Debug, Parser)]
#[command(name = "overlay-lab", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell the story of the overlay in four steps, with what the monitor sees of each
    ///
    /// Plain overlay, encrypted overlay, published port, published port with TLS. Ends with 0 when every step
    /// showed what it must, with 1 when one did not (also where the kernel has no ESP).
    Demo(demo::Arguments),
    /// Measure what the kernel programs cost
    Bench(bench::Arguments),
    /// Record real traffic of real servers as fixtures for the tests
    ///
    /// Starts each server and its clients in two containers of an overlay, in a copy of this machine's file
    /// system that vanishes, and keeps the beginning of every flow, with what it is.
    Record(record::Arguments),
    /// Set the lab up with all its services and hold it until Ctrl-C, to look around in it
    Up(up::Arguments),
    /// The web app of the lab (started by it)
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

/// Parses, runs, and maps failures to exit codes: 2 usage, 3 kernel or privileges, 4 run time.
pub(crate) fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Up(arguments) => up::run(&arguments),
        Command::Web { listen, redis } => web::serve(listen, redis).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("overlay-lab: {error:#}");
        ExitCode::from(match error.downcast_ref::<Error>() {
            Some(Error::NotRoot | Error::NoEsp(_)) => 3,
            Some(Error::Usage(_)) => 2,
            _ => 4,
        })
    })
}
