//! `overlay-lab bench`: what the kernel programs cost.

mod cases;
mod kernel;
mod stats;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Options of `overlay-lab bench`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Nanoseconds per packet, one hot packet at a time (BPF_PROG_TEST_RUN)
    ///
    /// Each run measures every case once, and an empty program of the same type beside it; what is quoted is the
    /// difference, as median over the runs with the interval that holds it in 95 of 100 tries. Nothing is attached.
    Kernel(kernel::Arguments),
}

/// Runs a benchmark.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.what {
        What::Kernel(arguments) => kernel::run(arguments),
    }
}
