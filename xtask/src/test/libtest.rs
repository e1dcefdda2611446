//! Reads what Rust's test harness prints.

use std::time::Duration;

/// Arguments that make it print how long each test took.
pub(super) const ARGUMENTS: &[&str] = &["-Zunstable-options", "--report-time"];
/// Variables with which the harness of a stable compiler takes these arguments.
pub(super) const VARIABLES: &[(&str, &str)] = &[("RUSTC_BOOTSTRAP", "1")];

/// What was counted so far, over all test programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// Names of failed tests.
    pub(crate) failures: Vec<String>,
    /// How long each test took, where it is known.
    pub(crate) times: Vec<(Duration, String)>,
    /// How long each test program took.
    pub(crate) programs: Vec<(Duration, String)>,
    /// Test programs that the output says have ended, with or without a result.
    pub(crate) ended: Vec<String>,
    /// Test programs that the output says have ended with an exit code other than 0.
    pub(crate) unsuccessful: Vec<String>,
    /// What the output says that tests reached.
    pub(crate) reached: Vec<String>,
    /// Test programs that began.
    started: u64,
    /// Test programs that printed their result.
    finished: u64,
    /// The test program that runs, where the output names it.
    program: String,
    /// Failures before the one that runs.
    failures_before: usize,
    /// Results before the one that runs.
    results_before: u64,
}

impl Tally {
    /// Takes one line of output.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(program) = line.trim_start().strip_prefix("Running ") {
            self.lose();
            self.program = crate::proc::printable(program);
            self.failures_before = self.failures.len();
            self.results_before = self.finished;
        } else if let Some(program) = line.strip_prefix("     Failed ") {
            self.unsuccessful.push(crate::proc::printable(program));
        } else if let Some(program) = line.strip_prefix("     Ended ") {
            if self.started == self.results_before {
                // It did not come as far as its first test.
                self.started += 1;
            }
            self.lose();
            self.ended.push(crate::proc::printable(program));
        } else if let Some(reached) = line.strip_prefix("     Reached ") {
            self.reached.push(crate::proc::printable(reached));
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            if let Some((passed, failed, ignored)) = result(rest) {
                self.finished += 1;
                self.passed += passed;
                self.failed += failed;
                self.ignored += ignored;
            }
        } else if let Some(rest) = line.strip_prefix("test ") {
            self.test(rest);
        } else if let Some(rest) = line.strip_prefix("running ")
            && (rest.ends_with(" test") || rest.ends_with(" tests"))
        {
            self.started += 1;
        }
    }

    /// `NAME ... ok <0.123s>`; a test's own output may stand before the word.
    fn test(&mut self, line: &str) {
        let (line, time) = match line.rsplit_once(" <") {
            Some((line, time)) => (line, time.strip_suffix("s>")),
            None => (line, None),
        };
        let Some((name, outcome)) = line.split_once(" ... ") else {
            return;
        };
        let name = crate::proc::printable(name);
        if let Some(time) = time.and_then(|time| time.parse().ok())
            && let Ok(time) = Duration::try_from_secs_f64(time)
        {
            self.times.push((time, format!("{}: {name}", self.program)));
        }
        if outcome.ends_with("FAILED") {
            self.failures.push(name);
        }
    }

    /// Takes a test program that ended without its result (it was killed,
    /// aborted, or never ran) as one failed test called `name`.
    pub(crate) fn settle(&mut self, name: &str, succeeded: bool) {
        if self.program.is_empty() {
            self.program = name.to_owned();
        }
        self.lose();
        if self.failed == 0 && (!succeeded || self.finished == 0) {
            self.failed = 1;
            let what = if self.finished == 0 {
                "printed no result of a test"
            } else {
                "failed, although no test did"
            };
            self.failures
                .push(format!("{name}: {what}; see its output above"));
        }
    }

    /// Prepares for a second run of the test program that runs. Failures that it has reported stay.
    pub(crate) fn begin_again(&mut self) {
        if self.started > self.finished {
            self.started = self.finished;
            self.failed += (self.failures.len() - self.failures_before) as u64;
        }
        self.failures_before = self.failures.len();
    }

    /// Counts a program that began and never printed its result.
    fn lose(&mut self) {
        let lost = self.started.saturating_sub(self.finished);
        if lost > 0 {
            self.failed += lost;
            self.failures.push(format!(
                "{}: ended without a result; see its output above",
                self.program
            ));
        }
        self.started = self.finished;
    }

    /// Adds the counts of another; `place` says where its tests ran.
    pub(crate) fn add(&mut self, other: &Self, place: Option<&str>) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.times.extend(other.times.iter().cloned());
        self.programs.extend(other.programs.iter().cloned());
        self.failures
            .extend(other.failures.iter().map(|name| match place {
                Some(place) => format!("{name} ({place})"),
                None => name.clone(),
            }));
    }
}

