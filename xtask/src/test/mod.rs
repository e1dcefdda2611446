//! `cargo xtask test`: everything, with one summary.

mod binaries;
mod libtest;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::build;
use crate::cli;
use crate::paths::Ctx;
use crate::proc::{cargo, quote, say, shown};
use crate::setup::{apt, docker, packages};
use crate::{fuzz, lint, vm};
use libtest::Tally;

/// The result of a step.
struct Step {
    name: String,
    outcome: Result<(), String>,
    took: Duration,
}

/// All that happened.
#[derive(Default)]
struct Report {
    steps: Vec<Step>,
    results: Results,
}

/// Where tests ran, and what came out there, in order.
type Results = Vec<(String, Tally)>;

/// Time for all tests on one kernel of the virtual machine.
const VM_TIME: Duration = Duration::from_secs(3600);

impl Report {
    fn step(&mut self, name: &str, work: impl FnOnce(&mut Results) -> Result<()>) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = work(&mut self.results).map_err(|error| format!("{error:#}"));
        if let Err(error) = &outcome {
            say(error);
        }
        let fine = outcome.is_ok();
        self.steps.push(Step {
            name: name.to_owned(),
            outcome,
            took: start.elapsed(),
        });
        fine
    }

    /// Prints the summary; the totals stand alone on the last line.
    fn finish(self) -> bool {
        println!("\n== summary");
        for step in &self.steps {
            let word = if step.outcome.is_ok() {
                "ok    "
            } else {
                "FAILED"
            };
            println!("{word} {:>6.1} s  {}", step.took.as_secs_f64(), step.name);
            if let Err(error) = &step.outcome {
                // The whole error was shown when it came.
                println!(
                    "                 {}",
                    error.lines().next().unwrap_or_default()
                );
            }
        }
        let mut total = Tally::default();
        for (place, tally) in &self.results {
            total.add(tally, place);
        }
        print!("\n{}", table(&self.results));
        if !total.failures.is_empty() {
            println!("\nfailed tests:");
            for name in &total.failures {
                println!("    {name}");
            }
        }
        if total.ignored > 0 {
            println!(
                "\n{} tests are marked as ignored and did not run",
                total.ignored
            );
        }
        if total.passed + total.failed == 0 {
            println!("\nno test was executed");
        }
        println!("\n{} passed, {} failed", total.passed, total.failed);
        std::io::stdout().flush().ok();
        total.failed == 0 && total.passed > 0 && self.steps.iter().all(|step| step.outcome.is_ok())
    }
}

/// What passed and failed where, a line for each kernel.
fn table(results: &Results) -> String {
    let mut table = format!(
        "{:<16}{:>8}{:>8}{:>9}\n",
        "kernel", "passed", "failed", "ignored"
    );
    for (place, tally) in results {
        table.push_str(&format!(
            "{place:<16}{:>8}{:>8}{:>9}\n",
            tally.passed, tally.failed, tally.ignored
        ));
    }
    table
}

/// Runs everything; false if anything failed.
pub(crate) fn main(ctx: &Ctx, args: &cli::Test) -> Result<bool> {
    let kernels: Vec<String> = if args.no_vm {
        Vec::new()
    } else if args.matrix {
        let known = vm::kernel::KERNELS.iter();
        known.map(|(version, _)| (*version).to_owned()).collect()
    } else {
        args.kernels.clone()
    };
    // What is missing is said before the long steps, and stops here.
    apt::ensure(ctx, &packages::tests(), &[])?;
    if !args.vm_only {
        docker::engine(ctx)?;
    }
    for kernel in &kernels {
        vm::prepare(ctx, kernel, None)?;
    }

    let mut report = Report::default();
    // `cargo test` builds no binary that another package's tests start.
    let built = report.step("build the binaries and the tests", |_| {
        build::everything(ctx)
    });
    if built {
        if args.filter.is_none() && !args.vm_only {
            report.step("lint", |_| lint::main(ctx));
            report.step("a short run of every fuzz target", |_| fuzz::short(ctx));
        }
        if !args.vm_only {
            report.step(
                "unit, command-line and kernel tests on this machine",
                |total| on_this_machine(ctx, args.filter.as_deref(), total),
            );
        }
        if !kernels.is_empty() {
            match binaries::for_vm(ctx, &args.only) {
                Ok(programs) if programs.is_empty() => {
                    say("no tests are declared for the virtual machine");
                }
                Ok(programs) => {
                    for kernel in &kernels {
                        report.step(
                            &format!("kernel tests on Linux {kernel} in the virtual machine"),
                            |total| in_vm(ctx, kernel, &programs, args.filter.as_deref(), total),
                        );
                    }
                }
                Err(error) => {
                    report.step("compile the tests for the virtual machine", |_| Err(error));
                }
            }
        }
    }
    Ok(report.finish())
}

