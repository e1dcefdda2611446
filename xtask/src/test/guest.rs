//! Runs test programs on another kernel.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::libtest::{self, Tally};
use super::programs::Program;
use super::report::Step;
use crate::paths::Ctx;
use crate::proc::{quote, say};
use crate::vm;

/// Time for all programs on one kernel.
const LIMIT: Duration = Duration::from_secs(3600);
/// Seconds after which one program hangs.
const PATIENCE: u32 = 900;

/// What came out on one kernel.
pub(super) struct Run {
    pub(super) step: Step,
    pub(super) place: String,
    pub(super) tally: Tally,
    /// All that the programs printed.
    pub(super) output: Vec<u8>,
}

/// Runs the programs on each kernel, one after the other.
pub(super) fn run(
    ctx: &Ctx,
    kernels: &[String],
    programs: &[Program],
    filter: Option<&str>,
) -> Vec<Run> {
    let on = |kernel: &String| {
        let start = Instant::now();
        let place = format!("Linux {kernel}");
        let mut boots = Boots {
            tally: Tally::default(),
            output: Vec::new(),
        };
        let outcome = boots.run(programs, |programs, watcher| {
            let script = script(programs, filter);
            let mut job = vm::Job::new(&ctx.root, &["/bin/sh", "-c", &script]);
            job.kernel.clone_from(kernel);
            job.timeout = LIMIT;
            // The tests of this machine need the other processor.
            job.cpus = 1;
            job.memory = 3072;
            job.nice = true;
            vm::run(ctx, &job, watcher)
        });
        boots.tally.settle("the virtual machine", outcome.is_ok());
        Run {
            step: Step {
                name: format!("tests on Linux {kernel} in the virtual machine"),
                outcome: outcome.map_err(|error| format!("{error:#}")),
                took: start.elapsed(),
            },
            place,
            tally: boots.tally,
            output: boots.output,
        }
    };
    kernels.iter().map(on).collect()
}

/// What the boots of one kernel have come to.
struct Boots {
    tally: Tally,
    output: Vec<u8>,
}

impl Boots {
    /// Runs the programs; once more, those that have not ended, where a fault of the emulator ended the machine.
    /// `boot` gives the exit code of the script.
    fn run(
        &mut self,
        programs: &[Program],
        boot: impl Fn(&[Program], &mut Watcher<'_>) -> Result<u8>,
    ) -> Result<()> {
        let mut code = boot(
            programs,
            &mut Watcher::new(&mut self.tally, &mut self.output),
        );
        if let Err(error) = &code
            && let Some(why) = error.downcast_ref::<vm::StaleBreakpoint>()
        {
            say(why.to_string());
            say("booting again, for the tests that have no result yet");
            self.tally.begin_again();
            let left = programs
                .iter()
                .filter(|program| !self.tally.ended.contains(&program.name));
            let left: Vec<Program> = left.cloned().collect();
            code = boot(&left, &mut Watcher::new(&mut self.tally, &mut self.output));
        }
        let code = code?;
        if let Some(lost) = programs
            .iter()
            .find(|program| !self.tally.ended.contains(&program.name))
        {
            bail!("{} has not ended", lost.name);
        }
        if code != 0 || self.tally.failed > 0 {
            bail!("{} passed, {} failed", self.tally.passed, self.tally.failed);
        }
        Ok(())
    }
}

/// Runs all programs one after the other, also if one fails.
fn script(programs: &[Program], filter: Option<&str>) -> String {
    let mut script = "failed=0\n".to_owned();
    for (name, value) in libtest::VARIABLES {
        script.push_str(&format!("export {name}={value}\n"));
    }
    for program in programs {
        script.push_str(&format!(
            "echo; echo '     Running {name}'\ncd {} && timeout -k 10 {PATIENCE} {} {} {} || failed=1\necho '     Ended {name}'\n",
            quote(&program.folder.to_string_lossy()),
            quote(&program.path.to_string_lossy()),
            filter.map(quote).unwrap_or_default(),
            libtest::ARGUMENTS.join(" "),
            name = program.name,
        ));
    }
    script.push_str("exit $failed\n");
    script
}

/// Keeps output, counts its complete lines, and says which program has ended.
struct Watcher<'a> {
    tally: &'a mut Tally,
    line: Vec<u8>,
    out: &'a mut Vec<u8>,
    began: Instant,
}

impl<'a> Watcher<'a> {
    fn new(tally: &'a mut Tally, out: &'a mut Vec<u8>) -> Self {
        Self {
            tally,
            line: Vec::new(),
            out,
            began: Instant::now(),
        }
    }