/// `ok. 3 passed; 0 failed; 1 ignored; …`
fn result(rest: &str) -> Option<(u64, u64, u64)> {
    let counts = rest.split_once(". ")?.1;
    let count = |what: &str| {
        counts
            .split(';')
            .filter_map(|part| part.trim().split_once(' '))
            .find(|(_, name)| *name == what)
            .and_then(|(number, _)| number.parse().ok())
    };
    Some((count("passed")?, count("failed")?, count("ignored")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn results_add_up() {
        let tally = tally(
            "running 2 tests\ntest a ... ok\ntest b::c ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\
             running 1 test\ntest d ... ignored\n\
             test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!((tally.passed, tally.failed, tally.ignored), (1, 1, 1));
        assert_eq!(tally.failures, ["b::c"]);
    }

    #[test]
    fn aborted_program_counts_as_a_failure() {
        let mut aborted = tally("running 5 tests\ntest a ... ok\n");
        aborted.settle("kernel_x", false);
        assert_eq!((aborted.passed, aborted.failed), (0, 1));
        assert!(aborted.failures[0].starts_with("kernel_x"));
        // Also when another program of the same run failed in the ordinary way.
        let mut both = tally(
            "running 1 test\ntest a ... FAILED\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured\nrunning 1 test\n",
        );
        both.settle("cargo test", false);
        assert_eq!(both.failed, 2);
    }

    #[test]
    fn aborted_program_is_named() {
        let mut tally = tally(
            "     Running vm_one\nrunning 1 test\n     Running vm_two\nrunning 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured\n",
        );
        tally.settle("the run", false);
        assert_eq!(tally.failed, 1);
        assert!(
            tally.failures[0].starts_with("vm_one:"),
            "{:?}",
            tally.failures
        );
    }

    #[test]
    fn a_program_that_begins_again_keeps_its_failures() {
        let mut again = tally("     Running vm_two\nrunning 2 tests\ntest b ... FAILED <0.1s>\n");
        again.begin_again();
        let second = "     Running vm_two\nrunning 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        second.lines().for_each(|line| again.line(line));
        again.settle("the run", false);
        assert_eq!((again.passed, again.failed), (2, 1));
        assert_eq!(again.failures, ["b"]);
    }

    #[test]
    fn times_are_read_and_other_output_is_passed_over() {
        let tally = tally(
            "     Running cli\ntest a::b ... ok <1.500s>\ntest c ... words of its own ok <0.250s>\n\
             test d - should panic ... ok <2s>\ntest e ... ignored\ntest f ... FAILED <x>\n",
        );
        let times: Vec<(f64, &str)> = tally
            .times
            .iter()
            .map(|(time, name)| (time.as_secs_f64(), name.as_str()))
            .collect();
        assert_eq!(
            times,
            [
                (1.5, "cli: a::b"),
                (0.25, "cli: c"),
                (2.0, "cli: d - should panic")
            ]
        );
        assert_eq!(tally.failures, ["f"]);
    }

    #[test]
    fn what_printed_no_result_counts_as_a_failure() {
        for succeeded in [false, true] {
            let mut tally = Tally::default();
            tally.settle("cli", succeeded);
            assert_eq!(tally.failed, 1);
        }
        let mut none = tally("running 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored\n");
        none.settle("cli", true);
        assert_eq!((none.failed, none.failures.len()), (0, 0));
    }

    #[test]
    fn other_lines_are_left_alone() {
        assert_eq!(
            tally("test result: nonsense\nrunning around\ntest\n"),
            Tally::default()
        );
    }
}