fn on_this_machine(ctx: &Ctx, filter: Option<&str>, total: &mut Results) -> Result<()> {
    let mut cmd = cargo();
    cmd.current_dir(&ctx.root)
        .args(["test", "--workspace", "--no-fail-fast"]);
    if let Some(filter) = filter {
        cmd.args(["--", filter]);
    }
    let mut tally = Tally::default();
    let mut child = cmd
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(&cmd)))?;
    let stdout = child.stdout.take().context("the tests have no output")?;
    let mut watcher = Watcher::new(&mut tally, std::io::stdout());
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .context("cannot read the tests' output")?
        > 0
    {
        watcher.write_all(&line)?;
        line.clear();
    }
    let status = child.wait()?;
    conclude(tally, status.success(), "cargo test", "this machine", total)
}

fn in_vm(
    ctx: &Ctx,
    kernel: &str,
    programs: &[binaries::Program],
    filter: Option<&str>,
    total: &mut Results,
) -> Result<()> {
    let mut tally = Tally::default();
    let run = |programs: &[binaries::Program], tally: &mut Tally| {
        let script = script(programs, filter);
        let mut job = vm::Job::new(&ctx.root, &["/bin/sh", "-c", &script]);
        job.kernel = kernel.to_owned();
        job.timeout = VM_TIME;
        vm::run(ctx, &job, &mut Watcher::new(tally, std::io::stdout()))
    };
    let mut code = run(programs, &mut tally);
    if let Some(why) = code
        .as_ref()
        .err()
        .and_then(|error| error.downcast_ref::<vm::StaleBreakpoint>())
    {
        say(why.to_string());
        say("booting once more, for the tests that have no result yet");
        let ended = tally.begin_again();
        let failed = tally.failed;
        code = run(&programs[ended.min(programs.len())..], &mut tally);
        // The second run knows nothing of what failed in the first.
        code = code.map(|code| if failed > 0 { 1 } else { code });
    }
    let place = format!("Linux {kernel}");
    match code {
        Ok(code) => conclude(tally, code == 0, "the virtual machine's run", &place, total),
        Err(error) => {
            conclude(tally, false, "the virtual machine's run", &place, total).ok();
            Err(error)
        }
    }
}

/// Runs all programs one after the other, also if one fails.
fn script(programs: &[binaries::Program], filter: Option<&str>) -> String {
    let mut script = "failed=0\n".to_owned();
    for program in programs {
        let filter = filter.map(quote).unwrap_or_default();
        script.push_str(&format!(
            "echo; echo '     Running {}'\ncd {} && {} {filter} || failed=1\n",
            program.name,
            quote(&program.folder.to_string_lossy()),
            quote(&program.path.to_string_lossy()),
        ));
    }
    script.push_str("exit $failed\n");
    script
}

fn conclude(
    mut tally: Tally,
    succeeded: bool,
    name: &str,
    place: &str,
    total: &mut Results,
) -> Result<()> {
    tally.settle(name, succeeded);
    let (passed, failed, ignored) = (tally.passed, tally.failed, tally.ignored);
    total.push((place.to_owned(), tally));
    if failed > 0 || !succeeded {
        anyhow::bail!("{passed} passed, {failed} failed");
    }
    println!("{passed} passed, {ignored} ignored");
    Ok(())
}

/// Passes output on as it comes, and counts its complete lines.
struct Watcher<'a, W> {
    tally: &'a mut Tally,
    line: Vec<u8>,
    out: W,
}

impl<'a, W: Write> Watcher<'a, W> {
    fn new(tally: &'a mut Tally, out: W) -> Self {
        Self {
            tally,
            line: Vec::new(),
            out,
        }
    }
}

impl<W: Write> Write for Watcher<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            if *byte == b'\n' {
                self.tally.line(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            } else if self.line.len() < 64 * 1024 {
                self.line.push(*byte);
            }
        }
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn watcher_counts_lines_cut_anywhere() {
        let mut tally = Tally::default();
        let text = b"running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let mut watcher = Watcher::new(&mut tally, Vec::new());
        for piece in text.chunks(7) {
            watcher.write_all(piece).unwrap();
        }
        assert_eq!((tally.passed, tally.failed), (1, 0));
    }

    #[test]
    fn table_has_a_line_for_each_kernel() {
        let tally = |passed, failed| {
            let mut tally = Tally::default();
            (tally.passed, tally.failed) = (passed, failed);
            tally
        };
        let results = vec![
            ("this machine".to_owned(), tally(120, 0)),
            ("Linux 5.10".to_owned(), tally(7, 2)),
        ];
        assert_eq!(
            table(&results),
            "kernel            passed  failed  ignored\n\
             this machine         120       0        0\n\
             Linux 5.10             7       2        0\n"
        );
    }

    #[test]
    fn script_runs_all_and_remembers_a_failure() {
        let program = |name: &str, path: &str| binaries::Program {
            name: name.to_owned(),
            path: path.into(),
            folder: "/".into(),
        };
        let script = script(
            &[program("one", "/bin/false"), program("two", "/bin/true")],
            None,
        );
        let out = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&out.stdout).contains("Running two"));
    }
}
