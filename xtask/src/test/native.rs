//! Runs test programs on this machine, several at a time: most of a test's time is spent waiting.

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::libtest::{self, Tally};
use super::programs::Program;
use super::reached;
use crate::build;
use crate::paths::{Ctx, make_dir};
use crate::proc::shown;

/// Programs that run at a time.
const AT_A_TIME: usize = 3;
/// Programs that hold the product to times of the clock, or to a rate that it must keep up with: each runs alone.
const ALONE: &[&str] = &[
    "kernel_interfaces",
    "kernel_needles",
    "kernel_policy",
    "kernel_scrape",
];
/// A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(900);
/// From a program's end until its output has ended too. What it left running may hold the output open.
const REST: Duration = Duration::from_secs(2);

/// Runs all of them, and the documentation's examples. A program that failed shows all of its output.
pub(super) fn run(ctx: &Ctx, programs: &[Program], filter: Option<&str>) -> Result<Tally> {
    let logs = ctx.path("target/test");
    make_dir(&logs)?;
    let notes = reached::folder(ctx);
    let mut jobs: Vec<Job> = programs
        .iter()
        .map(|program| Job::of(program, filter, &notes))
        .collect();
    jobs.push(Job::examples(ctx, filter));
    let (alone, together): (Vec<Job>, Vec<Job>) = jobs
        .into_iter()
        .partition(|job| ALONE.contains(&job.name.as_str()));
    let total = Mutex::new(Tally::default());
    let queue = Mutex::new(VecDeque::from(together));
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let finish = |job: Job| {
        let tally = job.run(&logs);
        total
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&tally, None);
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(job) = next() {
                    finish(job);
                }
            });
        }
    });
    alone.into_iter().for_each(finish);
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Job {
    name: String,
    cmd: Command,
}

impl Job {
    fn of(program: &Program, filter: Option<&str>, notes: &Path) -> Self {
        let mut cmd = Command::new(&program.path);
        cmd.current_dir(&program.folder)
            .env("CARGO_MANIFEST_DIR", &program.folder)
            .env(reached::FOLDER, notes)
            .args(filter)
            .args(libtest::ARGUMENTS)
            .envs(libtest::VARIABLES.iter().copied());
        Self {
            name: program.name.clone(),
            cmd,
        }
    }

    /// The examples in the documentation.
    fn examples(ctx: &Ctx, filter: Option<&str>) -> Self {
        let mut cmd = build::workspace(ctx, "test");
        cmd.args(["--doc", "--features", "overlay-tests/vm", "--quiet", "--"])
            .args(filter);
        Self {
            name: "examples in the documentation".to_owned(),
            cmd,
        }
    }

    /// Runs it, and prints a line about it, or all of its output if it failed.
    fn run(mut self, logs: &std::path::Path) -> Tally {
        let start = Instant::now();
        let (output, outcome) = match self.output() {
            Ok((output, status)) => (
                output,
                status.map_err(|()| "it hung, and was killed".to_owned()),
            ),
            Err(error) => (String::new(), Err(format!("{error:#}"))),
        };
        let took = start.elapsed();
        let mut tally = Tally::default();
        tally.line(&format!("Running {}", self.name));
        output.lines().for_each(|line| tally.line(line));
        let fine = matches!(&outcome, Ok(status) if status.success());
        tally.settle(&self.name, fine);
        tally.programs.push((took, self.name.clone()));
        let file: String = self
            .name
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '_' })
            .collect();
        let log = logs.join(format!("{file}.log"));
        let kept = std::fs::write(&log, &output).is_ok();
        let is_ok = fine && tally.failed == 0;
        let word = if is_ok { "ok    " } else { "FAILED" };
        let mut text = String::new();
        // A crate without unit tests is not worth a line.
        if !is_ok || tally.passed > 0 {
            text = format!(
                "{word} {:>6.1} s  {}: {} passed, {} failed\n",
                took.as_secs_f64(),
                self.name,
                tally.passed,
                tally.failed
            );
        }
        if !is_ok {
            text.push_str(&output);
            if let Err(why) = outcome {
                text.push_str(&format!("{}: {why}\n", self.name));
            }
            if kept {
                text.push_str(&format!("(the same in {})\n", log.display()));
            }
        }
        // In one piece: another program may end at the same time.
        print!("{text}");
        tally
    }

    /// What it printed, and its status: an error if it had to be killed.
    fn output(&mut self) -> Result<(String, Result<ExitStatus, ()>)> {
        let (mut reader, writer) = std::io::pipe().context("cannot make a pipe")?;
        self.cmd
            .stdin(Stdio::null())
            .stdout(writer.try_clone().context("cannot copy a pipe")?)
            .stderr(writer);
        let mut child = self
            .cmd
            .spawn()
            .with_context(|| format!("cannot start `{}`", shown(&self.cmd)))?;
        // The command still holds the writing ends.
        self.cmd.stdout(Stdio::null()).stderr(Stdio::null());
        let (pieces, read) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if pieces.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut output = Vec::new();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Ok(status);
            }
            if start.elapsed() > PATIENCE {
                child.kill().ok();
                child.wait().ok();
                break Err(());
            }
            match read.recv_timeout(Duration::from_millis(50)) {
                Ok(piece) => output.extend(piece),
                Err(RecvTimeoutError::Timeout) => {}
                // It has closed its output and goes on.
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(Duration::from_millis(50))
                }
            }
        };
        let ended = Instant::now();
        while let Some(left) = REST.checked_sub(ended.elapsed())
            && let Ok(piece) = read.recv_timeout(left)
        {
            output.extend(piece);
        }
        Ok((String::from_utf8_lossy(&output).into_owned(), status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(script: &str) -> Tally {
        let mut cmd = Command::new("sh");
        cmd.args(["-c", script]);
        let name = "a program".to_owned();
        let logs = std::env::temp_dir().join(format!("xtask-native-{}", std::process::id()));
        std::fs::create_dir_all(&logs).unwrap();
        Job { name, cmd }.run(&logs)
    }

    #[test]
    fn a_program_passes_only_with_a_result_and_a_success() {
        let result = "echo running 1 test; echo 'test a ... ok'; \
             echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured'";
        let counts = |script: &str| {
            let tally = job(script);
            (tally.passed, tally.failed)
        };
        assert_eq!(counts(result), (1, 0));
        assert_eq!(counts(&format!("{result}; exit 1")), (1, 1));
        assert_eq!(counts("echo running 1 test"), (0, 1));
        assert_eq!(counts("kill -9 $$"), (0, 1));
        assert_eq!(counts("exit 0"), (0, 1));
    }

    #[test]
    fn what_a_program_leaves_running_does_not_hold_it_up() {
        let start = Instant::now();
        let tally = job(
            "sleep 20 & echo running 0 tests; echo 'test result: ok. 0 passed; 0 failed; 0 ignored'",
        );
        assert_eq!(tally.failed, 0);
        assert!(start.elapsed() < Duration::from_secs(15));
    }
}
