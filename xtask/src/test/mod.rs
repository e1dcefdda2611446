//! `cargo xtask test`: everything, with one summary.

mod guest;
mod libtest;
mod native;
mod programs;
mod reached;
mod report;

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use crate::cli;
use crate::paths::Ctx;
use crate::proc::giving_way;
use crate::setup::{apt, docker, packages};
use crate::{fuzz, lint, monitoring, vm};
use programs::{Program, Programs};
use report::Report;

/// Runs everything; false if anything failed.
pub(crate) fn main(ctx: &Ctx, args: &cli::Test) -> Result<bool> {
    let start = Instant::now();
    let kernels = kernels(args);
    // What is missing is installed before the long steps, or stops here.
    apt::ensure(ctx, &packages::tests(), &[])?;
    docker::engine(ctx)?;
    for kernel in &kernels {
        vm::prepare(ctx, kernel, None)?;
    }

    reached::forget(ctx)?;
    let mut report = Report::default();
    let built = report.step("build the binaries and the tests", |_| Programs::build(ctx));
    if let Some(programs) = built {
        let in_vm = if kernels.is_empty() {
            Some(Vec::new())
        } else {
            let all = args.matrix || args.kernels.is_some();
            report.step("choose the tests for the virtual machine", |_| {
                programs.for_vm(&args.only, all)
            })
        };
        if let Some(in_vm) = in_vm {
            beside(ctx, args, &programs, &kernels, &in_vm, &mut report);
            // A part of the tests cannot reach everything.
            if args.is_whole() {
                report.step("what the tests reached", |_| reached::compare(ctx));
            }
        }
    }
    Ok(report.finish(start.elapsed()))
}

/// The kernels of the virtual machine.
fn kernels(args: &cli::Test) -> Vec<String> {
    if args.no_vm || args.quick {
        Vec::new()
    } else if args.matrix {
        let known = vm::kernel::KERNELS.iter();
        known.map(|(version, _)| (*version).to_owned()).collect()
    } else {
        let usual = || vec![vm::DEFAULT_KERNEL.to_owned()];
        args.kernels.clone().unwrap_or_else(usual)
    }
}

/// Runs the virtual machine beside all other steps; its output comes after theirs, in one piece.
fn beside(
    ctx: &Ctx,
    args: &cli::Test,
    programs: &Programs,
    kernels: &[String],
    in_vm: &[Program],
    report: &mut Report,
) {
    let filter = args.filter.as_deref();
    let runs = std::thread::scope(|scope| {
        let guest = scope.spawn(|| guest::run(ctx, kernels, in_vm, filter));
        if !args.vm_only {
            here(ctx, args, programs, report);
        }
        guest.join().map_err(|_| anyhow!("it panicked"))
    });
    match runs {
        Ok(runs) => {
            for run in runs {
                println!("\n== {}", run.step.name);
                std::io::stdout().write_all(&run.output).ok();
                if let Err(error) = reached::keep(ctx, &run.place, &run.tally) {
                    report.step("what the guest's tests reached", |_| Err::<(), _>(error));
                }
                report.steps.push(run.step);
                report.results.push((run.place, run.tally));
            }
        }
        Err(error) => {
            report.step("the virtual machine", |_| Err::<(), _>(error));
        }
    }
}

/// The steps on this machine.
fn here(ctx: &Ctx, args: &cli::Test, programs: &Programs, report: &mut Report) {
    if args.filter.is_none() {
        if args.quick {
            report.step("lint, without a compiler", |_| lint::quick(ctx));
        } else {
            report.step("lint", |_| giving_way(|| lint::main(ctx)));
        }
    }
    report.step(
        "unit, command-line and kernel tests on this machine",
        |report| {
            let tally = native::run(ctx, &programs.native(), args.filter.as_deref())?;
            let failed = tally.failed;
            report.results.push(("this machine".to_owned(), tally));
            if failed > 0 {
                bail!("{failed} tests failed");
            }
            Ok(())
        },
    );
    if args.filter.is_none() {
        report.step("alerting rules, by promtool", |_| monitoring::test(ctx));
    }
    if args.filter.is_none() && !args.quick {
        report.step("a short run of every fuzz target", |_| {
            giving_way(|| fuzz::short(ctx)).context("fuzzing")
        });
    }
}
