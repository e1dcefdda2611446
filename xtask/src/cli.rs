//! The command line, and the help a person learns it from.

use clap::{Parser, Subcommand};

/// Builds, tests and runs overlay-monitor from a fresh clone.
///
/// Everything that is missing is set up first: each command says in one line
/// what it installs and why. A second run installs nothing. On Debian and
/// Ubuntu this needs root; elsewhere, or with --no-install, the commands to
/// type are printed instead.
///
/// Start with `cargo xtask demo`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Never install anything: print the exact commands for this machine and stop
    #[arg(long, global = true)]
    pub(crate) no_install: bool,

    #[command(subcommand)]
    pub(crate) command: Task,
}

#[derive(Subcommand)]
pub(crate) enum Task {
    Build(Build),
}

/// Build the kernel programs and the binaries
///
/// The kernel programs need a compiler for bpfel-unknown-none: the
/// distribution's with a prebuilt core, or a rustup nightly with rust-src; and
/// a bpf-linker of the same LLVM. Both are found or installed. The objects go
/// to target/bpf/, from where `cargo build` embeds them in the binaries; once
/// they are there, plain `cargo build` works alone.
#[derive(clap::Args)]
pub(crate) struct Build {
    /// Optimise the user-space binaries (the kernel programs always are)
    #[arg(long)]
    pub(crate) release: bool,
    /// Stop after the kernel programs
    #[arg(long)]
    pub(crate) ebpf_only: bool,
}
