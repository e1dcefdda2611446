//! Runs test programs on another kernel.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::libtest::{self, Tally};
use super::programs::Program;
use super::reached;
use super::report::Step;
use crate::paths::Ctx;
use crate::proc::{quote, say};
use crate::vm;

/// Time for all programs on one kernel.
const LIMIT: Duration = Duration::from_secs(3600);
/// Seconds after which one program hangs. What takes three minutes alone took fifteen beside builds.
const PATIENCE: u32 = 1500;
/// Where the guest's tests note what they reach.
const NOTES: &str = "/tmp/overlay-reached";

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
            let script = script(programs, filter, PATIENCE);
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
        // The exit code is that of the last boot; a program of an earlier one may have failed after its result.
        if let Some(failed) = self.tally.unsuccessful.first() {
            bail!("{failed} failed, although no test did");
        }
        Ok(())
    }
}

/// Runs all programs one after the other, also if one fails. One that runs for `patience` seconds is ended.
fn script(programs: &[Program], filter: Option<&str>, patience: u32) -> String {
    let mut script = format!("failed=0\nexport {}={NOTES}\n", reached::FOLDER);
    for (name, value) in libtest::VARIABLES {
        script.push_str(&format!("export {name}={value}\n"));
    }
    for program in programs {
        script.push_str(&format!(
            "echo; echo '     Running {name}'\nrm -rf {NOTES}; mkdir {NOTES}\ncd {} && timeout -k 10 {patience} {} {} {} || {{ failed=1; echo '     Failed {name}'; }}\nfind {NOTES} -type f -exec sort -u {{}} + | sed 's/^/     Reached /'\necho '     Ended {name}'\n",
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
    use std::sync::atomic::{AtomicU32, Ordering};

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
            PATIENCE,
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

    /// Runs the script of these programs (the bodies of shell scripts) on this machine, as the guest does.
    fn boot_here(bodies: &[&str], patience: u32) -> (Result<()>, Tally) {
        use std::os::unix::fs::PermissionsExt;
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("xtask-guest-{}-{run}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let programs: Vec<Program> = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| {
                let path = folder.join(index.to_string());
                std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
                program(&format!("program{index}"), &path.to_string_lossy())
            })
            .collect();
        let mut boots = Boots {
            tally: Tally::default(),
            output: Vec::new(),
        };
        let outcome = boots.run(&programs, |programs, watcher| {
            let script = script(programs, None, patience);
            let out = Command::new("sh").args(["-c", &script]).output()?;
            watcher.write_all(&out.stdout)?;
            Ok(out
                .status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(255))
        });
        std::fs::remove_dir_all(&folder).unwrap();
        boots.tally.settle("the run", outcome.is_ok());
        (outcome, boots.tally)
    }

    const PASSES: &str = "echo running 1 test; echo 'test a ... ok'; \
         echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured'";

    #[test]
    fn programs_that_pass_are_green() {
        let (outcome, tally) = boot_here(&[PASSES, PASSES], PATIENCE);
        outcome.unwrap();
        assert_eq!((tally.passed, tally.failed), (2, 0));
    }

    #[test]
    fn what_a_program_noted_comes_back() {
        let noting = format!("echo 'key hook' >${}/1; {PASSES}", reached::FOLDER);
        let (outcome, tally) = boot_here(&[&noting, PASSES], PATIENCE);
        outcome.unwrap();
        assert_eq!(tally.reached, ["key hook"]);
    }

    #[test]
    fn a_program_that_hangs_is_red() {
        for before in ["", "echo running 1 test;"] {
            let (outcome, tally) = boot_here(&[&format!("{before} exec sleep 60"), PASSES], 1);
            assert!(outcome.is_err(), "{before:?}");
            assert_eq!((tally.passed, tally.failed), (1, 1), "{before:?}");
            assert!(tally.failures[0].starts_with("program0:"), "{tally:?}");
        }
    }

    #[test]
    fn a_program_without_a_result_is_red() {
        for body in ["exit 0", "exit 1", "echo running 1 test", "kill -9 $$"] {
            let (outcome, tally) = boot_here(&[PASSES, body], PATIENCE);
            assert!(outcome.is_err(), "{body}");
            assert_eq!((tally.passed, tally.failed), (1, 1), "{body}");
        }
    }

    #[test]
    fn a_machine_that_dies_in_a_program_is_red() {
        let died = || Err(anyhow::anyhow!("the virtual machine went off"));
        let timed_out = || Ok(124);
        for end in [&died as &dyn Fn() -> Result<u8>, &timed_out] {
            for begun in [
                "",
                "     Running two\n",
                "     Running two\nrunning 1 test\ntest two ... ok\n",
            ] {
                let mut boots = Boots {
                    tally: Tally::default(),
                    output: Vec::new(),
                };
                let outcome = boots.run(
                    &[program("one", "/1"), program("two", "/2")],
                    |_, watcher| {
                        watcher.write_all(format!("{}{begun}", whole("one")).as_bytes())?;
                        end()
                    },
                );
                assert!(outcome.is_err(), "{begun:?}");
                boots.tally.settle("the run", outcome.is_ok());
                assert_eq!(
                    (boots.tally.passed, boots.tally.failed),
                    (1, 1),
                    "{begun:?}"
                );
            }
        }
    }

    #[test]
    fn a_second_boot_forgets_no_exit_code() {
        let first = whole("one").replace("     Ended", "     Failed one\n     Ended");
        let (outcome, tally, ran) = boots(&first, &whole("two"));
        assert!(outcome.is_err());
        assert_eq!(ran[1], ["two"]);
        assert_eq!((tally.passed, tally.failed), (2, 1));
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
