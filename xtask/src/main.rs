//! `cargo xtask`: builds, tests and runs overlay-monitor from a fresh clone.

mod as_rustc;
mod build;
mod cli;
mod deploy;
mod ebpf;
mod fuzz;
mod lab;
mod lint;
mod metrics;
mod monitoring;
mod mutants;
mod nodes;
mod outcome;
mod package;
mod paths;
mod proc;
mod setup;
mod swarm;
mod table;
mod test;
mod try_package;
mod two_machines;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Task};
use paths::Ctx;

fn main() -> ExitCode {
    if let Some(code) = as_rustc::act().or_else(mutants::act) {
        return code;
    }
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode> {
    let ctx = Ctx::new(!cli.no_install)?;
    match cli.command {
        Task::Build(args) => build::build(&ctx, args.release)?,
        Task::Test(args) => {
            return Ok(if test::main(&ctx, &args)? {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Task::Bpf => ebpf::main(&ctx)?,
        Task::Package => package::main(&ctx)?,
        Task::TryPackage(args) => return Ok(ExitCode::from(try_package::main(&ctx, &args)?)),
        Task::Monitoring => monitoring::write(&ctx)?,
        Task::Lint(args) if args.imports => lint::imports::check(&ctx)?,
        Task::Lint(_) => lint::main(&ctx)?,
        Task::Fuzz(args) => fuzz::main(&ctx, &args)?,
        Task::Mutants(args) => {
            return Ok(if mutants::main(&ctx, &args)? {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Task::Demo => return Ok(ExitCode::from(lab::demo(&ctx)?)),
        Task::Bench(args) => return Ok(ExitCode::from(lab::bench(&ctx, &args.args)?)),
        Task::Swarm(args) => return Ok(ExitCode::from(swarm::main(&ctx, &args)?)),
        Task::TwoMachines(args) => return Ok(ExitCode::from(two_machines::main(&ctx, &args)?)),
        Task::Record(args) => return Ok(ExitCode::from(lab::record(&ctx, &args.args)?)),
        Task::Vm(args) => return Ok(ExitCode::from(vm::main(&ctx, args)?)),
    }
    Ok(ExitCode::SUCCESS)
}