    fn end_line(&mut self) {
        let ended = self.tally.ended.len();
        self.tally.line(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        if let Some(program) = self.tally.ended.get(ended) {
            let took = self.began.elapsed();
            say(format!(
                "virtual machine: {program} has ended after {:.0} s",
                took.as_secs_f64()
            ));
            self.tally.programs.push((took, program.clone()));
            self.began = Instant::now();
        }
    }
}

impl Write for Watcher<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            if *byte == b'\n' {
                self.end_line();
            } else if self.line.len() < 64 * 1024 {
                self.line.push(*byte);
            }
        }
        self.out.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Mutex;

    use super::*;

    fn program(name: &str, path: &str) -> Program {
        Program {
            name: name.to_owned(),
            path: path.into(),
            folder: "/".into(),
        }
    }

    #[test]
    fn watcher_counts_lines_cut_anywhere() {
        let (mut tally, mut out) = (Tally::default(), Vec::new());
        let text = b"     Running one\nrunning 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n     Ended one\n";
        let mut watcher = Watcher::new(&mut tally, &mut out);
        for piece in text.chunks(7) {
            watcher.write_all(piece).unwrap();
        }
        assert_eq!((tally.passed, tally.failed), (1, 0));
        assert_eq!(tally.ended, ["one"]);
        assert_eq!(out, text);
    }

    #[test]
    fn script_runs_all_and_remembers_a_failure() {
        let script = script(
            &[program("one", "/bin/false"), program("two", "/bin/true")],
            None,
        );
        let out = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&out.stdout).contains("Ended two"));
    }

    /// Boots that print what is given, one after the other; the first dies of the emulator's fault.
    fn boots(first: &str, second: &str) -> (Result<()>, Tally, Vec<Vec<String>>) {
        let mut boots = Boots {
            tally: Tally::default(),
            output: Vec::new(),
        };
        let ran = Mutex::new(Vec::new());
        let outcome = boots.run(
            &[program("one", "/1"), program("two", "/2")],
            |programs, watcher| {
                let mut ran = ran.lock().unwrap();
                ran.push(
                    programs
                        .iter()
                        .map(|program| program.name.clone())
                        .collect::<Vec<_>>(),
                );
                let text = if ran.len() == 1 { first } else { second };
                watcher.write_all(text.as_bytes())?;
                match ran.len() {
                    1 => Err(vm::StaleBreakpoint(String::new()).into()),
                    _ => Ok(u8::from(text.contains("FAILED"))),
                }
            },
        );
        boots.tally.settle("the run", outcome.is_ok());
        (outcome, boots.tally, ran.into_inner().unwrap())
    }

    fn whole(name: &str) -> String {
        format!(
            "     Running {name}\nrunning 1 test\ntest {name} ... ok\n\
             test result: ok. 1 passed; 0 failed; 0 ignored\n     Ended {name}\n"
        )
    }

    #[test]
    fn a_second_boot_runs_what_has_not_ended() {
        // The first boot ends inside of the second program, or before that has printed anything.
        for begun in [
            "     Running two\n",
            "     Running two\nrunning 1 test\n",
            "",
        ] {
            let (outcome, tally, ran) = boots(&format!("{}{begun}", whole("one")), &whole("two"));
            outcome.unwrap();
            assert_eq!(ran[1], ["two"], "{begun:?}");
            assert_eq!((tally.passed, tally.failed), (2, 0), "{begun:?}");
        }
    }

    #[test]
    fn a_second_boot_forgets_no_failure() {
        let first = format!(
            "{}     Running two\nrunning 2 tests\ntest b ... FAILED\n",
            whole("one")
        );
        let (outcome, tally, _) = boots(&first, &whole("two"));
        assert!(outcome.is_err());
        assert_eq!((tally.passed, tally.failed), (2, 1));
        assert_eq!(tally.failures, ["b"]);
        let first = "     Running one\nrunning 1 test\ntest a ... FAILED\n\
             test result: FAILED. 0 passed; 1 failed; 0 ignored\n     Ended one\n";
        let (outcome, tally, ran) = boots(first, &whole("two"));
        assert!(outcome.is_err());
        assert_eq!(ran[1], ["two"]);
        assert_eq!((tally.passed, tally.failed), (1, 1));
    }

    #[test]
    fn a_program_that_never_ran_is_an_error() {
        let (outcome, tally, _) = boots(&whole("one"), "");
        assert!(
            outcome
                .unwrap_err()
                .to_string()
                .contains("two has not ended")
        );
        assert_eq!(tally.failed, 1);
    }
}
